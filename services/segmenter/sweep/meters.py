"""What the sweep counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SweepMetrics:
    """Meters on the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._read = Counter(
            "nps_segmenter_sweep_customers_total",
            "Customers read for figures and data quality",
            registry=registry,
        )
        self._age = Gauge(
            "nps_segmenter_sweep_age_seconds",
            "How old figures and data quality are, as this replica last saw it; -1: everybody is "
            "still being read for the first time",
            registry=registry,
        )

    def swept(self, customers: int, age_s: float | None) -> None:
        """Count one step."""
        self._read.inc(customers)
        self._age.set(-1 if age_s is None else age_s)
