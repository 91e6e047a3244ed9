"""What a process shows of its consumers, whichever service they belong to.

Labels are the groups and topics of ours: `ingest`, `segmenter`, `dispatcher`; `nps.…`.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ConsumerMeters:
    """The meters of one group's consumer."""

    def __init__(self, group: str, dead: Counter, halted: Gauge, waiting: Gauge) -> None:
        self._group = group
        self._dead = dead
        self._halted = halted
        self._waiting = waiting

    def watch(self, halted: Callable[[], int], waits: Callable[[], bool]) -> None:
        """Ask these at every scrape."""
        self._halted.labels(self._group).set_function(halted)
        self._waiting.labels(self._group).set_function(waits)

    def dead(self, topics: Iterable[str]) -> None:
        """Count dead letters by the topic that each came by."""
        for topic in topics:
            self._dead.labels(self._group, topic).inc()


class BusMeters:
    """The meters of all consumers of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._dead = Counter(
            "nps_bus_dead_letters",
            "Records that can never be handled, moved to the topic's dead letters",
            ("group", "topic"),
            registry=registry,
        )
        self._halted = Gauge(
            "nps_bus_partitions_halted",
            "Partitions that stand before an event of a newer release",
            ("group",),
            registry=registry,
        )
        self._waiting = Gauge(
            "nps_bus_waiting",
            "1 while a consumer waits for the bus or the database, and nothing is handled",
            ("group",),
            registry=registry,
        )

    def of(self, group: str, topics: Iterable[str]) -> ConsumerMeters:
        """Give the meters of one group on these topics."""
        for topic in topics:
            # From the start: an increase from nothing is none, and the first one matters most.
            self._dead.labels(group, topic)
        return ConsumerMeters(group, self._dead, self._halted, self._waiting)
