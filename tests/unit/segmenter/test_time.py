"""Zones, changes of the clocks, the leap day, platforms whose clock is ten minutes off: tables."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from services.segmenter.cases import cases
from services.segmenter.cases.opening import due_at
from services.segmenter.cases.workdays import later
from services.segmenter.decide.budgets import budgets, reach
from services.segmenter.decide.clocks import holds, standing
from services.segmenter.decide.moments import ahead
from services.segmenter.decide.settle import waiting
from services.segmenter.policy.budgets import BudgetRule, CalendarRule
from services.segmenter.policy.cases import BusinessHours, Cases
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.segments import lapses_at
from services.segmenter.profile.state import Profile
from shared.events import outcomes
from shared.events.envelope import Event
from shared.events.feedback import ResponseLink
from tests.builders.facts import (
    NOON,
    answered,
    case,
    fact,
    invited,
    reported,
    settled,
    shipped_policy,
    updated,
)

POLICY = shipped_policy().value
MINUTE = timedelta(minutes=1)
SKEW = 10 * MINUTE
LINK = ResponseLink(source="demo", survey="nps", response_id="r1")


def profile(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


def utc(text: str) -> datetime:
    """Read a moment; without a zone it is one of UTC."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def ends(rule: str, *told: Event) -> datetime:
    return next(hold.until for hold in holds(profile(*told), POLICY) if hold.rule == rule)


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        pytest.param("2026-03-10T08:00", "2026-04-09T08:00", id="over the hour lost in Paris"),
        pytest.param("2026-10-10T08:00", "2026-11-09T08:00", id="over the hour won"),
        pytest.param("2026-03-29T02:30+01:00", "2026-04-28T01:30", id="at a moment leapt over"),
        pytest.param("2026-10-25T02:30+01:00", "2026-11-24T01:30", id="at the second of two"),
        pytest.param("2028-01-30T08:00", "2028-02-29T08:00", id="until a leap day"),
        pytest.param("2028-02-29T08:00", "2028-03-30T08:00", id="from a leap day"),
        pytest.param("2027-01-30T08:00", "2027-03-01T08:00", id="where there is no leap day"),
        pytest.param("2027-12-31T23:30-05:00", "2028-01-31T04:30", id="far west, at New Year"),
        pytest.param("2026-05-01T00:15+14:00", "2026-05-30T10:15", id="as far east as it goes"),
    ],
)
def test_a_survey_clock_runs_in_days_of_24_hours(asked: str, until: str) -> None:
    """Thirty times 24 hours from that very moment, whatever clocks on walls did meanwhile."""
    told = invited(at=utc(asked))
    assert ends("any_survey", told) == utc(until)
    hold = holds(profile(told), POLICY)
    assert "any_survey" in {one.rule for one in standing(hold, utc(until) - MINUTE)}
    assert "any_survey" not in {one.rule for one in standing(hold, utc(until))}


@pytest.mark.parametrize(
    ("attribute", "value", "rule", "until"),
    [
        pytest.param("customer_since", "2028-02-29", "new_customer", "2028-03-14", id="leap day"),
        pytest.param("customer_since", "2026-02-29", "new_customer", None, id="no such day"),
        pytest.param(
            "customer_since", "2026-03-29T00:30:00+01:00", "new_customer", "2026-04-12",
            id="a date is the day where it was told",
        ),
        pytest.param(
            "contact_hold_until", "2026-03-29T02:30:00+01:00", "contact_hold", "2026-03-29T01:30",
            id="a moment leapt over",
        ),
        pytest.param(
            "contact_hold_until", "2028-02-29T23:59:59-10:00", "contact_hold",
            "2028-03-01T09:59:59", id="the last second of a leap day",
        ),
    ],
)  # fmt: skip
def test_dates_that_systems_tell_are_moments(
    attribute: str, value: str, rule: str, until: str | None
) -> None:
    """A date is its midnight in UTC; a moment keeps its zone; what is no date holds nothing."""
    found = {
        h.rule: h.until for h in holds(profile(updated(attributes={attribute: value})), POLICY)
    }
    assert found.get(rule) == (None if until is None else utc(until))


@pytest.mark.parametrize(
    ("answer", "lapsed"),
    [
        pytest.param("2028-02-29T12:00", "2029-02-28T12:00", id="on a leap day"),
        pytest.param("2027-03-01T12:00", "2028-02-29T12:00", id="until a leap day"),
        pytest.param("2026-03-28T12:00", "2027-03-28T12:00", id="the day before a change"),
    ],
)
def test_silence_is_counted_in_days_of_24_hours(answer: str, lapsed: str) -> None:
    """Three hundred and sixty-five of them, not a year of the calendar."""
    told = answered("r1", 9, at=utc(answer), complete=True)
    assert lapses_at(profile(told), POLICY) == utc(lapsed)
    assert ahead(profile(told), POLICY, utc(answer))["lapse", ""] == utc(lapsed)


@pytest.mark.parametrize(
    ("resolved", "asked"),
    [
        pytest.param("2028-02-14T09:00", "2028-02-29T09:00", id="on a leap day"),
        pytest.param("2028-02-29T09:00", "2028-03-15T09:00", id="resolved on one"),
        pytest.param("2027-02-14T09:00", "2027-03-01T09:00", id="without one"),
        pytest.param("2026-03-14T00:30+01:00", "2026-03-28T23:30", id="at 00:30 in Paris, then"),
        pytest.param("2026-03-15T00:30+01:00", "2026-03-29T23:30", id="over the hour lost"),
        pytest.param("2026-10-11T00:30+02:00", "2026-10-25T22:30", id="over the hour won"),
    ],
)
def test_a_case_is_asked_about_fifteen_times_24_hours_later(resolved: str, asked: str) -> None:
    """On the fifteenth day; where the clocks changed, an hour earlier or later on the wall."""
    at = utc(resolved)
    told = (
        answered("r1", 3, at=at - timedelta(days=2)),
        case("opened", at=at - timedelta(days=1), response=LINK),
        case("resolved", at=at),
    )
    she = profile(*told)
    assert list(cases.resurveys(she, POLICY).values()) == [utc(asked)]
    assert not cases.askable(she, POLICY, utc(asked) - MINUTE)
    assert cases.askable(she, POLICY, utc(asked))
    assert cases.exempt_until(she, POLICY, utc(asked)) == utc(asked) + timedelta(days=3)


@pytest.mark.parametrize(
    ("zone", "week", "start", "hours", "due"),
    [
        pytest.param(
            "Europe/Paris", {"days": ("sun", "mon")}, "2026-03-29T00:00+01:00", 24,
            "2026-03-30T01:00+02:00", id="a Sunday of 23 hours",
        ),
        pytest.param(
            "Europe/Paris", {"days": ("sun", "mon")}, "2026-10-25T00:00+02:00", 24,
            "2026-10-25T23:00+01:00", id="a Sunday of 25 hours",
        ),
        pytest.param(
            "Europe/Paris", {"days": ("sun",), "opens": "02:30", "closes": "06:00"},
            "2026-03-29T00:00+01:00", 1, "2026-03-29T04:30+02:00", id="opens at no moment",
        ),
        pytest.param(
            "Europe/Paris", {"days": ("sun",), "opens": "02:30", "closes": "06:00"},
            "2026-10-25T00:00+02:00", 1, "2026-10-25T02:30+01:00", id="opens at the first of two",
        ),
        pytest.param(
            "Europe/Paris", {"opens": "09:00", "closes": "17:00"}, "2028-02-28T16:00+01:00", 2,
            "2028-02-29T10:00+01:00", id="a leap day is a day of work",
        ),
        pytest.param(
            "Europe/Paris",
            {"opens": "09:00", "closes": "17:00", "holidays": (date(2028, 2, 29),)},
            "2028-02-28T16:00+01:00", 2, "2028-03-01T10:00+01:00", id="unless it is a holiday",
        ),
        pytest.param(
            "Asia/Kolkata", {"opens": "09:00", "closes": "17:00"}, "2026-03-10T03:00Z", 2,
            "2026-03-10T05:30Z", id="a zone of half hours",
        ),
        pytest.param(
            "America/St_Johns", {"opens": "09:00", "closes": "17:00"}, "2026-03-06T20:00-03:30", 1,
            "2026-03-09T10:00-02:30", id="a weekend on which the clocks change",
        ),
        pytest.param(
            "Pacific/Auckland", {"opens": "09:00", "closes": "17:00"}, "2026-03-08T19:00Z", 1,
            "2026-03-08T21:00Z", id="where it is Monday already",
        ),
        pytest.param(
            "Europe/Paris", {"opens": "09:00", "closes": "17:00"}, "2026-03-10T17:00+01:00", 1,
            "2026-03-11T10:00+01:00", id="told at the moment of closing",
        ),
        pytest.param(
            "Europe/Paris", {"opens": "22:00", "closes": "24:00"}, "2026-03-10T23:30+01:00", 1,
            "2026-03-11T22:30+01:00", id="a day that closes at midnight",
        ),
    ],
)  # fmt: skip
def test_business_hours_are_those_of_the_team_s_wall(
    zone: str, week: dict[str, object], start: str, hours: int, due: str
) -> None:
    """Days, opening hours and holidays are the zone's; hours are counted as they pass."""
    hours_of = BusinessHours.model_validate({"zone": zone, **week})
    far = utc(start) + timedelta(days=30)
    assert later(utc(start), hours, hours_of, far) == utc(due)
    near = utc(start) + timedelta(hours=1)
    assert later(utc(start), hours, hours_of, near) == min(near, utc(due))


def test_the_ceiling_of_an_sla_is_in_hours_that_pass() -> None:
    """Forty-eight of them, also over the night of 23 hours."""
    friday = utc("2026-03-27T20:00+01:00")
    rules = Cases(business_hours=BusinessHours(days=("tue",)))
    assert due_at(friday, rules) == utc("2026-03-29T21:00+02:00")


@pytest.mark.parametrize(
    ("unit", "zone", "now", "since"),
    [
        pytest.param("day", "Europe/Paris", "2026-10-25T20:00Z", "2026-10-25T00:00+02:00",
                     id="the day of 25 hours"),
        pytest.param("day", "Africa/Cairo", "2026-04-24T10:00Z", "2026-04-24T01:00+03:00",
                     id="a day without midnight begins at one"),
        pytest.param("day", "America/Havana", "2026-11-01T05:30Z", "2026-11-01T00:00-04:00",
                     id="the second midnight of a day is none"),
        pytest.param("week", "Europe/Paris", "2026-03-29T10:00Z", "2026-03-23T00:00+01:00",
                     id="the week that lost an hour"),
        pytest.param("week", "Europe/Paris", "2028-03-02T10:00Z", "2028-02-28T00:00+01:00",
                     id="a week over a leap day"),
        pytest.param("week", "Pacific/Kiritimati", "2026-03-08T11:00Z", "2026-03-09T00:00+14:00",
                     id="where Monday comes first"),
        pytest.param("week", "Pacific/Pago_Pago", "2026-03-09T10:00Z", "2026-03-02T00:00-11:00",
                     id="where Sunday ends last"),
        pytest.param("month", "Europe/Paris", "2026-03-31T21:30Z", "2026-03-01T00:00+01:00",
                     id="the month that lost an hour"),
        pytest.param("month", "Europe/Paris", "2026-03-31T22:30Z", "2026-04-01T00:00+02:00",
                     id="the next, by the clock on the wall"),
        pytest.param("month", "Asia/Tokyo", "2028-02-29T14:59Z", "2028-02-01T00:00+09:00",
                     id="the last minute of a leap day"),
        pytest.param("month", "Asia/Tokyo", "2028-02-29T15:00Z", "2028-03-01T00:00+09:00",
                     id="the minute after it"),
    ],
)  # fmt: skip
def test_calendar_windows_of_budgets_begin_at_a_midnight_of_their_zone(
    unit: str, zone: str, now: str, since: str
) -> None:
    """What is told of others' contacts begins there: at that moment counts, a moment before not."""
    window = CalendarRule.model_validate({"kind": "calendar", "unit": unit, "zone": "customer"})
    rule = BudgetRule(name="one", classes=("marketing",), limit=1, window=window)
    # Of a moment that a clock shows twice, or not at all, Python finds only the one in UTC equal.
    assert reach(rule, zone, utc(now)).astimezone(UTC) == utc(since)
    policy = POLICY.model_copy(update={"budgets": (rule,)})
    sent = [
        reported(outcomes.MessageSent, at=utc(since) + timedelta(seconds=shift))
        for shift in (-1, 0, 1)
    ]
    (budget,) = budgets(profile(*sent), policy, zone, utc(now))
    assert [at - utc(since) for at in budget.foreign] == [timedelta(0), timedelta(seconds=1)]


@pytest.mark.parametrize("off", [pytest.param(-SKEW, id="behind"), pytest.param(SKEW, id="ahead")])
def test_a_platform_s_clock_moves_no_window(off: timedelta) -> None:
    """The end of an answer's window is counted by our own receipts, whatever the platform says."""
    told = answered("r1", 9, at=NOON + off, received=NOON, complete=False)
    found = waiting(profile(told), POLICY)
    assert found is not None
    assert found[1] == NOON + 5 * MINUTE


@pytest.mark.parametrize("off", [pytest.param(-SKEW, id="behind"), pytest.param(SKEW, id="ahead")])
def test_a_platform_s_clock_moves_clocks_by_no_more_than_it_is_off(off: timedelta) -> None:
    """Who asked, answered or was written to by such a clock is held ten minutes longer or less."""
    contact = reported(outcomes.MessageSent, at=NOON + off)
    assert ends("any_survey", invited(at=NOON + off)) == NOON + timedelta(days=30) + off
    assert ends("marketing_rest", answered("r1", 3, at=NOON + off, received=NOON)) == (
        NOON + timedelta(days=14) + off
    )
    assert ends("after_contact", contact) == NOON + timedelta(days=7) + off
    # A contact that its clock puts ahead of ours counts at once.
    rolling = POLICY.model_copy(update={"budgets": POLICY.budgets[:1]})
    (budget,) = budgets(profile(contact), rolling, "Europe/Paris", NOON)
    assert budget.foreign == (NOON + off,)


@pytest.mark.parametrize("off", [pytest.param(-SKEW, id="behind"), pytest.param(SKEW, id="ahead")])
def test_the_echo_of_a_send_of_ours_is_known_by_a_clock_that_is_off(off: timedelta) -> None:
    """Ten minutes are within the fifteen of an echo; twenty would be somebody else's."""
    ours = settled(UUID(int=1))
    for at, foreign in ((NOON + off, ()), (NOON + 2 * off, (NOON + 2 * off,))):
        echo = reported(outcomes.MessageSent, target="sandbox", at=at)
        rolling = POLICY.model_copy(update={"budgets": POLICY.budgets[:1]})
        (budget,) = budgets(profile(ours, echo), rolling, "Europe/Paris", NOON + SKEW)
        assert budget.foreign == foreign


def test_of_answers_by_two_clocks_the_order_is_what_they_say_in_whatever_order_told() -> None:
    """A clock ahead makes an answer the newest for a while; everybody agrees on it."""
    ahead_, exact = (
        answered("r1", 9, at=NOON + SKEW, received=NOON),
        answered("r2", 3, survey="other", at=NOON + 5 * MINUTE),
    )
    behind = answered("r3", 7, survey="third", at=NOON - SKEW, received=NOON + 6 * MINUTE)
    for told in permutations((ahead_, exact, behind)):
        assert [one.score for one in profile(*told).scored] == [7, 3, 9]
