"""What the dispatcher shows of itself. Labels are bounded: targets, states, outcomes."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger.reason_kinds import kind_of
from services.dispatcher.plan.parking import SURGE, TRIAL
from shared.events.outcomes import DeliveryState
from shared.traces.exemplars import exemplar

#: From 5 ms (a local sink) to an hour (a target that was away).
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600)
#: From at once (an alert) over a night and a weekend to the week after which few deadlines are.
_WAYS = (1, 5, 15, 60, 300, 900, 3600, 10800, 21600, 43200, 86400, 172800, 259200, 604800)
#: From a local sink to the longest that a call with its sign-in may take.
_CALLS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)

#: What a call to a platform ends as, that alerts compare.
_ENDS: Final[tuple[DeliveryState, ...]] = ("accepted", "rejected")
#: How the reason of what a brake parked begins.
_BRAKES: Final = {"surge": SURGE, "trial": TRIAL}


class Metrics:
    """The dispatcher's metrics, on one registry.

    With `exemplars` what took a time names its trace and event.
    """

    def __init__(self, registry: CollectorRegistry, *, exemplars: bool = False) -> None:
        self._exemplars = exemplars
        self.deliveries = Counter(
            "nps_dispatcher_deliveries",
            "Changes of deliveries into each state, by the kind of reason",
            ["target", "state", "reason"],
            registry=registry,
        )
        self.of_plays = Counter(
            "nps_dispatcher_play_deliveries",
            "Changes of deliveries into each state, by the play that planned them",
            ["play", "state"],
            registry=registry,
        )
        self.attempts = Counter(
            "nps_dispatcher_attempts",
            "Attempts by kind (push, action, deletion, status) and outcome; each of a batch is one",
            ["target", "kind", "outcome"],
            registry=registry,
        )
        self.found = Counter(
            "nps_dispatcher_messages_found",
            "Messages that a status call found in a later stage than was known",
            ["target", "message"],
            registry=registry,
        )
        self.refusals_shown = Counter(
            "nps_dispatcher_refusals_shown",
            "Refusals that a platform showed by the way and that were new",
            ["target"],
            registry=registry,
        )
        self.asked_about = Gauge(
            "nps_dispatcher_messages_asked_about",
            "Messages whose platform is still asked what became of them",
            ["target"],
            registry=registry,
        )
        self.batch = Histogram(
            "nps_dispatcher_batch_pushes",
            "Profile pushes that shared one request",
            ["target"],
            buckets=(2, 5, 10, 20, 50, 75, 100, 200, 500, 1000),
            registry=registry,
        )
        self.oldest = Gauge(
            "nps_dispatcher_oldest_undelivered_seconds",
            "Age of the oldest due push or delivery that has not arrived",
            ["target"],
            registry=registry,
        )
        self.attention = Gauge(
            "nps_dispatcher_attention",
            "Deliveries that a person must look at (in_doubt, parked)",
            ["target", "state"],
            registry=registry,
        )
        self.deletions = Gauge(
            "nps_dispatcher_deletions_open",
            "Deletions of erased people that a target has not confirmed",
            ["target"],
            registry=registry,
        )
        self.paused = Gauge(
            "nps_dispatcher_lane_paused",
            "1 while a target is not called because its account is wrong",
            ["target"],
            registry=registry,
        )
        self.target_state = Gauge(
            "nps_dispatcher_target_state",
            "1 for how a target stands (working, paused, draining, account, slowed, broken, "
            "probing), 0 for the others",
            ["target", "state"],
            registry=registry,
        )
        self.failed_share = Gauge(
            "nps_dispatcher_target_failed_share",
            "Part of the pushes, or of the actions if that is more, of the breaker's time that "
            "failed, over all replicas",
            ["target"],
            registry=registry,
        )
        self._failing = Gauge(
            "nps_dispatcher_target_failing",
            "Level of failed calls that is reached (50, 70, 90, 100 percent), 0 below: alert on it",
            ["target"],
            registry=registry,
        )
        self._levels: dict[str, int] = {}
        self.preflight = Gauge(
            "nps_dispatcher_target_preflight",
            "What the last look at a target found wrong, by reason (0: nothing)",
            ["target", "reason"],
            registry=registry,
        )
        self.refused = Counter(
            "nps_dispatcher_slots_refused",
            "Deliveries that a budget delayed or suppressed",
            ["play"],
            registry=registry,
        )
        self.braked = Counter(
            "nps_dispatcher_braked",
            "Deliveries parked, planned or sent on, until a person releases them (surge, trial)",
            ["play", "target", "brake"],
            registry=registry,
        )
        self.notices = Counter(
            "nps_dispatcher_notices",
            "Digests and heartbeats to colleagues, by what became of a call",
            ["target", "kind", "state"],
            registry=registry,
        )
        self.notice_success = Gauge(
            "nps_dispatcher_notice_last_success_timestamp_seconds",
            "When a digest or heartbeat last arrived: let silence be an alarm",
            ["target", "kind"],
            registry=registry,
        )
        self.coupons = Gauge(
            "nps_dispatcher_coupons_free",
            "Codes left in a coupon pool; at 0 what needs one is parked",
            ["pool"],
            registry=registry,
        )
        self.push_seconds = Histogram(
            "nps_dispatcher_push_seconds",
            "From the decision that wanted a profile state to its arrival",
            ["target"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.delivery_seconds = Histogram(
            "nps_dispatcher_answer_to_delivery_seconds",
            "From the answer (or what else caused it) as given by the customer to the platform's "
            "acceptance of the delivery: delays, quiet hours and waiting counted in",
            ["contact_class"],
            buckets=_WAYS,
            registry=registry,
        )
        self.call_seconds = Histogram(
            "nps_dispatcher_call_seconds",
            "Calls to a target from their start to the judged answer, with sign-in and quick "
            "retries; of a batch one",
            ["target", "kind"],
            buckets=_CALLS,
            registry=registry,
        )
        self._lag = Gauge(
            "nps_dispatcher_lag_seconds",
            "Age of the oldest input record not yet handled",
            ["topic", "partition"],
            registry=registry,
        )
        self._state_age = Gauge(
            "nps_dispatcher_state_age_seconds",
            "How far customer state is behind, by the topic it comes by: age of the oldest "
            "partition's last word, as all replicas judge it",
            ["topic"],
            registry=registry,
        )
        self._state_stale = Gauge(
            "nps_dispatcher_state_stale",
            "1 while customer state is too old to act on: customer-facing deliveries wait",
            registry=registry,
        )
        self.busiest = Gauge(
            "nps_dispatcher_contacts_per_person_max",
            "Most messages that any one person was sent in the last 24 hours, in doubt counted, "
            "alerts to colleagues not: the guard against a burst",
            registry=registry,
        )

    def begin(self, plays: Iterable[tuple[str, str]], targets: Iterable[str]) -> None:
        """Have a 0 where an alert or a panel asks how much something grew.

        `plays`: each with its target. For Prometheus a series whose first value is 12 did not grow.
        """
        for target in targets:
            for state in _ENDS:
                self.deliveries.labels(target, state, "platform")
            self.refusals_shown.labels(target)
        for play, target in plays:
            for state in get_args(DeliveryState):
                self.of_plays.labels(play, state)
            self.refused.labels(play)
            for brake in _BRAKES:
                self.braked.labels(play, target, brake)

    def lags(self, found: Iterable[tuple[str, int, float]]) -> None:
        """Set how old, in seconds, the oldest waiting record of each partition of ours is."""
        # A partition that went to another replica must not show its last value for ever.
        self._lag.clear()
        for topic, partition, seconds in found:
            self._lag.labels(topic, str(partition)).set(seconds)

    def fresh(self, ages: Mapping[str, float], *, stale: bool) -> None:
        """Set how many seconds each topic is behind, and whether that is too much."""
        self._state_stale.set(int(stale))
        for topic, seconds in ages.items():
            self._state_age.labels(topic).set(seconds)

    def delivered(self, delivery: Delivery, waited: timedelta | None) -> None:
        """Observe how long an accepted delivery took since its cause (None: not known)."""
        if waited is not None:
            seconds = max(0.0, waited.total_seconds())
            of = exemplar(delivery.cause_id, delivery.event_id) if self._exemplars else None
            self.delivery_seconds.labels(delivery.contact_class).observe(seconds, of)

    def failing(self, target: str, level: int) -> bool:
        """Set the level of failed calls; True if it is higher than it was."""
        rose = level > self._levels.get(target, 0)
        self._levels[target] = level
        self._failing.labels(target).set(level)
        return rose

    def changed(self, deliveries: Iterable[Delivery]) -> None:
        """Count deliveries that entered a state."""
        for delivery in deliveries:
            self.deliveries.labels(delivery.target, delivery.state, kind_of(delivery)).inc()
            self.of_plays.labels(delivery.play, delivery.state).inc()
            if delivery.reason.startswith("budget "):
                self.refused.labels(delivery.play).inc()
            for name, begins in _BRAKES.items():
                if delivery.state == "parked" and delivery.reason.startswith(begins):
                    self.braked.labels(delivery.play, delivery.target, name).inc()
