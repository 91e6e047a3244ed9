"""What the segmenter counts. Labels are closed words: nothing personal."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The segmenter's meters, on the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "nps_segmenter_events_total", "Events handled", ["type", "fate"], registry=registry
        )
        self._decisions = Counter(
            "nps_segmenter_decisions_total",
            "Decisions made, published or kept silently",
            ["published"],
            registry=registry,
        )
        self._refused = Counter(
            "nps_segmenter_refused_total", "Events that can never be handled", registry=registry
        )
        self._batch = Histogram(
            "nps_segmenter_batch_seconds",
            "Time from the first query of a batch to the acknowledgement of its decisions",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self._merges = Counter(
            "nps_segmenter_merges_total", "Customers merged into another", registry=registry
        )
        self._kept_apart = Counter(
            "nps_segmenter_kept_apart_total",
            "Customers named by an event of another and not merged: a person undid it before, or "
            "the policy refuses it for their consents",
            ["reason"],
            registry=registry,
        )
        self._kept_out = Counter(
            "nps_segmenter_kept_out_total",
            "Events told again, or late, of people who are forgotten: nothing was kept",
            registry=registry,
        )
        self._pruned = Counter(
            "nps_segmenter_pruned_total",
            "Rows past their time: bodies of decisions emptied, timers of answers deleted",
            ["what"],
            registry=registry,
        )
        self._repeats = Counter(
            "nps_segmenter_repeats_total",
            "Transactions repeated because another handler got ahead",
            registry=registry,
        )
        self._timers = Counter(
            "nps_segmenter_timers_due_total", "Due timers told on the bus", registry=registry
        )
        self._digests = Counter(
            "nps_segmenter_digests_total",
            "Weeks told to owners, by digest of the policy",
            ["digest"],
            registry=registry,
        )
        self._lag = Gauge(
            "nps_segmenter_lag_seconds",
            "Age of the oldest input record not yet handled",
            ["topic", "partition"],
            registry=registry,
        )

    def pruned(self, *, bodies: int, timers: int) -> None:
        """Count what was let go."""
        self._pruned.labels("decision").inc(bodies)
        self._pruned.labels("timer").inc(timers)

    def batch(self, seconds: float, merges: int) -> None:
        """Count one batch and the customers that it merged away."""
        self._batch.observe(seconds)
        self._merges.inc(merges)

    def kept_apart(self, reasons: Iterable[str]) -> None:
        """Count customers that an event named, and that were not merged."""
        for reason in reasons:
            self._kept_apart.labels(reason).inc()

    def kept_out(self) -> None:
        """Count one event told of somebody forgotten."""
        self._kept_out.inc()

    def decided(self, counts: Mapping[tuple[str, bool, bool], int]) -> None:
        """Count the events of a batch by type, whether they were new, and published."""
        for (kind, new, published), count in counts.items():
            self._events.labels(kind, "decided" if new else "repeated").inc(count)
            if new:
                self._decisions.labels("yes" if published else "no").inc(count)

    def refused(self, events: int) -> None:
        """Count events that can never be handled."""
        self._refused.inc(events)

    def moved(self) -> None:
        """Count a transaction that must be repeated."""
        self._repeats.inc()

    def timers_due(self, timers: int) -> None:
        """Count timers told."""
        self._timers.inc(timers)

    def digests(self, digest: str, owners: int) -> None:
        """Count a week told to so many owners."""
        self._digests.labels(digest).inc(owners)

    def lags(self, found: Iterable[tuple[str, int, float]]) -> None:
        """Set how old, in seconds, the oldest waiting record of each partition of ours is."""
        # A partition that went to another replica must not show its last value for ever.
        self._lag.clear()
        for topic, partition, seconds in found:
            self._lag.labels(topic, str(partition)).set(seconds)
