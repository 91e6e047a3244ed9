"""What ingest shows of itself: counters, and one wide log line per request.

Labels are bounded: a source that is not configured is `unknown`. Nothing personal enters here.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from services.ingest.told import Receipt
from shared.observe import Lines
from shared.tally import Spread, Tally

#: From a broker that answers at once to the 5 s after which a sender is told to come again.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: A batch's line names this many of its events; the rest are in the answer.
_MOST_IDS = 20


class Sight:
    """The metrics of one process; each request is told once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lines = Lines(__name__)
        self._requests = Tally(
            "nps_ingest_requests",
            "Requests by source (`events` for POST /v1/events) and what became of them",
            ("source", "outcome"),
            registry,
        )
        self._seconds = Spread(
            "nps_ingest_seconds",
            "Seconds from the request's head to its answer",
            ("route",),
            registry,
            bounds=_BUCKETS,
        )
        self._quarantined = Tally(
            "nps_ingest_quarantined", "Messages put into quarantine", ("source",), registry
        )
        self._secrets = Tally(
            "nps_ingest_secret_used",
            "Messages by the secret that vouched for them: when `old` stands still, remove it",
            ("source", "secret"),
            registry,
        )

    def has_two_secrets(self, source: str) -> None:
        """Show both secrets of a source from the start: what was never used stands at 0."""
        self._secrets.add((source, "newest"), 0)
        self._secrets.add((source, "old"), 0)

    def vouched(self, source: str, place: int) -> None:
        """Count which secret vouched for a message (0: the newest)."""
        self._secrets.add((source, "old" if place else "newest"))

    def received(
        self, *, source: str, outcome: str, status: int, seconds: float, receipt: Receipt
    ) -> None:
        """Count and log one webhook."""
        if receipt.quarantined:
            self._quarantined.add((source,), receipt.quarantined)
        ids = receipt.event_ids
        more: dict[str, object] = {}
        if len(ids) == 1:
            more["event_id"] = ids[0]
        elif ids:
            more["event_ids"] = ids[:_MOST_IDS]
        if receipt.quarantine_id is not None or receipt.reasons or receipt.unread:
            more["quarantine_id"] = receipt.quarantine_id
            more["reasons"] = receipt.reasons
            more["unread"] = receipt.unread
        self.told("webhooks", source, outcome=outcome, status=status, seconds=seconds, more=more)

    def told(
        self,
        route: str,
        source: str,
        *,
        outcome: str,
        status: int,
        seconds: float,
        more: Mapping[str, object],
    ) -> None:
        """Count and log one request. `more` holds ids and words of ours, never of the payload."""
        self._requests.add((source, outcome))
        self._seconds.observe((route,), seconds)
        self._lines.info(
            "ingest.request",
            {
                "route": route,
                "source": source,
                "outcome": outcome,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
                **more,
            },
        )
