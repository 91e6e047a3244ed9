"""What the dispatcher shows of itself. Labels are bounded: targets, states, outcomes."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.dispatcher.delivery import Delivery
from services.dispatcher.plan.parking import SURGE, TRIAL

#: From 5 ms (a local sink) to an hour (a target that was away).
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600)


class Metrics:
    """The dispatcher's metrics, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "nps_dispatcher_deliveries",
            "Changes of deliveries into each state",
            ["target", "state"],
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
            "Part of the calls of the breaker's time that failed, over all replicas",
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

    def failing(self, target: str, level: int) -> bool:
        """Set the level of failed calls; True if it is higher than it was."""
        rose = level > self._levels.get(target, 0)
        self._levels[target] = level
        self._failing.labels(target).set(level)
        return rose

    def changed(self, deliveries: Iterable[Delivery]) -> None:
        """Count deliveries that entered a state."""
        for delivery in deliveries:
            self.deliveries.labels(delivery.target, delivery.state).inc()
            if delivery.reason.startswith("budget "):
                self.refused.labels(delivery.play).inc()
            for name, begins in (("surge", SURGE), ("trial", TRIAL)):
                if delivery.state == "parked" and delivery.reason.startswith(begins):
                    self.braked.labels(delivery.play, delivery.target, name).inc()
