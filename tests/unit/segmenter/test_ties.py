"""Things said at one moment, or a clock's skew apart: tables of what each order must end in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from services.segmenter.profile.consents import deciding
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile, dump, load
from shared.events import feedback, outcomes
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from tests.builders.facts import (
    ANNA,
    NOON,
    answered,
    case,
    day,
    fact,
    ids_of,
    invited,
    opted_out,
    reported,
    rulebook,
    says,
    settled,
    updated,
)
from tests.builders.segmenter_checks import order_is_nothing, state_at

RULES = rulebook()
SKEW = timedelta(minutes=10)
INSTANT = timedelta(microseconds=1)
HER = UUID(int=1)
#: At three in the morning of that day the clocks of Paris go back to two.
EARLIER, LATER = (datetime.fromisoformat(f"2026-10-25T02:30{zone}") for zone in ("+02", "+01"))

Told = Sequence[Event]


def link(response_id: str) -> feedback.ResponseLink:
    return feedback.ResponseLink(source="demo", survey="nps", response_id=response_id)


def about(step: Any, case_id: str, response_id: str, at: datetime = NOON) -> Event:
    return case(step, case_id, at=at, response=link(response_id))


def in_each_order(told: Told, now: datetime) -> CustomerDecided:
    """Fold the facts in every order, and read what was stored of it: all decide the same."""
    facts = [fact(one) for one in told]
    whole = rebuild(facts)
    decided = state_at(whole, now, RULES)
    for order in permutations(facts):
        profile = rebuild([*order, order[0]])
        assert profile == whole
        assert state_at(profile, now, RULES) == decided
        assert state_at(load(dump(profile)), now, RULES) == decided
        order_is_nothing(profile, now, RULES)
    return decided


def holds(decided: CustomerDecided) -> dict[str, datetime]:
    return {hold.rule: hold.until for hold in decided.holds}


@pytest.mark.parametrize(
    ("told", "seen", "expected"),
    [
        pytest.param(
            (answered("r1", 9), answered("r2", 3)),
            lambda d: (d.snapshot.score, d.snapshot.previous_segment),
            (3, "promoter"),
            id="two answers: by their names",
        ),
        pytest.param(
            (answered("r1", 9, revision=2), answered("r1", 3, revision=1)),
            lambda d: (d.snapshot.score, d.snapshot.response_count),
            (9, 1),
            id="two revisions: the higher",
        ),
        pytest.param(
            (answered("r1", 9, received=NOON + INSTANT), answered("r1", 3), answered("r1", 5)),
            lambda d: d.snapshot.score,
            9,
            id="messages without a revision: the last one received",
        ),
        pytest.param(
            (answered("r1", 9, origin="receipt"), answered("r1", complete=False, comment="Bien")),
            lambda d: (d.snapshot.score, d.snapshot.comment, d.snapshot.last_answered_at),
            (9, "Bien", NOON),
            id="a part with a date of its own and one without",
        ),
        pytest.param(
            (case("opened"), case("resolved"), case("reopened")),
            lambda d: "open_case" in holds(d),
            True,
            id="the steps of a case: it is open",
        ),
        pytest.param(
            (answered("r1", 2, at=day(-1)), about("opened", "h/1", "r1"), case("resolved", "h/1")),
            lambda d: "open_case" in holds(d),
            False,
            id="opened and resolved: it is over",
        ),
        pytest.param(
            (
                updated(consents=(says(granted=True),)),
                updated(attributes={"city": "Lyon"}, consents=(says(granted=False),)),
            ),
            lambda d: next(p.allowed for p in d.permits if p.contact_class == "marketing"),
            False,
            id="yes and no: the stricter",
        ),
        pytest.param(
            (updated(consents=(says(granted=True), says(granted=False, channel="all"))),),
            lambda d: any(p.allowed for p in d.permits if p.contact_class == "marketing"),
            False,
            id="yes to a channel and no to all: the stricter",
        ),
        pytest.param(
            (opted_out(), updated(consents=(says(granted=True, purpose="survey"),))),
            lambda d: any(p.allowed for p in d.permits if p.contact_class == "survey"),
            False,
            id="an opt-out and a yes: the stricter",
        ),
        pytest.param(
            (
                updated(attributes={"contact_hold_until": "2026-03-12"}),
                updated(attributes={"contact_hold_until": "2026-03-11T00:00:00+00:00"}),
            ),
            lambda d: len(holds(d)),
            1,
            id="two holds: one of them",
        ),
        pytest.param(
            (updated(attributes={"country_code": "BE", "country": "FR"}),),
            lambda d: (d.snapshot.attributes["country"], d.zone),
            ("FR", "Europe/Paris"),
            id="one event by both names of an attribute: by the first",
        ),
        pytest.param(
            (updated(attributes={f"a{number:03}": number for number in range(250)}),),
            lambda d: (len(d.snapshot.attributes), min(d.snapshot.attributes)),
            (200, "a050"),
            id="one event of more attributes than are told",
        ),
        pytest.param(
            (
                reported(outcomes.MessageSent, channel="sms"),
                reported(outcomes.MessageSent, target="sandbox"),
                settled(HER, at=NOON + timedelta(minutes=15)),
                updated(),
            ),
            lambda d: max(len(budget.foreign) for budget in d.budgets),
            1,
            id="two messages reported, and an own one at the edge of an echo",
        ),
        pytest.param(
            (
                reported(outcomes.MessageBounced, email=None, delivery="d1"),
                invited(),
            ),
            lambda d: any(p.allowed for p in d.permits if p.channel == "email"
                          and p.contact_class == "marketing"),
            False,
            id="a bounce without an address, and the address first named",
        ),
    ],
)  # fmt: skip
def test_of_one_moment_every_order_ends_in_one_decision(
    told: Told, seen: Callable[[CustomerDecided], object], expected: object
) -> None:
    """And so does what is read from the database, which has its own order of names."""
    assert seen(in_each_order(told, NOON + SKEW)) == expected


def test_of_two_cases_resolved_in_one_second_the_id_tells_which_was_asked_about() -> None:
    """Helpdesks close tickets in bulk; the answer afterwards is compared with one score."""
    told = (
        answered("r1", 2, at=day(-3)),
        answered("r2", 4, at=day(-2)),
        about("resolved", "h/1", "r1"),
        about("resolved", "h/2", "r2"),
        answered("r3", 9, at=day(16)),
    )
    assert in_each_order(told, day(16)).snapshot.recovered_from == 4


def test_a_case_of_ours_is_taken_over_only_by_one_about_the_same_answer() -> None:
    """A person resolved ours, and who told of it came first; a helpdesk's own says no answer."""
    told = (case("reopened", "nps/1"), case("resolved", "h/1"))
    assert "open_case" in holds(in_each_order(told, day(1)))


def test_what_one_event_says_of_a_channel_and_of_all_is_told_of_the_channel() -> None:
    """Its own text, not the one about all channels."""
    whole = says(granted=True, channel="all").model_copy(update={"text_version": "all"})
    email = says(granted=True).model_copy(update={"text_version": "email"})
    for consents in permutations((whole, email)):
        profile = rebuild([fact(updated(consents=tuple(consents)))])
        for one in (profile, _backwards(profile)):
            found = deciding(one, "email", "marketing")
            assert found is not None
            assert found.text_version == "email"


def _backwards(profile: Profile) -> Profile:
    return replace(profile, consents=dict(reversed(profile.consents.items())))


@pytest.mark.parametrize("skew", [-SKEW, -INSTANT, timedelta(), INSTANT, SKEW])
@pytest.mark.parametrize(
    "told",
    [
        pytest.param(
            lambda at: (answered("r1", 9), answered("r2", 3, at=at), invited(at=at)),
            id="answers and an invitation",
        ),
        pytest.param(
            lambda at: (
                answered("r1", 3, at=day(-1)),
                about("opened", "h/1", "r1"),
                about("resolved", "h/1", "r1", at),
                answered("r2", 9, at=at),
            ),
            id="a case resolved and an answer",
        ),
        pytest.param(
            lambda at: (
                updated(consents=(says(granted=True),)),
                updated(*ids_of(ANNA, "C-1"), at=at, consents=(says(granted=False, at=at),)),
            ),
            id="a yes and a no",
        ),
        pytest.param(
            lambda at: (
                settled(HER, contact_class="marketing", at=at),
                reported(outcomes.MessageSent, target="sandbox"),
                updated(at=at, attributes={"last_order_at": at.isoformat(), "city": "Lyon"}),
                updated(attributes={"customer_since": NOON.isoformat(), "city": "Nice"}),
            ),
            id="contacts and an order",
        ),
    ],
)
def test_a_clock_ten_minutes_off_orders_nothing_by_when_it_was_handled(
    told: Callable[[datetime], Told], skew: timedelta
) -> None:
    """Asked before, at and after each of the moments: one decision for every order."""
    for now in (NOON - SKEW, NOON, NOON + skew, NOON + SKEW):
        decided = in_each_order(told(NOON + skew), now)
        assert all(hold.reason and hold.until > now for hold in decided.holds)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(EARLIER, LATER, id="the hour that comes twice"),
        pytest.param(LATER, LATER.astimezone(UTC), id="one moment in two zones"),
        pytest.param(
            datetime.fromisoformat("2026-03-29T01:59:59+01"),
            datetime.fromisoformat("2026-03-29T03:00+02"),
            id="over the hour that is left out",
        ),
    ],
)
def test_moments_compare_as_moments_where_the_clocks_change(one: datetime, other: datetime) -> None:
    """Half past two of an October night is two moments; the later one is newer."""
    told = (answered("r1", 9, at=one), answered("r2", 3, at=other), invited(at=one))
    decided = in_each_order(told, other + timedelta(hours=1))
    assert decided.snapshot.score == 3
    assert decided.snapshot.last_answered_at == other
    assert holds(decided)["survey_family"] == other + timedelta(days=90)
