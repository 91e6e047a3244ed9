"""What the segmenter counts. Labels are closed words: nothing personal."""

import collections
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.segmenter.profile.facts import FactData
from shared.events.decisions import CustomerDecided
from shared.events.feedback import ResponseReceived
from shared.traces.exemplars import exemplar

#: From the speed promised to the week after which an answer is old: survey tools keep answers back
#: for hours, and a phone without a network for days.
_SINCE_ANSWER = (1, 5, 15, 60, 300, 900, 3600, 10800, 21600, 43200, 86400, 259200, 604800)
#: From the speed promised (p99 below 0.25 s to the platform) to an outage of a day.
_SINCE_RECEIPT = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 21600, 86400)


class Metrics:
    """The segmenter's meters, on the registry of the process.

    With `exemplars` what took a time names its trace and event.
    """

    def __init__(self, registry: CollectorRegistry, *, exemplars: bool = False) -> None:
        self._exemplars = exemplars
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
        self._overdue = Gauge(
            "nps_segmenter_timers_overdue_seconds",
            "How long the oldest due timer waits to be told (0: none is due)",
            registry=registry,
        )
        self._answers = Counter(
            "nps_segmenter_answers_total",
            "New or revised answers that somebody may react to, by the segment they leave her in "
            "(none: no score yet)",
            ["segment"],
            registry=registry,
        )
        self._moves = Counter(
            "nps_segmenter_moves_total",
            "Changes of a customer's segment told, by kind and segment after it",
            ["move", "segment"],
            registry=registry,
        )
        self._holds = Counter(
            "nps_segmenter_holds_total",
            "Decisions that carry a hold, by its rule",
            ["rule"],
            registry=registry,
        )
        self._since_answer = Histogram(
            "nps_segmenter_answer_to_decision_seconds",
            "From an answer as given by the customer to its published decision: what the survey "
            "tool kept it back counts",
            buckets=_SINCE_ANSWER,
            registry=registry,
        )
        self._since_receipt = Histogram(
            "nps_segmenter_receipt_to_decision_seconds",
            "From the receipt of an answer to its published decision: what is ours of the time",
            buckets=_SINCE_RECEIPT,
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

    def found(self, decided: Iterable[CustomerDecided]) -> None:
        """Count what decisions tell: holds by rule, moves by kind."""
        holds: collections.Counter[str] = collections.Counter()
        for one in decided:
            holds.update({hold.rule for hold in one.holds})
            if one.move is not None:
                self._moves.labels(one.move.kind, one.move.after).inc()
        for rule, count in holds.items():
            self._holds.labels(rule).inc(count)

    def answered(
        self, event_id: UUID, fact: FactData, decided: CustomerDecided, now: datetime
    ) -> None:
        """Count an answer, and how long its decision took; one told by an import took no time."""
        if not isinstance(fact, ResponseReceived) or fact.history:
            return
        of = exemplar(decided.cause.id, event_id) if self._exemplars else None
        self._since_receipt.observe(max(0.0, (now - fact.received_at).total_seconds()), of)
        if "received" in decided.cause.triggers:
            self._answers.labels(decided.snapshot.segment or "none").inc()
            self._since_answer.observe(max(0.0, (now - fact.answered_at).total_seconds()), of)

    def overdue(self, since: datetime | None, now: datetime) -> None:
        """Set since when the oldest due timer waits (None: none is due)."""
        self._overdue.set(0 if since is None else max(0.0, (now - since).total_seconds()))

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
