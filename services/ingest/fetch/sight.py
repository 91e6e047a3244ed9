"""What an operator sees of fetching: counters and gauges per source."""

from datetime import datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.ingest.fetch.plan import Verdict

#: What became of one fetched response; `known`: published before, so not again; `erased`: its
#: person is.
Fate = Literal["told", "known", "ignored", "quarantined", "gave_up", "erased"]


class FetchSight:
    """The metrics of all sources' fetching in one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "nps_ingest_fetch_calls",
            "Calls to survey platforms, by what their answers meant",
            ("source", "verdict"),
            registry=registry,
        )
        self._responses = Counter(
            "nps_ingest_fetch_responses",
            "Responses read by API, by what became of them",
            ("source", "fate"),
            registry=registry,
        )
        self._waiting = Gauge(
            "nps_ingest_fetch_waiting",
            "Responses still to be fetched, of all replicas",
            ("source",),
            registry=registry,
        )
        self._oldest = Gauge(
            "nps_ingest_fetch_oldest_seconds",
            "How long the longest of them has been waiting",
            ("source",),
            registry=registry,
        )
        self._paused = Gauge(
            "nps_ingest_fetch_paused",
            "1 while a platform is not called: it refused us, asked to wait, or is away",
            ("source",),
            registry=registry,
        )

    def called(self, source: str, verdict: Verdict) -> None:
        """Count one call."""
        self._calls.labels(source, verdict).inc()

    def became(self, source: str, fate: Fate) -> None:
        """Count one response."""
        self._responses.labels(source, fate).inc()

    def waits(self, source: str, rows: int, since: datetime | None, now: datetime) -> None:
        """Show how many wait, and since when."""
        self._waiting.labels(source).set(rows)
        self._oldest.labels(source).set(max((now - since).total_seconds(), 0) if since else 0)

    def pauses(self, source: str, paused: bool) -> None:
        """Show whether the source's platform is called."""
        self._paused.labels(source).set(paused)
