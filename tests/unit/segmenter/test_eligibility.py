"""May she be asked this survey about this experience: rules, windows, lots, and the next date."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.segmenter.decide import clocks
from services.segmenter.decide.decide import decide
from services.segmenter.eligibility.eligibility import (
    RULES,
    Asked,
    Experience,
    Refusal,
    judge,
    known_attributes,
    newest_response,
)
from services.segmenter.policy.asking import AfterExperience, Worth
from services.segmenter.policy.clocks import Clocks, Family, SurveyClock
from services.segmenter.policy.respondents import Respondents
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events.envelope import Event
from shared.events.feedback import ResponseLink
from shared.events.vocabulary import Channel
from tests.builders.facts import (
    NOON,
    answered,
    case,
    day,
    fact,
    invited,
    opted_out,
    rulebook,
    says,
    settled,
    shipped_policy,
    updated,
)

POLICY = shipped_policy().value
ORDER = Experience(kind="order", at=NOON, value=50, experience_id="order-1")
AFTER = "after-delivery"


def changed(**sections: Any) -> Policy:
    return POLICY.model_copy(update=sections)


def told(*events: Event) -> Profile:
    return rebuild(map(fact, events))


def asked(
    survey: str = "nps",
    experience: Experience | None = None,
    channel: Channel | None = None,
    policy: Policy = POLICY,
    who: str = "somebody",
) -> Asked:
    return Asked(survey, clocks.family_of(survey, policy), who, channel, experience)


def rules(
    profile: Profile, question: Asked, now: datetime, policy: Policy = POLICY
) -> tuple[list[str], datetime | None]:
    verdict = judge(profile, question, policy, now)
    return [refusal.rule for refusal in verdict.refusals], verdict.next_at


COMPLAINT = (
    answered("r1", 3),
    case("opened", response=ResponseLink(source="demo", survey="nps", response_id="r1")),
    case("resolved", at=day(2)),
)


@pytest.mark.parametrize(
    ("more", "survey", "now", "changes", "refused_by", "next_day"),
    [
        pytest.param((), "nps", 16.9, {}, {"any_survey", "survey_family"}, 17, id="before it"),
        pytest.param((), "nps", 17, {}, set(), None, id="on its day"),
        pytest.param((), "nps", 20, {}, {"any_survey", "survey_family"}, 90, id="after its days"),
        pytest.param(
            (),
            "nps",
            17,
            {"resurvey_surveys": ("after-case",)},
            {"any_survey", "survey_family"},
            90,
            id="by a survey that does not ask about cases",
        ),
        pytest.param(
            (),
            "nps",
            17,
            {"resurvey_exempt_from": ("any_survey",)},
            {"survey_family"},
            90,
            id="one clock left in force",
        ),
        pytest.param(
            (case("reopened", at=day(3)),), "nps", 17, {}, {"open_case"}, 93, id="reopened"
        ),
        pytest.param(
            (updated(attributes={"contact_hold_until": "2026-03-28T12:00:00Z"}),),
            "nps",
            17,
            {},
            {"contact_hold"},
            18,
            id="the operator's hold stands",
        ),
        pytest.param((opted_out(at=day(3)),), "nps", 17, {}, {"consent"}, None, id="opted out"),
        pytest.param(
            (updated(attributes={"contact_hold_until": "2026-03-28T12:00:00Z"}),),
            "nps",
            10,
            {},
            {"contact_hold"},
            18,
            id="what else holds her ends within its days",
        ),
    ],
)
def test_the_question_after_a_case_is_exempt(
    more: tuple[Event, ...],
    survey: str,
    now: float,
    changes: dict[str, Any],
    refused_by: set[str],
    next_day: float | None,
) -> None:
    """Fifteen days after it was resolved, for three days, the clocks that the policy names."""
    policy = changed(cases=POLICY.cases.model_copy(update=changes))
    found, next_at = rules(told(*COMPLAINT, *more), asked(survey), day(now), policy)
    assert refused_by <= set(found)
    assert bool(found) is bool(refused_by)
    assert next_at == (None if next_day is None else day(next_day))


@pytest.mark.parametrize("now", [10, 16.99, 17, 18, 19.99, 20, 95])
@pytest.mark.parametrize("last", [(), (invited(at=day(17.5)),)], ids=["unasked", "asked"])
def test_the_exemption_is_the_decision_s(now: float, last: tuple[Event, ...]) -> None:
    """Whoever asks is told what the dispatcher obeys: a hold on surveys, or none."""
    events = [*COMPLAINT, *(last if now >= 17.5 else ()), updated()]
    profile = told(*events)
    decided = decide(
        profile, profile, fact(events[-1]), rulebook(), day(now), customer_id=UUID(int=1), version=1
    )
    verdict = judge(profile, asked(), POLICY, day(now))
    held = any("survey" in hold.classes for hold in decided.holds)
    assert held is bool(verdict.refusals)
    exempt = {line.reason for line in decided.trace if line.rule == "resurvey"}
    assert verdict.exempt == next(iter(exempt), None)


def test_of_two_whom_she_may_be_both_must_be_exempt() -> None:
    """The survey may reach either of them."""
    hers, other = told(*COMPLAINT), told(invited(at=day(10)))
    assert not judge(hers, asked(), POLICY, day(17)).refusals
    refused = judge(hers, asked(), POLICY, day(17), [other]).refusals
    assert {refusal.rule for refusal in refused} >= {"any_survey", "survey_family"}


@pytest.mark.parametrize(
    ("events", "question", "now", "refused_by", "next_day"),
    [
        pytest.param([], asked(), day(0), [], None, id="a stranger may be asked"),
        pytest.param(
            [invited()],
            asked(),
            day(10),
            ["any_survey", "this_survey", "survey_family"],
            90,
            id="the quarterly waits a quarter",
        ),
        pytest.param(
            [invited()], asked(), day(60), ["survey_family"], 90, id="the family's clock is longest"
        ),
        pytest.param(
            [invited()], asked(), day(90), [], None, id="at its end a clock holds no more"
        ),
        pytest.param(
            [invited()],
            asked(AFTER, ORDER),
            day(10),
            ["any_survey", "ask_window"],
            None,
            id="any survey holds another family, and by its end it is too late",
        ),
        pytest.param(
            [invited(at=day(-25))],
            asked(AFTER, ORDER),
            day(3),
            ["any_survey"],
            5,
            id="held within the window",
        ),
        pytest.param(
            [invited(survey=AFTER, at=day(-31))],
            asked(),
            day(0),
            [],
            None,
            id="a survey of another family does not hold the quarterly",
        ),
        pytest.param(
            [settled(UUID(int=1))], asked(), day(1), ["after_contact"], 7, id="after a message"
        ),
        pytest.param(
            [updated(attributes={"customer_since": "2026-03-10"})],
            asked(),
            day(1),
            ["new_customer"],
            13.5,
            id="a new customer",
        ),
        pytest.param([case("opened")], asked(), day(1), ["open_case"], 90, id="an open case"),
        pytest.param(
            [updated(attributes={"contact_hold_until": "2026-03-20T12:00:00Z"})],
            asked(),
            day(1),
            ["contact_hold"],
            10,
            id="the operator's own hold",
        ),
        pytest.param(
            [answered("r1", 2, at=day(-95))],
            asked(),
            day(0),
            [],
            None,
            id="a rest from marketing is none from surveys",
        ),
        pytest.param([opted_out(at=day(-99))], asked(), day(0), ["consent"], None, id="opted out"),
        pytest.param(
            [updated(consents=(says(granted=False, purpose="survey"),))],
            asked(channel="email"),
            day(0),
            ["consent"],
            None,
            id="refused on this channel",
        ),
        pytest.param(
            [updated(consents=(says(granted=False, purpose="survey"),))],
            asked(channel="sms"),
            day(0),
            [],
            None,
            id="refused on another channel",
        ),
        pytest.param(
            [updated(consents=(says(granted=False, purpose="survey"),))],
            asked(),
            day(0),
            [],
            None,
            id="one channel is left",
        ),
        pytest.param(
            [],
            asked(channel="chat"),
            day(0),
            ["consent"],
            None,
            id="a channel that surveys never use",
        ),
        pytest.param(
            [opted_out(at=day(-1))],
            asked(),
            day(0),
            ["consent", "any_survey", "this_survey", "survey_family"],
            None,
            id="a no for ever leaves no date, whatever else ends",
        ),
    ],
)
def test_every_rule_that_refuses_is_told_and_the_last_end_is_the_next_date(
    events: list[Event],
    question: Asked,
    now: datetime,
    refused_by: list[str],
    next_day: float | None,
) -> None:
    """In the order asked; without any of them she may be asked."""
    found, next_at = rules(told(*events), question, now)
    assert found == refused_by
    assert next_at == (None if next_day is None else day(next_day))


PARIS = ZoneInfo("Europe/Paris")
SPRING = datetime(2026, 3, 28, 12, tzinfo=PARIS)
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("at", "now", "reason", "opens"),
    [
        pytest.param(NOON, NOON, "too early", day(3), id="at once"),
        pytest.param(
            NOON, day(3) - timedelta(microseconds=1), "too early", day(3), id="just too early"
        ),
        pytest.param(NOON, day(3), None, None, id="the window opens"),
        pytest.param(NOON, day(30) - timedelta(microseconds=1), None, None, id="its last moment"),
        pytest.param(NOON, day(30), "too late", None, id="the window has closed"),
        pytest.param(
            NOON + timedelta(minutes=10),
            NOON,
            "too early",
            day(3) + timedelta(minutes=10),
            id="a clock ten minutes ahead",
        ),
        pytest.param(
            NOON - timedelta(minutes=10), day(3), None, None, id="a clock ten minutes behind"
        ),
        pytest.param(
            SPRING,
            datetime(2026, 3, 31, 12, 59, tzinfo=PARIS),
            "too early",
            datetime(2026, 3, 31, 13, tzinfo=PARIS),
            id="an hour lost in spring is no hour of hers: 72 hours are 72 hours",
        ),
        pytest.param(
            AUTUMN,
            datetime(2026, 10, 27, 11, tzinfo=PARIS),
            None,
            None,
            id="an hour won in autumn is none to wait for",
        ),
        pytest.param(
            datetime(2028, 2, 28, 12, tzinfo=UTC),
            datetime(2028, 3, 2, 11, 59, tzinfo=UTC),
            "too early",
            datetime(2028, 3, 2, 12, tzinfo=UTC),
            id="a leap day is a day",
        ),
        pytest.param(
            datetime(2028, 2, 29, 12, tzinfo=UTC),
            datetime(2028, 3, 30, 12, tzinfo=UTC),
            "too late",
            None,
            id="an experience on a leap day",
        ),
    ],
)
def test_an_experience_is_asked_about_not_too_early_and_not_too_late(
    at: datetime, now: datetime, reason: str | None, opens: datetime | None
) -> None:
    """Days are 24 hours from the experience's own moment; the end of the window is outside."""
    verdict = judge(Profile(), asked(AFTER, Experience("order", at)), POLICY, now)
    if reason is None:
        assert verdict.refusals == ()
        return
    (refusal,) = verdict.refusals
    assert (refusal.rule, refusal.until, verdict.next_at) == ("ask_window", opens, opens)
    assert refusal.reason.startswith(reason)


def test_without_an_experience_or_a_window_there_is_nothing_to_be_late_for() -> None:
    """The quarterly may name one; a transactional survey need not."""
    long_ago = Experience("order", day(-400))
    assert judge(Profile(), asked("nps", long_ago), POLICY, NOON).refusals == ()
    assert judge(Profile(), asked(AFTER), POLICY, NOON).refusals == ()


def test_who_has_to_wait_until_the_window_closes_is_told_too_late() -> None:
    """A date on which the answer would be no is no next date."""
    verdict = judge(told(invited()), asked(AFTER, ORDER), POLICY, day(1))
    assert verdict.next_at is None
    assert verdict.refusals[-1].rule == "ask_window"
    assert verdict.refusals[-1].reason.startswith("too late by then")


@pytest.mark.parametrize(
    ("experience", "reason"),
    [
        pytest.param(ORDER, None, id="worth enough"),
        pytest.param(Experience("order", NOON, 20), None, id="worth just enough"),
        pytest.param(Experience("order", NOON, 19.99), "its value is less than 20", id="too small"),
        pytest.param(Experience("order", NOON), "no value is told", id="nobody says what it is"),
        pytest.param(Experience("claim", NOON), None, id="a kind without a rule deserves it"),
        pytest.param(None, None, id="no experience at all"),
    ],
)
def test_not_everything_deserves_a_survey(
    experience: Experience | None, reason: str | None
) -> None:
    """By kind and value; the reason says what was missing, and no time changes it."""
    policy = changed(worth_asking=(Worth(kind="order", minimum_value=20),))
    verdict = judge(Profile(), asked(experience=experience), policy, day(5))
    assert verdict.next_at is None
    if reason is None:
        assert verdict.refusals == ()
    else:
        (refusal,) = verdict.refusals
        assert (refusal.rule, refusal.until) == ("worth_asking", None)
        assert refusal.reason.startswith(reason)


def drawn(share: float, number: int, survey: str = "nps", who: str = "somebody") -> bool:
    policy = changed(worth_asking=(Worth(kind="visit", share=share),))
    visit = Experience("visit", NOON, experience_id=f"visit-{number}")
    return not judge(Profile(), asked(survey, visit, who=who), policy, day(1)).refusals


def test_of_a_share_as_many_are_asked_as_it_says() -> None:
    """Among two thousand visits, within four standard deviations of the share."""
    assert 430 < sum(drawn(0.25, number) for number in range(2000)) < 578
    assert all(drawn(1.0, number) for number in range(200))


def test_a_lot_is_drawn_once_for_customer_survey_and_experience() -> None:
    """The same question has the same answer; who is drawn once is not always drawn."""
    once = [drawn(0.5, number) for number in range(200)]
    assert once == [drawn(0.5, number) for number in range(200)]
    assert once != [drawn(0.5, number, survey="other") for number in range(200)]
    assert once != [drawn(0.5, number, who="somebody else") for number in range(200)]


def test_who_is_asked_with_a_small_share_is_asked_with_a_larger_one() -> None:
    """Raising a share adds people and takes none away."""
    few = {number for number in range(500) if drawn(0.2, number)}
    assert few < {number for number in range(500) if drawn(0.4, number)}


def test_without_an_id_an_experience_is_its_kind_and_moment() -> None:
    """In whichever zone the moment is written."""
    policy = changed(worth_asking=(Worth(kind="visit", share=0.5),))

    def lot(at: datetime) -> tuple[Refusal, ...]:
        return judge(Profile(), asked(experience=Experience("visit", at)), policy, day(9)).refusals

    moments = [NOON + timedelta(minutes=number) for number in range(50)]
    lots = [lot(at) for at in moments]
    assert lots == [lot(at.astimezone(PARIS)) for at in moments]
    assert len(set(lots)) == 2


def test_staff_and_test_respondents_are_left_out() -> None:
    """Their answers are nobody's opinion."""
    policy = changed(test_respondents=Respondents(domains=("example.com",)))
    found = judge(told(updated()), asked(), policy, NOON)
    assert [(refusal.rule, refusal.until) for refusal in found.refusals] == [
        ("test_respondent", None)
    ]


def test_of_several_people_the_strictest_counts() -> None:
    """An end that never comes is later than any."""
    asked_late, never, free = told(invited(at=day(2))), told(opted_out(at=day(-99))), Profile()
    early = told(invited())
    found = judge(early, asked(), POLICY, day(10), [asked_late, free])
    assert {refusal.until for refusal in found.refusals} == {day(32), day(92)}
    assert found.next_at == day(92)
    assert judge(free, asked(), POLICY, day(10), [early, never]).next_at is None
    assert judge(free, asked(), POLICY, day(10), [free]).refusals == ()


def test_each_survey_has_the_clock_that_fits_it_first() -> None:
    """By its name; a pattern does not make its surveys one."""
    clock = Clocks(
        this_survey=(
            SurveyClock(surveys=("pulse-*",), days=10),
            SurveyClock(surveys=("*",), days=300),
        ),
        families=(),
        general=None,
        any_survey=POLICY.clocks.any_survey.model_copy(update={"days": 0}),
    )
    policy = changed(clocks=clock)
    profile = told(invited(survey="pulse-fr"), invited(survey="nps"))

    def at(survey: str, number: float) -> list[str]:
        return rules(profile, asked(survey, policy=policy), day(number), policy)[0]

    assert (at("pulse-fr", 9), at("pulse-fr", 10)) == (["this_survey"], [])
    assert (at("nps", 299), at("nps", 300)) == (["this_survey"], [])
    assert at("pulse-be", 1) == []


def test_a_window_is_the_familys_own() -> None:
    """Each family says how long after an experience it asks."""
    hotel = Family(
        name="hotel",
        surveys=("stay-*",),
        days=0,
        after_experience=AfterExperience(from_days=0, to_days=2),
    )
    policy = changed(clocks=Clocks(families=(hotel,), general=None))
    stay = Experience("stay", NOON)
    assert rules(Profile(), asked("stay-1", stay, policy=policy), day(0), policy)[0] == []
    assert rules(Profile(), asked("stay-1", stay, policy=policy), day(2), policy)[0] == [
        "ask_window"
    ]


def test_every_rule_that_holds_for_all_surveys_is_asked_too() -> None:
    """A rule added to the clocks is one of eligibility without a second line."""
    assert len(RULES) == len(clocks.RULES) - 1 + 6


@given(now=st.floats(0, 400), moved=st.floats(0, 400))
def test_the_next_date_keeps_its_promise(now: float, moved: float) -> None:
    """Until then the answer stays no; at it, if nothing else happened, it is yes."""
    profile = told(invited(at=day(5)), settled(UUID(int=1), at=day(80)), case("opened", at=day(9)))
    verdict = judge(profile, asked(), POLICY, day(now))
    if verdict.next_at is None:
        assert verdict.refusals == ()
        return
    assert judge(profile, asked(), POLICY, verdict.next_at).refusals == ()
    between = day(now) + (verdict.next_at - day(now)) * (moved / 401)
    assert judge(profile, asked(), POLICY, between).refusals


def test_known_answers_are_the_newest_of_the_family() -> None:
    """Whichever survey of it that was; a survey without a family knows its own only."""
    profile = told(
        answered("r1", 9),
        answered("r2", 8, survey="quarterly", at=day(1)),
        answered("r3", 2, survey=AFTER, at=day(2)),
    )
    found = newest_response(profile, asked(), POLICY)
    assert found is not None
    assert found.response_id == "r2"
    alone = changed(clocks=Clocks(families=(), general=None))
    found = newest_response(profile, asked(policy=alone), alone)
    assert found is not None
    assert found.response_id == "r1"
    assert newest_response(profile, asked("new", policy=alone), alone) is None


def test_known_attributes_are_those_wanted_and_what_every_survey_asks() -> None:
    """What was cleared is not known."""
    profile = told(
        updated(attributes={"language": "fr", "store": "Lille", "orders": 3, "size": "M"}),
        updated(at=day(1), attributes={"size": None}),
    )
    assert known_attributes(profile, POLICY, ("store", "size", "colour")) == {
        "language": "fr",
        "store": "Lille",
    }
