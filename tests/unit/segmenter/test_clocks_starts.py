"""What starts a survey clock: sent, shown, declined and answered are told apart, in any order."""

import json
from collections.abc import Callable
from datetime import datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.segmenter.decide.clocks import (
    any_survey,
    family_of,
    of_family,
    of_survey,
    survey_family,
)
from services.segmenter.policy.asking import AfterExperience, Worth
from services.segmenter.policy.clocks import Clock, Clocks, Family, Start, SurveyClock
from services.segmenter.policy.whole import Policy
from services.segmenter.profile import profile as folding
from services.segmenter.profile.profile import rebuild, step, trim
from services.segmenter.profile.state import Profile, dump, load
from shared.events import feedback, outcomes
from shared.events.envelope import Event
from tests.builders.facts import (
    ANNA,
    answered,
    day,
    event,
    fact,
    ids_of,
    opted_out,
    reported,
    shipped_policy,
)

POLICY = shipped_policy().value


def asked(
    model: type[feedback.InvitationSent | feedback.SurveyShown | feedback.SurveyDeclined],
    number: float,
    survey: str = "nps",
) -> Event:
    return event(model(survey=survey, identifiers=ids_of(ANNA), occurred_at=day(number)))


SENT = asked(feedback.InvitationSent, 1)
SHOWN = asked(feedback.SurveyShown, 2)
DECLINED = asked(feedback.SurveyDeclined, 3)
ANSWERED = answered("r1", 9, at=day(4))
ALL = (SENT, SHOWN, DECLINED, ANSWERED)
WAYS: tuple[Start, ...] = ("sent", "shown", "declined", "answered")


def told(*events: Event) -> Profile:
    return rebuild(map(fact, events))


def counting(*counts: Start) -> Policy:
    clock = Clock(days=10, counts=counts)
    return POLICY.model_copy(update={"clocks": Clocks(any_survey=clock)})


def end(profile: Profile, policy: Policy) -> datetime | None:
    hold = any_survey(profile, policy)
    return None if hold is None else hold.until


@pytest.mark.parametrize(
    ("counts", "until"),
    [
        pytest.param(("sent",), 11, id="sent"),
        pytest.param(("shown",), 12, id="shown"),
        pytest.param(("declined",), 13, id="declined"),
        pytest.param(("answered",), 14, id="answered"),
        pytest.param(("sent", "declined"), 13, id="the newest of several"),
    ],
)
def test_a_clock_is_started_by_what_it_counts(counts: tuple[Start, ...], until: float) -> None:
    """And by nothing else; the order in which it was told does not matter."""
    for events in permutations(ALL):
        assert end(told(*events), counting(*counts)) == day(until)
    others = [one for one, way in zip(ALL, WAYS, strict=True) if way not in counts]
    assert end(told(*others), counting(*counts)) is None


def test_who_opted_out_has_closed_a_survey() -> None:
    """An opt-out counts like a survey declined."""
    assert end(told(opted_out()), counting("declined")) == day(10)
    assert end(told(opted_out()), counting("sent", "shown")) is None


def test_a_message_that_carried_a_survey_was_sent() -> None:
    """For the clock of any survey: which one it carried is not told."""
    message = reported(outcomes.MessageSent, contact_class="survey")
    assert end(told(message), counting("sent")) == day(10)
    assert end(told(message), counting("answered")) is None
    assert survey_family(told(message), POLICY) is None


def test_what_an_older_version_stored_starts_every_clock() -> None:
    """It kept no ways apart: contacts may be fewer, never more."""
    older = json.dumps({"asked": {"nps": day(1).isoformat()}})
    for way in WAYS[:3]:
        assert end(load(older), counting(way)) == day(11)
    joined = step(load(older), fact(SHOWN))
    assert joined is not None
    assert end(joined, counting("sent")) == day(11)
    assert end(joined, counting("shown")) == day(12)


@given(events=st.lists(st.sampled_from(ALL), min_size=1), split=st.integers(0, 20))
def test_the_fold_is_a_join(events: list[Event], split: int) -> None:
    """Stored and loaded in between, told twice or in another order: the same profile."""
    known = load(dump(told(*events[:split])))
    for one in events[split:]:
        after = step(known, fact(one))
        assert after is not None
        known = after
    assert known == told(*events)
    assert known == told(*reversed(events))


def test_an_answer_that_was_trimmed_still_starts_its_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is kept as the last time that survey was answered."""
    monkeypatch.setattr(folding, "KEPT_RESPONSES", 1)
    newer = answered("r2", 8, survey="after-delivery", at=day(5))
    profile = load(dump(trim(told(ANSWERED, newer))))
    assert len(profile.responses) == 1
    assert end(profile, counting("answered")) == day(15)
    hold = survey_family(profile, POLICY)
    assert hold is not None
    assert hold.until == day(94)


@pytest.mark.parametrize(
    ("survey", "family"),
    [
        pytest.param("nps", "relational", id="the quarterly"),
        pytest.param("transactional", "transactional", id="by its very name"),
        pytest.param("after-delivery", "transactional", id="by a pattern"),
        pytest.param("After-delivery", "relational", id="a capital is another letter"),
        pytest.param("[brackets", "relational", id="a name is no pattern"),
        pytest.param("", "relational", id="a survey without a name"),
    ],
)
def test_a_survey_belongs_to_the_first_family_that_fits(survey: str, family: str) -> None:
    """Names are the sources'."""
    found = family_of(survey, POLICY)
    assert found is not None
    assert found.name == family


def test_each_clock_runs_by_itself() -> None:
    """One survey, its family, any survey: each counts its own."""
    profile = told(asked(feedback.InvitationSent, 0, "nps"), asked(feedback.SurveyShown, 7, "csat"))
    family = family_of("nps", POLICY)
    assert family is not None
    own, together = of_survey(profile, POLICY, "nps"), of_family(profile, POLICY, family)
    assert own is not None
    assert together is not None
    assert (own.rule, own.until) == ("this_survey", day(30))
    assert (together.rule, together.until) == ("survey_family", day(97))
    assert end(profile, POLICY) == day(37)
    assert of_survey(profile, POLICY, "other") is None


def test_without_a_general_family_no_family_moves_the_date() -> None:
    """Only what holds for every survey does."""
    policy = POLICY.model_copy(update={"clocks": Clocks(general=None)})
    assert survey_family(told(SENT), policy) is None
    alone = POLICY.model_copy(update={"clocks": Clocks(families=(), general=None, this_survey=())})
    assert family_of("nps", alone) is None
    assert of_survey(told(SENT), alone, "nps") is None


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        pytest.param(lambda: Clocks(general="vip"), "one of the families", id="no such family"),
        pytest.param(
            lambda: Clocks(families=(Family(name="a", days=1), Family(name="a", days=2))),
            "a is given twice",
            id="a family twice",
        ),
        pytest.param(lambda: Clock(days=1, counts=()), "at least 1 item", id="counts nothing"),
        pytest.param(lambda: SurveyClock(days=1, surveys=()), "at least 1 item", id="no survey"),
        pytest.param(
            lambda: AfterExperience(from_days=30, to_days=30), "never opens", id="no window"
        ),
        pytest.param(lambda: Worth(kind="order", share=0), "at most 1", id="a share of nothing"),
        pytest.param(lambda: Worth(kind="order", share=25), "0.25 asks", id="a share in percent"),
    ],
)
def test_a_policy_that_cannot_be_meant_names_the_fix(make: Callable[[], object], fix: str) -> None:
    """At start, and not when somebody asks."""
    with pytest.raises(ValidationError, match=fix):
        make()
