"""Requests: what waits to answer one that she took back. Pure.

In: a delivery, its play, what is told now. Out: why it is wrong, or None.
"""

from services.dispatcher.delivery import Delivery
from services.dispatcher.gates.newer import REVISED
from services.dispatcher.playbook.plays import Play
from shared.events.decisions import CustomerDecided


def withdrawn(delivery: Delivery, play: Play | None, decision: CustomerDecided) -> str | None:
    """Say why nobody shall call her: the answer in which she asked for it asks no more.

    Her permit does not tell: another answer of hers may ask for a call of its own. Nor does what is
    kept of her newest answer (`newer.revised`): this one may be older, or have no score.
    """
    if play is None or play.when.trigger != "callback_asked":
        return None
    cause = decision.cause
    if cause.kind != "response" or cause.id != delivery.cause_id:
        return None
    return None if decision.snapshot.callback_requested else f"{REVISED}it asks for no call now"
