"""Gates: whether a delivery is still right, asked again at the moment of sending. Pure.

In: the delivery, the recipient's row, the profile push, her contacts, the time. Out: None (go), or
the delivery in another state with its reason. Internal alerts reach nobody outside: for them only
the deadline, the profile, and holds and budgets that name their class count.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.dispatcher.alerts.alerting import CORRECTS
from services.dispatcher.alerts.digest import night_until
from services.dispatcher.calls.calls import Idempotency
from services.dispatcher.calls.judge import repeatable
from services.dispatcher.delivery import Delivery, TargetRules
from services.dispatcher.gates.newer import not_hers, revised
from services.dispatcher.gates.quiet import quiet_of
from services.dispatcher.gates.requests import withdrawn
from services.dispatcher.hours.opening import FARTHEST
from services.dispatcher.ledger.recipients import PushState, Recipient, State
from services.dispatcher.plan.casework import taken_back, too_early
from services.dispatcher.plan.plan import permit_of, withheld
from services.dispatcher.plan.refusals import too_soon
from services.dispatcher.playbook.offers import without_code
from services.dispatcher.playbook.plays import Play, Playbook
from services.dispatcher.slots.slots import Release, Taken, covering, next_free, refusal
from shared.events.decisions import CustomerDecided
from shared.times import iso

#: How soon to look again at what no event announces: fresh state, a first state after a merge.
LOOK_AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the gates look at beside the delivery. `stale` says why state may be out of date."""

    now: datetime
    recipient: Recipient
    taken: Taken
    push: PushState
    stale: str | None
    rules: TargetRules
    playbook: Playbook
    idempotency: Idempotency


def release(
    delivery: Delivery, recipient: Recipient, playbook: Playbook, rules: TargetRules
) -> Release:
    """Make the function that moves a moment past her holds and quiet times, with the reason."""
    state = recipient.state
    holds = [h for h in (state.holds if state else ()) if delivery.contact_class in h.classes]
    quiet = quiet_of(delivery, recipient, playbook, rules)

    def released(at: datetime) -> tuple[datetime, str | None]:
        reason: str | None = None
        last = at + FARTHEST
        while True:
            open_holds = [hold for hold in holds if at < hold.until]
            if open_holds:
                hold = max(open_holds, key=lambda h: h.until)
                at, reason = hold.until, reason or f"hold {hold.rule}: {hold.reason}"
            at, why = quiet(at)
            reason = reason or why
            # What no calendar opens is asked again then, which is after any deadline.
            if (why is None and not open_holds) or at >= last:
                return at, reason

    return released


def dropped(
    delivery: Delivery, recipient: Recipient, playbook: Playbook, rules: TargetRules, at: datetime
) -> Delivery | None:
    """Refuse at a quiet time what its play would rather not send than send later; None: it may."""
    play = playbook.named(delivery.play)
    if play is None or play.do.quiet == "queue":
        return None
    _, why = quiet_of(delivery, recipient, playbook, rules)(at)
    if why is None:
        return None
    return ended(delivery, delivery.to("suppressed", f"{why}: this play drops what comes then"))


def standing(
    delivery: Delivery, recipient: Recipient, target: TargetRules | None, playbook: Playbook
) -> Delivery | None:
    """Refuse what is known by now and rules it out for good: a test, a revised answer, her state.

    `target` is the delivery's (None: configured no more). Asked at once when a decision changes her
    state, so that slots come free early.
    """
    test = withheld(delivery, target, test=recipient.test)
    if test is not None:
        return ended(delivery, test)
    state, play = recipient.state, playbook.named(delivery.play)
    if state is None:
        return None
    if why := revised(delivery, play, state.said):
        return overtaken(delivery, why)
    return _wrong_for_her(delivery, play, state) if delivery.customer_facing else None


def _wrong_for_her(delivery: Delivery, play: Play | None, state: State) -> Delivery | None:
    """Refuse what her permits, her segment, what she is or a case of hers rules out."""
    allowed, reason = permit_of(state.permits, delivery.contact_class, delivery.channel)
    if not allowed:
        return ended(
            delivery,
            delivery.to(
                "suppressed",
                f"no permit for {delivery.contact_class}: {delivery.channel}: {reason}",
            ),
        )
    if delivery.segments and state.segment not in delivery.segments:
        return ended(
            delivery,
            delivery.to("superseded", f"she is {state.segment or 'in no segment'} now"),
        )
    why = not_hers(delivery, play, state.attributes) or too_early(play, state.holds)
    return None if why is None else overtaken(delivery, why)


def overtaken(delivery: Delivery, reason: str) -> Delivery:
    """Supersede what waits: something happened that makes it wrong."""
    return ended(delivery, delivery.to("superseded", reason))


def outdated(delivery: Delivery, decision: CustomerDecided, playbook: Playbook) -> Delivery | None:
    """Supersede what waits to speak of a case that stands otherwise by this decision."""
    why = taken_back(delivery, playbook.named(delivery.play), decision)
    return None if why is None else overtaken(delivery, why)


def unasked(delivery: Delivery, decision: CustomerDecided, playbook: Playbook) -> Delivery | None:
    """Supersede what waits to answer a request that she took back by this decision."""
    why = withdrawn(delivery, playbook.named(delivery.play), decision)
    return None if why is None else overtaken(delivery, why)


def expired(delivery: Delivery, now: datetime) -> Delivery | None:
    """End a delivery whose deadline has passed; None: it has not.

    Of one that was parked it is told why: nobody did what it waited for.
    """
    if now < delivery.deadline:
        return None
    parked = f"; parked until then: {delivery.reason}" if delivery.state == "parked" else ""
    reason = f"the deadline was {iso(delivery.deadline)}{parked}"
    return ended(delivery, delivery.to("expired", reason))


def gate(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Return None to send now, else the delivery as it must be; the first refusal decides."""
    for ask in _GATES:
        refused = ask(delivery, scene)
        if refused is not None:
            return refused
    return None


def ended(before: Delivery, after: Delivery) -> Delivery:
    """End a delivery, unless an attempt may have reached her: then it is in doubt, slot kept."""
    if before.unanswered_since is not None and before.on_unknown == "hold":
        return before.to("in_doubt", f"an attempt was not answered; not repeated: {after.reason}")
    return after


def _memory(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Do not repeat an unanswered call once the platform has forgotten its key."""
    since = delivery.unanswered_since
    if since is None or delivery.on_unknown == "retry":
        return None
    if repeatable(scene.idempotency, since, scene.now):
        return None
    return delivery.to("in_doubt", "an attempt was not answered, its key is no longer known")


def _deadline(delivery: Delivery, scene: Scene) -> Delivery | None:
    return expired(delivery, scene.now)


def _known(delivery: Delivery, scene: Scene) -> Delivery | None:
    if scene.recipient.state is not None:
        return None
    return delivery.waiting("her state is not known yet", scene.now + LOOK_AGAIN)


def _standing(delivery: Delivery, scene: Scene) -> Delivery | None:
    return standing(delivery, scene.recipient, scene.rules, scene.playbook)


def _stale(delivery: Delivery, scene: Scene) -> Delivery | None:
    if scene.stale is None or not delivery.customer_facing:
        return None
    return delivery.waiting(f"state is stale: {scene.stale}", scene.now + LOOK_AGAIN)


def _hours(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Wait for holds and quiet times; past the deadline there is nothing to wait for."""
    gone = dropped(delivery, scene.recipient, scene.playbook, scene.rules, scene.now)
    if gone is not None:
        return gone
    moved = release(delivery, scene.recipient, scene.playbook, scene.rules)
    at, reason = moved(scene.now)
    return None if reason is None else _later(delivery, reason, at)


def _night(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Leave its readers alone at night, unless somebody must act at once."""
    rules = scene.rules
    alerts = None if rules.skip_delay_and_quiet_hours else rules.alerts
    until = night_until(delivery, alerts, scene.now)
    return None if until is None else _later(delivery, "its readers' night", until)


def _profile(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Send nothing before her profile says what the message is about, but do not wait for ever."""
    push, now = scene.push, scene.now
    if push.state in {"reached", "shadowed"}:
        return None
    last = delivery.send_at + scene.playbook.profile_wait
    if push.state in {"due", "sending"} and now < last:
        look = min(last, max(push.due or now, now + timedelta(milliseconds=200)))
        return delivery.waiting("her profile push has not arrived", look)
    if delivery.profile_late == "send":
        return None
    return ended(delivery, delivery.to("parked", f"her profile did not arrive: {push.reason}"))


def _budget(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Count again: another's contact may have come in between, also before a repeat."""
    state = scene.recipient.state
    if state is None:
        return None
    budgets = covering(state.budgets, delivery)
    others = scene.taken.without(delivery)
    if not any(refusal(budget, others.sent(), scene.now) for budget in budgets):
        return None
    moved = release(delivery, scene.recipient, scene.playbook, scene.rules)
    at, reason = next_free(budgets, others, scene.now, moved)
    return _later(delivery, reason or "budget", at)


def _cooldown(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Ask again: customers merged in between may both have been about to get the same."""
    play = scene.playbook.named(delivery.play)
    if play is None or CORRECTS in delivery.context:
        return None
    sent = scene.taken.sent().person
    refused = too_soon(delivery, play, sent, scene.now, rivals=scene.playbook.rivals(play))
    return None if refused is None else ended(delivery, refused)


def _coupon(delivery: Delivery, scene: Scene) -> Delivery | None:
    """Send no message that promises a code without one; `coupons.refill` gives it later."""
    play = scene.playbook.named(delivery.play)
    if play is None or play.do.coupon is None or "coupon" in delivery.context:
        return None
    return ended(delivery, delivery.to("parked", without_code(play.do.coupon)))


def _later(delivery: Delivery, reason: str, at: datetime) -> Delivery:
    """Wait until `at`, taking the slot along; suppressed if that is past the deadline.

    Where an attempt may have reached her, the slot stays with it.
    """
    told = f"{reason}; next free {iso(at)}"
    if at < delivery.deadline:
        moment = at if delivery.unanswered_since is None else delivery.moment
        return replace(delivery.waiting(told, at), moment=moment, send_at=at)
    late = delivery.to("suppressed", f"{told}, after the deadline", until=at)
    return ended(delivery, late)


#: Asked in this order: what ends a delivery before what delays it, the cheap before the counting.
_GATES: Final[tuple[Callable[[Delivery, Scene], Delivery | None], ...]] = (
    _memory,
    _deadline,
    _known,
    _standing,
    _cooldown,
    _stale,
    _hours,
    _night,
    _profile,
    _budget,
    _coupon,
)
