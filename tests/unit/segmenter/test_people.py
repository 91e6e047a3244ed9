"""What a decision says of the person: how she is called, what she is to the house, how mature."""

from typing import Any
from uuid import UUID

import pytest

from services.segmenter.decide.decide import decide
from services.segmenter.profile.profile import rebuild
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from tests.builders.facts import answered, case, day, fact, rulebook, updated

PROMOTER = (answered("r1", 9, at=day(-200)), answered("r2", 10, at=day(-100)))


def decided(*told: Event, now: float = 1) -> CustomerDecided:
    *earlier, last = [fact(one) for one in told]
    return decide(
        rebuild(earlier),
        rebuild([*earlier, last]),
        last,
        rulebook(),
        day(now),
        customer_id=UUID(int=7),
        version=len(told),
    )


def reasons(found: CustomerDecided, rule: str) -> list[tuple[str, str]]:
    return [(line.outcome, line.reason) for line in found.trace if line.rule == rule]


def test_a_mature_promoter_is_ready_with_her_points_in_the_trace() -> None:
    """The snapshot has every factor; the trace has the sum in one line."""
    found = decided(*PROMOTER, answered("r3", 10))
    assert found.snapshot.maturity is not None
    assert (found.snapshot.maturity.points, found.snapshot.maturity.ready) == (60, True)
    assert reasons(found, "maturity") == [
        ("ready", "60 points (latest 30, previous 20, answers 10)")
    ]


def test_a_gate_is_named_in_the_trace() -> None:
    """Why she is not invited is a line to read."""
    found = decided(*PROMOTER, case("opened"), answered("r3", 10))
    (line,) = reasons(found, "maturity")
    assert line[0] == "not ready"
    assert line[1].endswith("refused by open_case")


def test_who_is_no_promoter_has_no_maturity() -> None:
    """Neither in the snapshot nor in the trace."""
    found = decided(*PROMOTER, answered("r3", 7))
    assert found.snapshot.maturity is None
    assert reasons(found, "maturity") == []


@pytest.mark.parametrize(("now", "expected"), [(1, "active"), (400, "sleeping"), (800, "churned")])
def test_her_lifecycle_is_that_of_the_moment(now: float, expected: str) -> None:
    """The same facts are decided anew at each decision; nothing of it is stored."""
    found = decided(updated(attributes={"last_order_at": day(-1).isoformat()}), now=now)
    assert found.snapshot.lifecycle == expected


def test_she_is_called_as_the_tone_asks() -> None:
    """A campaign platform is told the ready form, and the tone in one spelling."""
    said = {"first_name": "Anna", "last_name": "Morel", "title": "Mme", "language": "fr"}
    formal = decided(updated(attributes={**said, "tone": "VOUS"})).snapshot
    close = decided(updated(attributes={**said, "tone": "tu"})).snapshot
    assert (formal.tone, formal.called_by) == ("vous", "Madame Morel")
    assert (close.tone, close.called_by) == ("tu", "Anna")


def test_an_attribute_that_does_not_fit_is_told_to_nobody() -> None:
    """A platform keeps what it knows; what fits is told in its type's form, a null clears."""
    found = decided(
        updated(attributes={"aov": "49,90 €", "mrr": "12", "arpu": 3, "orders_count": 2}),
        updated(at=day(0.5), attributes={"mrr": "dear", "arpu": None}),
    )
    assert found.snapshot.attributes == {"aov": 49.9, "arpu": None, "orders_count": 2}


def test_who_is_a_test_respondent_is_so_by_a_rule_in_the_trace() -> None:
    """The decision carries the mark that keeps her from every platform but the sandbox."""
    found = decided(answered("r1", 9, attributes={"test_respondent": True}))
    assert found.test
    assert reasons(found, "test_respondent") == [("sandbox only", "attribute test_respondent")]
    assert not decided(answered("r1", 9)).test


def test_what_she_ticked_is_told_of_the_newest_answer_alone() -> None:
    """A call she asked for last spring is no wish of today; a text in the box is no tick."""
    asked: dict[str, Any] = {"callback_requested": True, "panel_opt_in": True}
    found = decided(answered("r1", 3, **asked)).snapshot
    assert (found.callback_requested, found.panel_opt_in) == (True, True)
    found = decided(answered("r1", 3, **asked), answered("r2", 9, at=day(1))).snapshot
    assert (found.callback_requested, found.panel_opt_in) == (False, False)
    assert not decided(answered("r1", 3, callback_requested="perhaps")).snapshot.callback_requested
