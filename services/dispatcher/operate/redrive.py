"""What becomes of deliveries that a person sends on, or cancels. Pure.

In: a delivery under locks, her state, the contacts she has, who asks and when. Out: the delivery in
its next state, or why it stays as it is. What was accepted, is in doubt or is being sent is never
touched; an apology whose time has passed expires instead of going out. All that planning asks is
asked anew of her as she is now, save brakes: those count many (`parking`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from services.dispatcher.delivery import ERASED, Delivery
from services.dispatcher.gates.gates import dropped, ended, expired, overtaken, release, standing
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.plan import refusals
from services.dispatcher.plan.beside import beside
from services.dispatcher.plan.experiments import arm_of
from services.dispatcher.plan.parking import TRIAL
from services.dispatcher.plan.plan import Rulebook, without
from services.dispatcher.plan.refusals import lowered, too_soon
from services.dispatcher.playbook.offers import HOLD_OUT
from services.dispatcher.playbook.plays import Play
from services.dispatcher.slots.slots import Taken, take
from shared.events.outcomes import DeliveryState

#: What may be sent on.
SENT_ON: Final[tuple[DeliveryState, ...]] = (
    "rejected", "expired", "parked", "suppressed", "superseded",
)  # fmt: skip
#: What may be cancelled.
CANCELLED: Final[tuple[DeliveryState, ...]] = ("planned", "waiting", "parked")
_BY: Final = "cancelled by "
#: A moment in a reason, as `shared.times.iso` writes it, with the words that lead to it.
_PASSED: Final = re.compile(r" was \d{4}-\d\d-\d\dT[\d:.]+Z")
_MOMENT: Final = re.compile(r"(; next free)? ?\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks, and when; `reason` is a cancellation's.

    `looked`: the person has looked at what she releases, so no brake parks it again.
    """

    by: str
    now: datetime
    reason: str = ""
    looked: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of her, and the contacts that hold a slot.

    `done`: what she has completed; `arms`: of each play that she was drawn for, her arm.
    """

    recipient: Recipient
    taken: Taken
    done: frozenset[str] = frozenset()
    arms: Mapping[str, str] = field(default_factory=dict)


#: The delivery as it shall be, or the words why it is left.
Changed = Delivery | str
Change = Callable[[Delivery, Known, Rulebook, Ask], Changed]


def sent_on(delivery: Delivery, known: Known, rules: Rulebook, ask: Ask) -> Changed:
    """Make a delivery due again, its gates and its slot asked anew."""
    target, play = rules.targets.get(delivery.target), rules.playbook.named(delivery.play)
    why = _left(delivery, known.recipient)
    if why is not None:
        return why
    if _on_trial(delivery, play) and not ask.looked:
        return "its play is new or changed: look at it, then release it"
    if target is None:
        return "its target is not configured"
    if play is None and not ask.looked:
        return "its play is not in the playbook any more"
    due = delivery.to("planned", f"sent on by {ask.by}", due=ask.now)
    due = replace(due, send_at=ask.now)
    refused = expired(due, ask.now) or standing(due, known.recipient, target, rules.playbook)
    if refused is None and play is not None:
        refused = _refused(due, play, known, rules, ask.now)
    refused = refused or dropped(due, known.recipient, rules.playbook, target, ask.now)
    if refused is not None:
        after = refused
    elif delivery.unanswered_since is not None:
        # It holds the slot of the attempt that may have reached her; the gates count the others.
        after = due
    else:
        state = known.recipient.state
        released = release(due, known.recipient, rules.playbook, target)
        budgets = state.budgets if state else ()
        after = take(replace(due, moment=ask.now), budgets, known.taken, released)
    return f"still {after.state}" if after.state == delivery.state else after


def in_short(after: Delivery) -> str:
    """Say why it came to its state without its times, so that many can be counted by reason."""
    return _MOMENT.sub("", _PASSED.sub(" has passed", after.reason)).strip()


def _refused(
    delivery: Delivery, play: Play, known: Known, rules: Rulebook, now: datetime
) -> Delivery | None:
    """Refuse what its play would not give her if she were decided about now."""
    done = [what for what in play.stop_when if what in known.done]
    if done:
        return overtaken(delivery, f"she did it: {done[0]}")
    if why := beside(delivery, rules.playbook, known.taken.person):
        return ended(delivery, delivery.to("suppressed", why))
    rivals = rules.playbook.rivals(play)
    refused = (
        too_soon(delivery, play, known.taken.person, now, rivals=rivals)
        or _lowered(delivery, play, known.recipient)
        or _held_out(delivery, play, known)
    )
    return None if refused is None else ended(delivery, refused)


def _lowered(delivery: Delivery, play: Play, recipient: Recipient) -> Delivery | None:
    """Refuse a coupon to an answer that was revised downwards since; an older answer stands."""
    state = recipient.state
    if state is None or state.answer != delivery.cause_id:
        return None
    score = recipient.attributes.get("nps_score")
    best = refusals.Known(highest=state.highest, highest_segment=state.highest_segment)
    return lowered(delivery, play, score if isinstance(score, int) else None, state.segment, best)


def _held_out(delivery: Delivery, play: Play, known: Known) -> Delivery | None:
    """Refuse whom her play holds out: drawn before, found by a merge, or by the share of now."""
    if play.experiment is None or known.recipient.test:
        return None
    arm = known.arms.get(play.name) or delivery.arm
    arm = arm or arm_of(play.experiment, play.name, delivery.customer_id)
    return without(delivery) if arm == HOLD_OUT else None


def _on_trial(delivery: Delivery, play: Play | None) -> bool:
    """Tell whether it waits for a look, and its play still asks for one."""
    waits = delivery.state == "parked" and delivery.reason.startswith(TRIAL)
    return waits and play is not None and play.approve_first > 0


def cancelled(delivery: Delivery, known: Known, rules: Rulebook, ask: Ask) -> Changed:
    """End a delivery that waits; one that may have reached her is in doubt and keeps its slot."""
    del known, rules
    if delivery.state not in CANCELLED:
        return f"is {delivery.state}"
    reason = f"{_BY}{ask.by}: {ask.reason}"
    if delivery.unanswered_since is not None and delivery.on_unknown == "hold":
        return delivery.to("in_doubt", f"an attempt was not answered; {reason}")
    return delivery.to("superseded", reason)


def _left(delivery: Delivery, recipient: Recipient) -> str | None:
    """Say why a delivery is not for a person to send on; None: it may be."""
    if delivery.state not in SENT_ON:
        return f"is {delivery.state}"
    if recipient.erased or delivery.reason == ERASED:
        return "she was erased"
    if delivery.message != "none":
        return "the platform reported the message"
    if delivery.state == "superseded" and not delivery.reason.startswith(_BY):
        return "something newer took its place"
    if delivery.state == "suppressed" and not _asked_anew(delivery):
        return "refused for good"
    return None


def _asked_anew(delivery: Delivery) -> bool:
    """Tell whether what suppressed it is asked again: her permit, a time, the platform itself.

    Another play that went first, a share that is held out, a target that only looks on: nobody
    would ask for these again, so they stand.
    """
    if delivery.reason.startswith("shadow"):
        return False
    if delivery.reason.startswith("no permit ") or delivery.until is not None:
        return True
    return delivery.attempts > 0
