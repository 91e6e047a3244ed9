"""What becomes of deliveries that a person sends on, or cancels. Pure.

In: a delivery under locks, her state, the contacts she has, who asks and when. Out: the delivery in
its next state, or why it stays as it is. What was accepted, is in doubt or is being sent is never
touched; an apology whose time has passed expires instead of going out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.dispatcher.delivery import ERASED, Delivery
from services.dispatcher.gates.gates import dropped, expired, overtaken, release, standing
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.plan.refusals import too_soon
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


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks, and when; `reason` is a cancellation's."""

    by: str
    now: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of her, the contacts that hold a slot, and what she has completed."""

    recipient: Recipient
    taken: Taken
    done: frozenset[str] = frozenset()


#: The delivery as it shall be, or the words why it is left.
Changed = Delivery | str
Change = Callable[[Delivery, Known, Rulebook, Ask], Changed]


def sent_on(delivery: Delivery, known: Known, rules: Rulebook, ask: Ask) -> Changed:
    """Make a delivery due again, its gates and its slot asked anew."""
    target, play = rules.targets.get(delivery.target), rules.playbook.named(delivery.play)
    why = _left(delivery, known.recipient)
    if why is not None:
        return why
    if target is None:
        return "its target is not configured"
    due = delivery.to("planned", f"sent on by {ask.by}", due=ask.now)
    due = replace(due, send_at=ask.now)
    refused = expired(due, ask.now) or standing(due, known.recipient, target, rules.playbook)
    if refused is None and play is not None:
        refused = _done(due, play, known)
    if refused is None and play is not None:
        rivals = rules.playbook.rivals(play)
        refused = too_soon(due, play, known.taken.person, ask.now, rivals=rivals)
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


def _done(delivery: Delivery, play: Play, known: Known) -> Delivery | None:
    """Supersede what would ask her for what she has done."""
    done = [what for what in play.stop_when if what in known.done]
    return overtaken(delivery, f"she did it: {done[0]}") if done else None


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
