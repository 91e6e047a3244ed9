"""What every process shows of its server and its parts, whichever services it hosts."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.http.limits import REFUSALS


class HostMeters:
    """The meters of one process; those that stand for something are asked at every scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections = Gauge(
            "nps_http_connections", "Open connections of clients", registry=registry
        )
        refused = Counter(
            "nps_http_refused",
            "Requests and connections refused ahead of every route, by reason",
            ["reason"],
            registry=registry,
        )
        self._refused = {refusal.code: refused.labels(refusal.code) for refusal in REFUSALS}
        self._alive = Gauge(
            "nps_part_alive",
            "1 while every loop of a part of the process moves, as /healthz tells it",
            ["part"],
            registry=registry,
        )
        built = Gauge(
            "nps_build_info", "1, by the release that runs", ["version"], registry=registry
        )
        built.labels(version("nps-connector")).set(1)

    def refused(self, code: str) -> None:
        """Count what the server refuses before any route sees it."""
        self._refused[code].inc()

    def connected(self, connections: Callable[[], int]) -> None:
        """Show how many clients are connected."""
        self._connections.set_function(connections)

    def hosts(self, parts: Iterable[tuple[str, Callable[[], Sequence[str]]]]) -> None:
        """Show whether each part is alive; it tells which of its loops are stuck."""
        for name, stuck in parts:
            self._alive.labels(name).set_function(partial(_alive, stuck))


def _alive(stuck: Callable[[], Sequence[str]]) -> float:
    return float(not stuck())
