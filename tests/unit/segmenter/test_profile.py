"""The profile is a function of the set of facts."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segmenter.profile import profile as fold
from services.segmenter.profile.facts import Fact
from services.segmenter.profile.profile import rebuild, step, trim
from services.segmenter.profile.state import Profile, dump, load
from shared.events import feedback, outcomes
from shared.events.envelope import Event
from tests.builders.facts import (
    NOON,
    answered,
    case,
    completed,
    day,
    fact,
    reported,
    settled,
    updated,
)
from tests.builders.histories import histories

SOMEBODY = UUID(int=1)


def facts_of(events: Sequence[Event]) -> list[Fact]:
    """The set of facts that events tell: of copies the earliest."""
    known: dict[UUID, Fact] = {}
    for one in map(fact, events):
        known[one.event_id] = min(one, known.get(one.event_id, one), key=lambda f: f.order)
    return list(known.values())


def stepped(facts: Sequence[Fact]) -> Profile:
    """Fold one by one, as they come, storing and reading the profile in between."""
    profile, seen = Profile(), []
    for one in facts:
        seen.append(one)
        after = step(load(dump(trim(profile))), one)
        profile = rebuild(seen) if after is None else after
    return trim(profile)


@settings(max_examples=120, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_of_steps_agrees_with_the_rebuild(events: list[Event], random: Random) -> None:
    """Steps in any order, with the profile stored in between, end where the rebuild ends."""
    facts = facts_of(events)
    shuffled = list(facts)
    random.shuffle(shuffled)
    assert stepped(shuffled) == trim(rebuild(facts)) == stepped(facts)


@settings(max_examples=60, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_order_does_not_matter_where_profiles_are_trimmed(
    events: list[Event], random: Random
) -> None:
    """The same holds for customers with more answers and contacts than a profile keeps."""
    facts = facts_of(events)
    shuffled = list(facts)
    random.shuffle(shuffled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "KEPT_RESPONSES", 1)
        patch.setattr(fold, "KEPT_CONTACTS", 1)
        patch.setattr(fold, "KEPT_CASES", 1)
        assert stepped(shuffled) == trim(rebuild(facts)) == stepped(facts)


def test_messages_of_one_response_merge_field_by_field() -> None:
    """The higher revision wins per field; what it does not say stays; null clears."""
    first = answered("r1", 3, comment="Slow", why="the courier", revision=1)
    second = answered("r1", comment=None, revision=2, complete=False)
    older = answered("r1", 9, comment="Fine", revision=0)
    (response,) = rebuild(map(fact, (second, first, older))).responses.values()
    assert response.score == 3
    assert response.said("comment") is None
    assert response.said("why") == "the courier"
    assert response.complete


@pytest.mark.parametrize(
    ("value", "score"),
    [
        pytest.param(0, 0, id="0 is a score"),
        pytest.param(10.0, 10, id="a whole number written as a float"),
        pytest.param(11, None, id="above the scale"),
        pytest.param(7.5, None, id="between two scores"),
        pytest.param(float("inf"), None, id="infinity"),
        pytest.param(True, None, id="a yes is no score"),
        pytest.param("9", None, id="a text is no score"),
        pytest.param(None, None, id="cleared"),
    ],
)
def test_a_score_is_a_whole_number_from_0_to_10(value: object, score: int | None) -> None:
    """Anything else is no score."""
    told = answered("r1", score=value)  # type: ignore[arg-type]
    assert next(iter(rebuild([fact(told)]).responses.values())).score == score


def test_an_attribute_is_taken_from_the_newest_fact() -> None:
    """Per attribute the newest fact wins, whichever came last; null clears."""
    told = [
        updated(at=day(2), attributes={"city": "Lyon"}),
        updated(at=day(1), attributes={"city": "Paris", "orders": 2}),
        updated(at=day(3), attributes={"orders": None}),
    ]
    profile = rebuild(map(fact, told))
    assert profile.attribute("city") == "Lyon"
    assert profile.attribute("orders") is None
    assert "orders" in profile.attributes


def test_a_delivery_told_twice_is_one_contact() -> None:
    """The first acceptance is the contact, and internal alerts are none."""
    told = [
        settled(SOMEBODY, "d1", at=day(1), change=2),
        settled(SOMEBODY, "d1", at=day(0), change=1),
        settled(SOMEBODY, "d2", state="suppressed"),
    ]
    assert [contact.at for contact in rebuild(map(fact, told)).own.values()] == [NOON]


def test_a_report_with_our_delivery_id_is_no_second_contact() -> None:
    """It tells of a contact that its delivery counts already."""
    profile = rebuild([fact(reported(outcomes.MessageSent, delivery="d1"))])
    assert profile.reported == {}


@pytest.mark.parametrize(
    ("told", "last", "open_"),
    [
        pytest.param([case("opened")], "opened", True, id="opened"),
        pytest.param([case("opened"), case("resolved", at=day(1))], "resolved", False, id="solved"),
        pytest.param(
            [case("resolved", at=day(1)), case("reopened", at=day(2)), case("opened")],
            "reopened",
            True,
            id="by their times, not by their coming",
        ),
        pytest.param(
            [case("reopened"), case("opened"), case("resolved")],
            "reopened",
            True,
            id="at one moment the one that keeps it open",
        ),
        pytest.param([case("resolved")], "resolved", False, id="its opening was never told"),
    ],
)
def test_a_case_is_as_its_last_step_left_it(told: list[Event], last: str, open_: bool) -> None:
    """In whatever order the helpdesk's messages come."""
    (found,) = rebuild(map(fact, told)).cases.values()
    assert (found.step, found.open) == (last, open_)


def test_a_stored_profile_keeps_the_newest_cases() -> None:
    """A hundred are kept; where one was left out only all facts know what a further step says."""
    told = [fact(case("opened", f"helpdesk/{n}", at=NOON + timedelta(hours=n))) for n in range(130)]
    kept = trim(rebuild(told))
    assert sorted(kept.cases) == sorted(f"helpdesk/{n}" for n in range(30, 130))
    late = fact(case("resolved", "helpdesk/3", at=NOON))
    assert step(kept, late) is None
    older = rebuild([*told, late])
    assert trim(older) == kept


@pytest.mark.parametrize("metric", ["csat", "ces", "stars"])
def test_another_metric_is_an_answer_without_a_score(metric: feedback.Metric) -> None:
    """Five stars are no five of ten; whoever says both metrics of one response means no NPS."""
    stars = answered("r1", 5, metric=metric)
    (response,) = rebuild([fact(stars)]).responses.values()
    assert (response.score, response.said("score"), response.metric) == (None, 5, metric)
    both = rebuild([fact(answered("r1", 9, revision=2)), fact(stars)])
    assert both.scored == ()


def stars(value: int, band: str | None, revision: int) -> Event:
    """So many stars of five, as a source with bands of its own tells them."""
    given = feedback.Given(value=value, least=1, most=5, band=band)
    return answered("r1", value, metric="stars", given=given, revision=revision)


@pytest.mark.parametrize(
    ("told", "band"),
    [
        pytest.param([stars(2, "detractor", 1)], "detractor", id="as the source says"),
        pytest.param([stars(2, "detractor", 1), stars(5, "promoter", 2)], "promoter", id="newest"),
        pytest.param([stars(2, "detractor", 1), stars(3, None, 2)], None, id="out of all bands"),
        pytest.param([stars(2, "very sad", 1)], None, id="a word of its own"),
        pytest.param([answered("r1", 5, metric="stars")], None, id="none said"),
    ],
)
def test_another_metric_stands_where_its_source_s_bands_say(
    told: list[Event], band: str | None
) -> None:
    """Whatever the order; it is among no answers, and makes no segment of NPS."""
    for order in (told, told[::-1]):
        profile = rebuild(map(fact, order))
        (response,) = profile.responses.values()
        assert (response.band, list(response.values)) == (band, ["score"])
        assert profile.scored == ()
        assert load(dump(profile)) == profile


def test_a_response_is_history_only_while_nothing_else_tells_of_it() -> None:
    """An imported answer that is then corrected live is live."""
    imported = fact(answered("r1", 3, revision=1, history=True))
    assert rebuild([imported]).responses["demo/nps/r1"].history
    live = fact(answered("r1", 4, revision=2))
    assert not rebuild([live, imported]).responses["demo/nps/r1"].history


def test_what_was_completed_is_kept_with_its_last_time() -> None:
    """A second review moves the first one's time."""
    told = [completed(at=day(2)), completed("referral"), completed(at=day(1))]
    assert rebuild(map(fact, told)).completed == {"review_left": day(2), "referral": NOON}


def test_a_stored_profile_stays_small_and_keeps_count() -> None:
    """A hundred answers are kept; the count and the first date cover all."""
    told = [fact(answered(f"r{n}", 5, at=NOON + timedelta(days=n))) for n in range(130)]
    kept = trim(rebuild(told))
    assert (len(kept.responses), kept.forgotten.scored) == (100, 30)
    assert kept.forgotten.first_answered_at == NOON
    assert step(kept, fact(answered("late", 5, at=day(-1)))) is None


@settings(max_examples=40, deadline=None)
@given(histories())
def test_a_stored_profile_tells_its_moments_in_utc_itself(events: list[Event]) -> None:
    """As the clock does: decisions compare them some hundred times."""
    profile = trim(rebuild(facts_of(events)))

    read = load(dump(profile))

    assert read == profile
    assert {at.tzinfo for at in _moments(read)} <= {UTC}


def _moments(value: object) -> Iterator[datetime]:
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, dict):
        yield from _moments(tuple(value.values()))
    elif isinstance(value, tuple):
        for one in value:
            yield from _moments(one)
    elif is_dataclass(value):
        yield from _moments(tuple(getattr(value, field.name) for field in fields(value)))
