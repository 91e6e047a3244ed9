"""What the watch over figures counts. Labels are names of alerts, from the policy."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class FigureMetrics:
    """Meters on the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "nps_segmenter_figure_alerts_open",
            "Groups whose figure changed for real, by alert of the policy",
            ["alert"],
            registry=registry,
        )
        self._told = Counter(
            "nps_segmenter_figure_alerts_total",
            "Alerts that opened or became quiet again",
            ["alert", "state"],
            registry=registry,
        )

    def standing(self, alerts: Iterable[str], found: Mapping[str, int]) -> None:
        """Set how many groups of each alert are open."""
        for alert in alerts:
            self._open.labels(alert).set(found.get(alert, 0))

    def told(self, alert: str, state: str) -> None:
        """Count one change of state."""
        self._told.labels(alert, state).inc()
