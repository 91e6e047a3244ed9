"""What ingest shows of itself: counters, and one wide log line per request.

Labels are bounded: a source that is not configured is `unknown`. Nothing personal enters here.
"""

from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

#: From a broker that answers at once to the 5 s after which a sender is told to come again.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Sight:
    """The metrics of one process; `told` is called once for every request."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Bound once: the process's first line comes after its logging is configured.
        self._log: Any = structlog.get_logger(__name__).bind()
        self._requests = Counter(
            "nps_ingest_requests",
            "Requests by source (`events` for POST /v1/events) and what became of them",
            ("source", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "nps_ingest_seconds",
            "Seconds from the request's head to its answer",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._quarantined = Counter(
            "nps_ingest_quarantined",
            "Messages put into quarantine",
            ("source",),
            registry=registry,
        )

    def told(
        self,
        *,
        route: str,
        source: str,
        outcome: str,
        status: int,
        seconds: float,
        **more: object,
    ) -> None:
        """Count and log one request. `more` holds ids and words of ours, never of the payload."""
        self._requests.labels(source, outcome).inc()
        self._seconds.labels(route).observe(seconds)
        if outcome == "quarantined":
            self._quarantined.labels(source).inc()
        self._log.info(
            "ingest.request",
            route=route,
            source=source,
            outcome=outcome,
            status=status,
            duration_ms=round(seconds * 1000, 3),
            **more,
        )
