"""Budgets: the rule with what others used up of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.segmenter.decide.budgets import budgets, reach
from services.segmenter.policy.budgets import BudgetRule, CalendarRule, RollingRule
from services.segmenter.profile.profile import rebuild
from shared.events import outcomes
from shared.events.envelope import Event
from tests.builders.facts import NOON, day, fact, reported, settled, shipped_policy

SOMEBODY = UUID(int=1)


def foreign(events: Sequence[Event], now: datetime, name: str = "email-week") -> list[datetime]:
    """The foreign contacts that the shipped budget states."""
    stated = budgets(rebuild(map(fact, events)), shipped_policy().value, "Europe/Paris", now)
    return list(next(budget.foreign for budget in stated if budget.name == name))


MINUTES = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([reported(outcomes.MessageSent)], [NOON], id="another's mail"),
        pytest.param(
            [reported(outcomes.MessageSent, at=day(-6.9))], [day(-6.9)], id="within the window"
        ),
        pytest.param([reported(outcomes.MessageSent, at=day(-7.1))], [], id="before the window"),
        pytest.param([reported(outcomes.MessageSent, channel="sms")], [], id="on another channel"),
        pytest.param(
            [reported(outcomes.MessageSent, delivery="d1")], [], id="with our delivery id"
        ),
        pytest.param(
            [
                settled(SOMEBODY, at=NOON - 15 * MINUTES),
                reported(outcomes.MessageSent, target="sandbox"),
            ],
            [],
            id="the echo of ours: same target, 15 minutes",
        ),
        pytest.param(
            [
                settled(SOMEBODY, at=NOON - 16 * MINUTES),
                reported(outcomes.MessageSent, target="sandbox"),
            ],
            [NOON],
            id="too late for an echo",
        ),
        pytest.param(
            [settled(SOMEBODY), reported(outcomes.MessageSent, target="newsletter")],
            [NOON],
            id="another target is no echo",
        ),
        pytest.param(
            [settled(SOMEBODY), reported(outcomes.MessageSent, target=None)],
            [NOON],
            id="an unknown target counts",
        ),
        pytest.param(
            [settled(SOMEBODY, state="rejected"), reported(outcomes.MessageSent, target="sandbox")],
            [NOON],
            id="what we did not send has no echo",
        ),
    ],
)
def test_contacts_of_others_are_stated(events: list[Event], expected: list[datetime]) -> None:
    """Only those that the window, class and channels of a budget are about."""
    assert foreign(events, NOON) == expected


def rule(window: RollingRule | CalendarRule) -> BudgetRule:
    return BudgetRule(name="one", classes=("marketing",), limit=1, window=window)


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        pytest.param(
            RollingRule(kind="rolling", hours=16), NOON, NOON - timedelta(hours=16), id="rolling"
        ),
        pytest.param(
            CalendarRule(kind="calendar", unit="day", zone="customer"),
            datetime(2026, 3, 29, 10, tzinfo=UTC),
            datetime(2026, 3, 28, 23, tzinfo=UTC),
            id="the day on which the clocks change, from its own midnight",
        ),
        pytest.param(
            CalendarRule(kind="calendar", unit="week", zone="Europe/Paris"),
            datetime(2026, 4, 1, 10, tzinfo=UTC),
            datetime(2026, 3, 29, 22, tzinfo=UTC),
            id="the week from Monday",
        ),
        pytest.param(
            CalendarRule(kind="calendar", unit="month", zone="America/New_York"),
            datetime(2028, 2, 29, 23, tzinfo=UTC),
            datetime(2028, 2, 1, 5, tzinfo=UTC),
            id="the month in a named zone, in a leap year",
        ),
    ],
)
def test_how_far_back_a_window_reaches(
    window: RollingRule | CalendarRule, now: datetime, expected: datetime
) -> None:
    """Calendar windows begin at local midnight."""
    assert reach(rule(window), "Europe/Paris", now) == expected


def test_a_calendar_window_of_the_customer_names_her_zone() -> None:
    """The dispatcher is told a zone, never the word `customer`."""
    window = CalendarRule(kind="calendar", unit="day", zone="customer").wire("Europe/Rome")
    assert window.zone == "Europe/Rome"
