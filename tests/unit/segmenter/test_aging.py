"""What time alone changes: told at the moment at which it does, once, and of nobody else."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.segmenter.decide import moments
from services.segmenter.decide.aging import lifecycle_changes_at, maturity_changes_at
from services.segmenter.decide.decide import Due, decide
from services.segmenter.decide.lifecycle import lifecycle
from services.segmenter.decide.maturity import maturity
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events import ids
from shared.events.envelope import Event
from shared.events.feedback import ResponseLink, TimerDue
from shared.times import iso
from tests.builders.facts import (
    NOON,
    answered,
    case,
    completed,
    day,
    fact,
    rulebook,
    settled,
    shipped_policy,
    updated,
)

SHE = ids.name_id("she")
POLICY = shipped_policy().value
JUST_AFTER = timedelta(microseconds=1)


def profile(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


def ordered(at: float) -> Event:
    return updated(at=day(at), attributes={"last_order_at": iso(day(at))})


@pytest.mark.parametrize(
    ("told", "now", "turns"),
    [
        pytest.param([ordered(0)], 1, day(365) + JUST_AFTER, id="active until a year after"),
        pytest.param([ordered(0)], 366, day(730) + JUST_AFTER, id="sleeping for another"),
        pytest.param([ordered(0)], 731, None, id="churned for good"),
        pytest.param([completed("purchase")], 1, day(365) + JUST_AFTER, id="an order completed"),
        pytest.param(
            [ordered(0), updated(attributes={"lifecycle": "partner"})], 1, None, id="declared"
        ),
        pytest.param([answered("r1", 9)], 1, None, id="nothing known of orders"),
        pytest.param(
            [updated(attributes={"customer_since": "2026-03-10"})],
            1,
            day(364.5) + JUST_AFTER,
            id="a customer of whom no order is known",
        ),
        pytest.param(
            [answered("r1", 9), settled(SHE, at=day(2)), updated(attributes={"orders_count": 0})],
            3,
            day(32) + JUST_AFTER,
            id="a prospect who cools down",
        ),
        pytest.param([updated(attributes={"orders_count": 0})], 3, None, id="a cold prospect"),
    ],
)
def test_when_she_is_another_thing_to_the_house(
    told: list[Event], now: float, turns: object
) -> None:
    """By the ages that the policy names, from the moment that counts now."""
    assert lifecycle_changes_at(profile(*told), POLICY, day(now)) == turns


@pytest.mark.parametrize(
    ("told", "now", "turns"),
    [
        pytest.param([answered("r1", 9)], 1, None, id="nothing is counted by its age"),
        pytest.param(
            [answered("r1", 9), updated(attributes={"customer_since": "2026-03-10"})],
            1,
            day(179.5),
            id="a tenure",
        ),
        pytest.param(
            [answered("r1", 3), updated(attributes={"customer_since": "2026-03-10"})],
            1,
            None,
            id="no promoter",
        ),
        pytest.param(
            [answered(f"r{n}", 9, at=day(n)) for n in range(4)], 5, day(731), id="many answers"
        ),
        pytest.param(
            [answered("r1", 3), answered("r2", 9, at=day(40))], 41, day(365), id="was a detractor"
        ),
        pytest.param(
            [answered("r1", 3), answered("r2", 6, at=day(30)), answered("r3", 9, at=day(40))],
            41,
            day(395),
            id="was one twice: the last time counts",
        ),
        pytest.param(
            [
                answered("r1", 9),
                case(
                    "opened", response=ResponseLink(source="demo", survey="nps", response_id="r1")
                ),
                case("resolved", at=day(2)),
            ],
            3,
            day(32),
            id="a case just closed",
        ),
        pytest.param(
            [
                answered("r1", 9),
                case("resolved", "helpdesk/1", at=day(2)),
                case("resolved", "helpdesk/2", at=day(9)),
            ],
            10,
            day(39),
            id="two of them: the last one closed counts",
        ),
    ],
)
def test_when_a_promoter_grows_ripe(told: list[Event], now: float, turns: object) -> None:
    """By each factor and gate that looks at an age."""
    assert maturity_changes_at(profile(*told), POLICY, day(now)) == turns


_AGES = st.floats(-800, 0)


@given(
    orders=st.lists(_AGES, max_size=2),
    scores=st.lists(st.tuples(st.integers(0, 10), _AGES), max_size=6),
    since=st.none() | st.integers(-800, 0),
    resolved=st.none() | _AGES,
    number=st.none() | st.integers(0, 4),
    share=st.floats(0, 1, exclude_max=True),
)
def test_until_then_nothing_changes(
    orders: list[float],
    scores: list[tuple[int, float]],
    since: int | None,
    resolved: float | None,
    number: int | None,
    share: float,
) -> None:
    """At whichever moment before the next one she is looked at, she is what she is now."""
    facts = [ordered(at) for at in orders]
    facts += [answered(f"r{n}", score, at=day(at)) for n, (score, at) in enumerate(scores)]
    known: dict[str, object] = {} if number is None else {"orders_count": number}
    if since is not None:
        known["customer_since"] = day(since).date().isoformat()
    facts.append(updated(attributes=known))  # type: ignore[arg-type]
    if resolved is not None:
        facts.append(case("resolved", at=day(resolved)))
    found = profile(*facts)
    far = day(2000)
    turns = lifecycle_changes_at(found, POLICY, NOON)
    between = _between(turns or far, share)
    assert lifecycle(found, POLICY, between) == lifecycle(found, POLICY, NOON)
    assert turns is None or lifecycle(found, POLICY, turns) != lifecycle(found, POLICY, NOON)
    ripens = maturity_changes_at(found, POLICY, NOON)
    one, other = (
        maturity(found, POLICY, at, pains=(), escalations=())
        for at in (NOON, _between(ripens or far, share))
    )
    assert (one is None) is (other is None)
    if one is not None and other is not None:
        assert (one.points, one.ready) == (other.points, other.ready)


def _between(end: datetime, share: float) -> datetime:
    """A moment from `NOON` on, before `end` however the share is rounded."""
    return max(NOON, min(NOON + (end - NOON) * share, end - JUST_AFTER))


def test_the_decision_it_brings_tells_who_she_is_by_then_and_lets_nobody_act() -> None:
    """It reaches her profile on the platforms, and no play; its timer needs no other proof."""
    found = profile(ordered(0), answered("r1", 9))
    turns = lifecycle_changes_at(found, POLICY, NOON)
    assert turns is not None
    data = TimerDue(kind="lifecycle", customer_id=SHE, arm=1, due_at=turns)
    due = Due(ids.timer_event("lifecycle", SHE, "", 1), data)
    assert moments.stands(found, POLICY, data)
    told = decide(found, found, due, rulebook(), NOON, customer_id=SHE, version=2)
    assert (told.snapshot.lifecycle, told.cause.triggers) == ("sleeping", ())
    assert ("time", "lifecycle") in {(line.rule, line.outcome) for line in told.trace}


def test_she_has_one_timer_of_each_kind_for_the_next_change() -> None:
    """However many ages are counted; nobody who is not known has any."""
    facts = [answered(f"r{n}", 9, at=day(n)) for n in range(5)]
    told = [*facts, ordered(0), updated(attributes={"customer_since": "2026-03-10"})]
    ahead = moments.ahead(profile(*told), POLICY, day(5))
    assert ahead["lifecycle", ""] == day(365) + JUST_AFTER
    assert ahead["maturity", ""] == day(179.5)
    assert moments.ahead(profile(answered("r1", 9, email=None)), POLICY, day(5)) == {}
