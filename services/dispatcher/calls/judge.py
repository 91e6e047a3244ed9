"""Judge: what the answer to a call makes of a delivery or a profile push. Pure.

In: a verdict, the delivery as it was sent (attempt counted), the target's idempotency, the time.
Out: the delivery in its next state. Long waits become due moments, never sleeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.calls.calls import Idempotency, Outcome, Verdict
from services.dispatcher.delivery import Delivery
from shared.events.ids import name_id
from shared.events.outcomes import DeliveryState
from shared.times import iso

#: Waits after each attempt, as Svix and Standard Webhooks do; the last one repeats until the
#: delivery's deadline ends it.
WAITS: Final = tuple(
    timedelta(seconds=s) for s in (5, 30, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600)
)
_ENDS: Final[Mapping[Outcome, DeliveryState]] = {
    "suppressed": "suppressed",
    "reject": "rejected",
    "park": "parked",
    "shadow": "shadowed",
}
#: A wait is spread by this share to both sides, so that an outage's victims do not return at once.
JITTER: Final = 0.2


def wait_after(subject: UUID, attempt: int) -> timedelta:
    """Return the wait after the n-th attempt; the same for the same subject and attempt."""
    base = WAITS[min(attempt, len(WAITS)) - 1]
    share = name_id("jitter", subject, attempt).int % 10_000 / 10_000
    return base * (1 - JITTER + 2 * JITTER * share)


def repeatable(idempotency: Idempotency, since: datetime, at: datetime) -> bool:
    """Tell whether a call first made at `since` may be repeated at `at` without a second effect."""
    if idempotency.kind == "none":
        return False
    return idempotency.remembered is None or at < since + idempotency.remembered


def judge(
    delivery: Delivery, verdict: Verdict, idempotency: Idempotency, now: datetime
) -> Delivery:
    """Return what the verdict makes of a delivery that was being sent."""
    reason = verdict.reason
    match verdict.outcome:
        case "ok" | "accepted":
            # Nearly every call ends here, and each copy of a delivery costs: one.
            return replace(
                delivery,
                state="accepted",
                reason=reason,
                until=None,
                due=None,
                reference=verdict.reference,
                unanswered_since=None,
            )
        case "suppressed" | "reject" | "shadow" if _in_doubt(delivery):
            # What this call could not do an earlier one may have done: its slot is not given back.
            return delivery.to("in_doubt", f"an earlier call may have happened; then {reason}")
        case "suppressed" | "reject" | "park" | "shadow":
            return delivery.to(_ENDS[verdict.outcome], reason)
        case "in_doubt":
            since = delivery.unanswered_since or delivery.attempted_at or now
            unanswered = replace(delivery, unanswered_since=since)
            return _again(unanswered, verdict, idempotency, now)
        case "retry" | "throttle" | "disable_target":
            return _again(delivery, verdict, idempotency, now)


def _in_doubt(delivery: Delivery) -> bool:
    """Tell whether an unanswered call stands that must not be forgotten."""
    return delivery.unanswered_since is not None and delivery.on_unknown == "hold"


def _again(
    delivery: Delivery, verdict: Verdict, idempotency: Idempotency, now: datetime
) -> Delivery:
    """Make it due again, unless the deadline or an unknown effect stands against that."""
    due = now + (verdict.wait or wait_after(delivery.id, delivery.attempts))
    since = delivery.unanswered_since
    if verdict.outcome == "in_doubt" and idempotency.shows is not None:
        # The latest unanswered call is the one that a look might still miss.
        due = max(due, now + idempotency.shows)
    held = _in_doubt(delivery)
    if held and since is not None and not repeatable(idempotency, since, due):
        return delivery.to("in_doubt", f"it may have happened: {verdict.reason}")
    if due < delivery.deadline:
        return delivery.waiting(verdict.reason, due)
    if held:
        return delivery.to("in_doubt", f"it may have happened; too late now: {verdict.reason}")
    return delivery.to(
        "expired", f"no next try before the deadline {iso(delivery.deadline)}: {verdict.reason}"
    )


@dataclass(frozen=True, slots=True)
class PushNext:
    """What becomes of a profile push: `due`, `reached`, `rejected`, `parked`, `shadowed`."""

    state: str
    reason: str
    due: datetime


def judge_push(customer_id: UUID, verdict: Verdict, attempt: int, now: datetime) -> PushNext:
    """Return the next state of a profile push. Repeating it is harmless, so doubt is a retry.

    It has no deadline: the state stays wanted until a newer one overwrites it.
    """
    match verdict.outcome:
        case "ok" | "accepted":
            return PushNext("reached", verdict.reason, now)
        case "suppressed" | "reject":
            return PushNext("rejected", verdict.reason, now)
        case "park":
            return PushNext("parked", verdict.reason, now)
        case "shadow":
            return PushNext("shadowed", verdict.reason, now)
        case "in_doubt" | "retry" | "throttle" | "disable_target":
            wait = verdict.wait or wait_after(customer_id, attempt)
            return PushNext("due", verdict.reason, now + wait)
