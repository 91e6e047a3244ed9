"""Requests and topics raised: what waits because of one that she took back. Pure.

In: a delivery, its play, what is told now. Out: why it is wrong, or None.
"""

from services.dispatcher.delivery import Delivery
from services.dispatcher.gates.newer import REVISED, may_be_read
from services.dispatcher.playbook.conditions import unraised
from services.dispatcher.playbook.plays import Play
from shared.events.decisions import CustomerDecided


def withdrawn(delivery: Delivery, play: Play | None, decision: CustomerDecided) -> str | None:
    """Say why nobody shall act: the answer that asked for it, or raised it, does so no more.

    Her permit does not tell: another answer of hers may ask for a call of its own. Nor does what is
    kept of her newest answer (`newer.revised`): this one may be older, or have no score.
    """
    cause, seen = decision.cause, decision.snapshot
    if play is None or cause.kind != "response" or cause.id != delivery.cause_id:
        return None
    if play.when.trigger == "callback_asked" and not seen.callback_requested:
        return f"{REVISED}it asks for no call now"
    if play.when.trigger != "escalation_raised" or may_be_read(delivery):
        return None
    why = unraised(play.when, seen)
    return None if why is None else f"{REVISED}{why}"
