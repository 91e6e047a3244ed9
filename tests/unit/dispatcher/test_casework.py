"""Which messages the steps of a case make wrong."""

import uuid
from typing import Any

import pytest

from services.dispatcher.plan.casework import taken_back, told_by, too_early
from services.dispatcher.playbook.plays import Play
from shared.events.decisions import CustomerDecided, Hold, Trigger
from shared.events.ids import case_cause
from tests.builders.decisions import decision, hold, later
from tests.builders.deliveries import delivery
from tests.builders.dispatching import play

HERS, ANOTHER = case_cause("helpdesk/1"), case_cause("helpdesk/2")
OPEN = Hold(rule="open_case", classes=("survey",), reason="open", until=later(days=90))


def about(trigger: str, **do: Any) -> Play:
    return Play.model_validate(play("after", "detractor", "tell", trigger=trigger, **do))


def step(trigger: Trigger, cause: uuid.UUID = HERS, *, late: bool = False) -> CustomerDecided:
    return decision(triggers=(trigger,), cause=cause, late=late)


@pytest.mark.parametrize(
    ("trigger", "holds", "early"),
    [
        pytest.param("resurvey_due", (OPEN,), True, id="open again"),
        pytest.param("resurvey_due", (hold(later(days=9)),), False, id="another hold"),
        pytest.param("resurvey_due", (), False, id="resolved"),
        pytest.param("settled", (OPEN,), False, id="about something else"),
    ],
)
def test_nobody_is_asked_how_it_went_while_it_goes_on(
    trigger: str, holds: tuple[Hold, ...], early: bool
) -> None:
    """Only the question about the case; what else waits has its own hold."""
    assert bool(too_early(about(trigger), holds)) is early
    assert too_early(None, holds) is None


@pytest.mark.parametrize(
    ("waits", "told", "reason"),
    [
        pytest.param("resurvey_due", step("case_reopened"), "how it went", id="asked, reopened"),
        pytest.param(
            "resurvey_due", step("case_opened", ANOTHER), "how it went", id="asked, another opened"
        ),
        pytest.param("resurvey_due", step("case_resolved", ANOTHER), None, id="another resolved"),
        pytest.param(
            "case_resolved",
            step("case_reopened"),
            "its case was opened again since",
            id="told that it is solved, reopened",
        ),
        pytest.param(
            "case_opened",
            step("case_resolved"),
            "its case was resolved since",
            id="told that we look at it, solved",
        ),
        pytest.param("case_resolved", step("case_reopened", ANOTHER), None, id="another's step"),
        pytest.param("case_resolved", step("case_resolved"), None, id="the same step again"),
        pytest.param("settled", step("case_reopened"), None, id="about her answer"),
        pytest.param(
            "case_resolved", step("case_reopened", late=True), None, id="a step long overtaken"
        ),
        pytest.param("case_resolved", decision(), None, id="no step at all"),
    ],
)
def test_a_later_step_takes_back_what_speaks_of_an_earlier_one(
    waits: str, told: CustomerDecided, reason: str | None
) -> None:
    """Of the same case; the question how it went ends with any that is open."""
    found = taken_back(delivery(cause_id=HERS), about(waits), told)
    assert (found is None) if reason is None else (found is not None and reason in found)


def test_colleagues_are_told_every_step_and_removed_plays_none() -> None:
    """An alert that a case was opened is history of it, not a promise to her."""
    alert = about("case_opened", **{"class": "internal"})
    told = step("case_resolved")
    assert taken_back(delivery(cause_id=HERS, contact_class="internal"), alert, told) is None
    assert taken_back(delivery(cause_id=HERS), None, told) is None
    assert told_by(told) == "resolved"
