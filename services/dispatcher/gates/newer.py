"""Newer news: whether what waits is still what its play is for. Pure.

In: a delivery, its play, what is known by now of its answer and of her. Out: why it is wrong, or
None.

*A revised answer* ends everything that was planned because it said otherwise: of every class, also
alerts that nobody has read and a call that she does not ask for any more. Only news of the same
answer tells that; what else is told of her proves nothing about it.

*What she is* ends asks and offers alone (marketing, survey). They are for whom she was taken for:
no ambassador's invitation to who is not ready, no gold offer to who is not gold. What answers her
(service, asked for) or tells colleagues of it (internal) stands: it is about what she said, a
customer's value only chose who says it how, and nobody would speak in its place.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from services.dispatcher.alerts.alerting import CORRECTS
from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger.said import SCORED, Said
from services.dispatcher.plan.beside import ALONE
from services.dispatcher.plan.plan import ONLY_ONE
from services.dispatcher.playbook.conditions import outgrown, unlike
from services.dispatcher.playbook.plays import Play
from shared.events.decisions import Trigger
from shared.events.vocabulary import ContactClass, Value

#: How the reasons begin of what a revised answer ended.
REVISED: Final = "her answer was revised: "
#: Plays by these act on an answer because of its score; `timer` comes back to one after a hold.
_ABOUT_A_SCORE: Final[frozenset[Trigger]] = SCORED | {"timer"}
_ASKS: Final[frozenset[ContactClass]] = frozenset({"marketing", "survey"})


def revised(delivery: Delivery, play: Play | None, said: Said | None) -> str | None:
    """Say what its answer does not say any more; `said`: what is known of one of her answers.

    The decision that planned it says what it said then. A correction is there to tell the change;
    and an alert that may have been read is told again until it is known, then corrected.
    """
    if play is None or said is None or said.cause != delivery.cause_id:
        return None
    if said.decision_id == delivery.decision_id or CORRECTS in delivery.context:
        return None
    if may_be_read(delivery):
        return None
    if not said.scored:
        about_it = play.when.trigger in _ABOUT_A_SCORE
        return f"{REVISED}it has no score now" if about_it else None
    why = unlike(play.when, said, said.move)
    return None if why is None else f"{REVISED}{why}"


def may_be_read(delivery: Delivery) -> bool:
    """Tell whether it is an alert that a colleague may have read, though no call was answered."""
    return not delivery.customer_facing and delivery.unanswered_since is not None


def not_hers(delivery: Delivery, play: Play | None, known: Mapping[str, Value]) -> str | None:
    """Say what she is not any more of what an ask or an offer is for."""
    if play is None or delivery.contact_class not in _ASKS:
        return None
    return outgrown(play.when, known)


def right_again(before: Delivery, planned: Delivery) -> Delivery | None:
    """Return what ended without a call as it is planned anew; None: its end stands.

    That is what a revision of its answer ended, or what left the turn to another play: a revision
    may give it back. Every other end has a reason that a revision does not touch.
    """
    tried = before.attempts > 0 or before.unanswered_since is not None
    given_up = before.state == "superseded" and before.reason.startswith(REVISED)
    left_out = before.state == "suppressed" and before.reason.startswith((ONLY_ONE, ALONE))
    if planned.state != "planned" or tried or not (given_up or left_out):
        return None
    return replace(planned, change=before.change, reason=f"{REVISED}it is right by now")
