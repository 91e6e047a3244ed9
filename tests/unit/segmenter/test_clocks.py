"""Survey clocks and rests: who must wait, why, until when."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from services.segmenter.decide import clocks
from services.segmenter.decide.clocks import asked, holds, moment, next_survey_at, standing, trace
from services.segmenter.decide.waits import waits
from services.segmenter.policy.clocks import Clock, Clocks, Family, Rests
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events import outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import ConsentStatement
from tests.builders.facts import (
    NOON,
    answered,
    case,
    day,
    fact,
    invited,
    opted_out,
    reported,
    settled,
    shipped_policy,
    updated,
)

POLICY = shipped_policy().value
SOMEBODY = UUID(int=1)


def told(*events: Event) -> Profile:
    return rebuild(map(fact, events))


@pytest.mark.parametrize(
    ("events", "rule", "until"),
    [
        pytest.param([invited()], "survey_family", 90, id="an invitation starts the quarter"),
        pytest.param([answered("r1", 9)], "any_survey", 30, id="an answer counts like an asking"),
        pytest.param(
            [invited(), invited(at=day(5))], "any_survey", 35, id="the newest asking counts"
        ),
        pytest.param([settled(SOMEBODY, at=day(2))], "after_contact", 9, id="our own contact"),
        pytest.param(
            [reported(outcomes.MessageSent, at=day(3))], "after_contact", 10, id="another's contact"
        ),
        pytest.param(
            [reported(outcomes.MessageSent, at=day(3), contact_class="survey")],
            "any_survey",
            33,
            id="another tool's survey mail is an asking",
        ),
        pytest.param(
            [updated(attributes={"customer_since": "2026-03-01"})],
            "new_customer",
            4.5,
            id="a new customer is let alone (midnight, UTC)",
        ),
        pytest.param(
            [answered("r1", 6)], "marketing_rest", 14, id="no offers after a detractor's answer"
        ),
        pytest.param(
            [updated(attributes={"contact_hold_until": "2026-03-12T12:00:00Z"})],
            "contact_hold",
            2,
            id="the operator's own hold",
        ),
        pytest.param([case("opened", at=day(1))], "open_case", 91, id="a case is open"),
        pytest.param(
            [case("opened"), case("resolved", at=day(1)), case("reopened", at=day(2))],
            "open_case",
            92,
            id="a case is open again, counted from then",
        ),
        pytest.param(
            [case("opened"), case("opened", "helpdesk/2", at=day(3))],
            "open_case",
            93,
            id="of several open cases the newest counts",
        ),
        pytest.param(
            [case("resolved", at=day(1)), case("opened", at=day(2))],
            "open_case",
            92,
            id="opened once more without being called reopened",
        ),
    ],
)
def test_a_hold_has_a_reason_and_an_end(events: list[Event], rule: str, until: float) -> None:
    """It stands until its end, and at its end no more."""
    (hold,) = [hold for hold in holds(told(*events), POLICY) if hold.rule == rule]
    assert hold.reason
    assert hold.until == day(until)
    assert hold in standing((hold,), day(until) - timedelta(microseconds=1))
    assert standing((hold,), day(until)) == ()


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        pytest.param([], "survey_family", id="never asked"),
        pytest.param(
            [answered("r1", 6), answered("r2", 9, at=day(1))],
            "marketing_rest",
            id="a newer, better answer ends the rest",
        ),
        pytest.param(
            [settled(SOMEBODY, state="suppressed")], "after_contact", id="nothing was sent"
        ),
        pytest.param(
            [reported(outcomes.MessageOpened)], "after_contact", id="an opening is no contact"
        ),
        pytest.param(
            [updated(attributes={"contact_hold_until": "soon"})], "contact_hold", id="no moment"
        ),
        pytest.param(
            [
                updated(attributes={"contact_hold_until": "2026-03-12T12:00:00Z"}),
                updated(at=day(1), attributes={"contact_hold_until": None}),
            ],
            "contact_hold",
            id="the hold was lifted",
        ),
    ],
)
def test_without_cause_there_is_no_hold(events: list[Event], rule: str) -> None:
    """A rule that finds nothing refuses nothing."""
    assert rule not in {hold.rule for hold in holds(told(*events), POLICY)}


def test_a_survey_about_one_experience_does_not_block_the_quarterly() -> None:
    """A transactional survey runs on the clock of its own family, and on that of any survey."""
    found = holds(told(invited(survey="after-delivery-fr")), POLICY)
    assert [(hold.rule, hold.until) for hold in found] == [("any_survey", day(30))]


def test_zero_days_switch_a_rule_off() -> None:
    """An operator may drop every clock and rest."""
    off = Policy(
        bands=POLICY.bands,
        zones=POLICY.zones,
        permits=POLICY.permits,
        clocks=Clocks(
            families=(Family(name="relational", surveys=("*",), days=0),),
            any_survey=Clock(days=0),
            after_contact_days=0,
            new_customer_days=0,
        ),
        rests=Rests(marketing_after_detractor_days=0),
    )
    known = told(
        answered("r1", 3), settled(SOMEBODY), updated(attributes={"customer_since": "2026-03-09"})
    )
    assert holds(known, off) == ()


def test_the_next_survey_date_is_the_latest_end_whenever_it_is_asked() -> None:
    """A function of the facts alone: also once it has passed."""
    she = told(answered("r1", 6), settled(SOMEBODY, at=day(88)))
    assert next_survey_at(she, POLICY, holds(she, POLICY)) == day(95)
    assert next_survey_at(she, POLICY, ()) is None


def test_who_refused_surveys_has_no_next_date_before_she_takes_it_back() -> None:
    """Survey tools and platforms read the date only: it must not let them ask her again."""
    refused = (answered("r1", 6), opted_out(at=day(1)))
    again = updated(at=day(2), consents=(agreed(day(2)),))
    for events, next_at in ((refused, clocks.NEVER), ((*refused, again), day(91))):
        she = told(*events)
        assert waits(she, POLICY, day(200)).next_survey_at == next_at


def agreed(at: datetime) -> ConsentStatement:
    return ConsentStatement(channel="all", purpose="survey", granted=True, said_at=at)


def test_every_rule_is_in_the_trace_with_its_next_date() -> None:
    """Rules that let pass are told, too, in the order asked."""
    lines = trace(asked(told(answered("r1", 9)), POLICY), day(40))
    assert [(line.rule, line.outcome, line.until) for line in lines] == [
        ("contact_hold", "open", None),
        ("survey_family", "holds", day(90)),
        ("any_survey", "open", day(30)),
        ("after_contact", "open", None),
        ("new_customer", "open", None),
        ("marketing_rest", "open", None),
        ("open_case", "open", None),
        ("complaint", "open", None),
    ]
    assert tuple(line.rule for line in lines) == tuple(rule.__name__ for rule in clocks.RULES)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("0001-01-01", id="the beginning of the calendar"),
        pytest.param(20260310, id="a number"),
        pytest.param(None, id="cleared"),
        pytest.param(["2026-03-10"], id="a list"),
    ],
)
def test_an_attribute_that_is_no_moment_is_none(value: object) -> None:
    """No attribute, however odd, stops the segmenter."""
    assert moment(value) is None


def test_for_ever_is_a_hold_like_any_other() -> None:
    """A hold until the year 9999 stands, and nothing overflows."""
    known = told(
        updated(attributes={"contact_hold_until": "9999-12-31T23:59:59Z"}),
        updated(at=day(1), attributes={"customer_since": "9999-12-31"}),
    )
    assert {hold.rule for hold in standing(holds(known, POLICY), day(36500))} == {
        "contact_hold",
        "new_customer",
    }


def test_a_date_means_its_midnight() -> None:
    """Without a zone, UTC is meant."""
    assert moment("2026-03-10") == NOON.replace(hour=0)
    assert moment("2026-03-10T14:00:00+02:00") == NOON
