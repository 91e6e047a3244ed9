"""Cases: which messages the steps of a customer's case make wrong. Pure.

In: a delivery's play, what stands for her or is told now. Out: why the message is wrong, or None.
Nobody is asked how it went while somebody still works on it, nor told of a step that a later one
has taken back.
"""

from collections.abc import Iterable
from typing import Final

from services.dispatcher.delivery import Delivery
from services.dispatcher.playbook.plays import Play
from shared.events.decisions import CustomerDecided, Hold, Trigger

#: The rule of the segmenter that holds for her while a case is open.
OPEN_CASE: Final = "open_case"
_STEPS: Final[dict[Trigger, str]] = {
    "case_opened": "opened",
    "case_resolved": "resolved",
    "case_reopened": "opened again",
}
_TOO_EARLY: Final = "a case of hers is open: how it went is asked when it is resolved"


def too_early(play: Play | None, holds: Iterable[Hold]) -> str | None:
    """Say why she is not asked how it went, by what holds for her now."""
    if play is None or play.when.trigger != "resurvey_due":
        return None
    return _TOO_EARLY if any(hold.rule == OPEN_CASE for hold in holds) else None


def told_by(decision: CustomerDecided) -> str | None:
    """Name the step of a case that a decision tells; None: it tells none, or an old one."""
    if decision.cause.late:
        return None
    return next((_STEPS[t] for t in decision.cause.triggers if t in _STEPS), None)


def taken_back(delivery: Delivery, play: Play | None, decision: CustomerDecided) -> str | None:
    """Say why what waits for her is wrong after a step of a case of hers."""
    step = told_by(decision)
    if play is None or step is None or not delivery.customer_facing:
        return None
    trigger = play.when.trigger
    if trigger == "resurvey_due":
        return None if step == _STEPS["case_resolved"] else _TOO_EARLY
    about = trigger in _STEPS and delivery.cause_id == decision.cause.id
    if not about or trigger in decision.cause.triggers:
        return None
    return f"its case was {step} since"
