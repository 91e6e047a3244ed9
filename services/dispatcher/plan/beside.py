"""What other plays have brought, or will, of the same cause. Pure.

In: a delivery, the playbook, her contacts that hold a slot. Out: why it does not go beside them,
or None. Planning chooses between plays that one decision matches; here are those that another
decision of the same cause brought: a revision, a person who sends on what had been refused.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from services.dispatcher.alerts.alerting import CORRECTS
from services.dispatcher.delivery import Contact, Delivery
from services.dispatcher.plan.plan import ONLY_ONE
from services.dispatcher.plan.refusals import NO_REVIEW
from services.dispatcher.playbook.plays import Play, Playbook
from shared.events.ids import delivery_id

#: How the reason begins of what goes only where nothing else is said to her of its cause.
ALONE: Final = "goes alone: "


def beside(
    delivery: Delivery, playbook: Playbook, history: Sequence[Contact], *, anew: bool = False
) -> str | None:
    """Say why a delivery does not go beside what else stands of its cause.

    `history`: her contacts, as far as they count for the delivery's target; `anew`: it was planned
    before and ended without a call.
    """
    play = playbook.named(delivery.play)
    if play is None or CORRECTS in delivery.context:
        return None
    if not (play.only_one_of or play.alone or play.do.coupon or play.do.review_site):
        return None
    found = _others(delivery, play, playbook, history)
    return next(filter(None, (_against(delivery, play, *each, anew=anew) for each in found)), None)


def _against(
    delivery: Delivery, play: Play, other: Play, contact: Contact, *, anew: bool
) -> str | None:
    """Say what one other contact of the same cause has against it."""
    if play.only_one_of and other.only_one_of == play.only_one_of:
        return f"{ONLY_ONE}'{play.only_one_of}': play {other.name} went first"
    if play.do.review_site and other.do.coupon:
        return NO_REVIEW
    if play.do.coupon and other.do.review_site:
        return f"no coupon: play {other.name} asked for a review in the same answer"
    if play.alone and _speaks(delivery, contact, anew=anew):
        return f"{ALONE}play {other.name} writes to her of the same"
    return None


def _others(
    delivery: Delivery, play: Play, playbook: Playbook, history: Sequence[Contact]
) -> Iterator[tuple[Play, Contact]]:
    """Find the contacts of the same cause, with their plays."""
    names = {contact.play for contact in history}
    plays = {
        delivery_id(delivery.cause_id, other.name, other.do.action): other
        for other in playbook.plays
        if other is not play and other.name in names
    }
    return ((plays[c.delivery_id], c) for c in history if c.delivery_id in plays)


def _speaks(delivery: Delivery, contact: Contact, *, anew: bool) -> bool:
    """Tell whether a contact says it to her by the same channel, and has still to go.

    What went before does not: a comment that came after it is another word of hers. But what had
    left it the word, and went, has said it.
    """
    to_go = contact.pending or contact.state == "parked"
    to_her = contact.contact_class != "internal"
    return (to_go or anew) and to_her and contact.channel == delivery.channel
