"""Who becomes one, who is kept apart, and that undoing a merge gives back who was before."""

from collections.abc import Sequence
from datetime import timedelta
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segmenter.batch.deciding import decide_batch
from services.segmenter.identity import merges
from services.segmenter.identity.identity import Assignment
from services.segmenter.identity.merges import Apart, Command, Reason, Undoing
from services.segmenter.policy.merges import Merges
from services.segmenter.profile.consents import consent
from services.segmenter.profile.facts import Fact, Key
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Changes, Customer, Gathered
from shared.events import feedback, ids
from shared.events.envelope import Event
from shared.events.vocabulary import Channel, ConsentStatement, Purpose
from tests.builders.facts import (
    ANNA,
    BEN,
    NOON,
    answered,
    case,
    day,
    fact,
    ids_of,
    invited,
    opted_out,
    rulebook,
    says,
    updated,
)

A, B, C = (UUID(int=n) for n in (1, 2, 3))
RULES = rulebook()


def known(email: str, *consents: ConsentStatement) -> Profile:
    return rebuild([fact(updated(*ids_of(email), consents=consents))])


YES, NO, SILENT = known(ANNA, says(granted=True)), known(BEN, says(granted=False)), known(BEN)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(YES, NO, True, id="yes and no"),
        pytest.param(NO, YES, True, id="no and yes"),
        pytest.param(YES, SILENT, False, id="yes and not said"),
        pytest.param(NO, SILENT, False, id="no and not said"),
        pytest.param(YES, YES, False, id="the same"),
        pytest.param(
            YES, known(BEN, says(granted=False, channel="sms")), False, id="another channel"
        ),
        pytest.param(
            YES, known(BEN, says(granted=False, channel="all")), True, id="no to all channels"
        ),
        pytest.param(
            YES, known(BEN, says(granted=False, purpose="survey")), False, id="another purpose"
        ),
    ],
)
def test_consents_differ_where_one_refused_what_the_other_granted(
    one: Profile, other: Profile, expected: bool
) -> None:
    """Not said is no difference: it opens nothing and closes nothing."""
    assert merges.differ(one, other) is expected


@pytest.mark.parametrize(
    ("apart", "policy", "together", "left"),
    [
        pytest.param({}, "stricter", (A, B, C), {}, id="all become one"),
        pytest.param({(A, B): "person"}, "stricter", (A, C), {B: "person"}, id="apart from first"),
        pytest.param({(B, C): "person"}, "stricter", (A, B), {C: "person"}, id="apart from joined"),
        pytest.param({(A, B): "consent"}, "stricter", (A, B, C), {}, id="refused no longer"),
        pytest.param({}, "refuse", (A, C), {B: "consent"}, id="refused by policy"),
        pytest.param({(A, B): "person"}, "refuse", (A, C), {B: "person"}, id="said by a person"),
    ],
)
def test_each_joins_unless_she_is_apart_from_one_who_did(
    apart: dict[tuple[UUID, UUID], Reason],
    policy: str,
    together: tuple[UUID, ...],
    left: dict[UUID, Reason],
) -> None:
    """The first one's event it is, so she is always among them."""
    profiles = {A: YES, B: NO, C: SILENT}
    pairs: Apart = {frozenset(pair): reason for pair, reason in apart.items()}
    chosen = Merges.model_validate({"consent": policy})
    assert merges.joined((A, B, C), pairs, profiles, chosen) == (together, left)


def test_nobody_is_asked_about_an_anonymous_answer() -> None:
    """An answer that turns out to be hers joins her, whatever was said in it."""
    answer = rebuild([fact(answered("r1", 9, email=None, consents=(says(granted=False),)))])
    profiles = {A: YES, B: answer}
    assert merges.joined((A, B), {}, profiles, Merges(consent="refuse")) == ((A, B), {})


def test_who_was_apart_from_one_merged_away_is_apart_from_the_survivor() -> None:
    """A person's word outlasts what the policy said of another part."""
    pairs: Apart = {frozenset((A, C)): "person", frozenset((B, C)): "consent"}
    assert merges.renamed(pairs, A, B) == {frozenset((B, C)): "person"}
    assert merges.renamed({frozenset((A, B)): "consent"}, A, B) == {}


def test_a_merge_is_later_than_what_was_told_before_it() -> None:
    """Whatever the clock of this replica says."""
    assert merges.moment(NOON, None) == NOON
    assert merges.moment(NOON, day(-1)) == NOON
    assert merges.moment(NOON, day(1)) == day(1) + timedelta(microseconds=1)


def test_causes_are_named_once_however_often_told() -> None:
    """One per answer with its revisions, one per case with its steps; the newest last."""
    told = [
        fact(case("opened", at=day(1))),
        fact(case("resolved", at=day(2))),
        fact(answered("r1", 9, at=day(1), revision=1)),
        fact(answered("r1", 8, at=day(1), received=day(2), revision=2)),
        fact(invited(at=day(-1))),
    ]
    found = merges.causes(told)
    assert len(found) == 3
    assert found[-1] == ids.response_cause("demo", "nps", "r1")
    many = [fact(invited(at=day(n))) for n in range(1100)]
    assert len(merges.causes(many)) == 1000


#: What may be said of one of two people, or under an answer of hers alone.
_SAID = st.one_of(
    st.builds(
        lambda n, score, email, at, yes: answered(
            f"r{n}", score, email=email, at=day(at), consents=(says(granted=yes, at=day(at)),)
        ),
        st.integers(0, 3),
        st.integers(0, 10),
        st.sampled_from([ANNA, BEN]),
        st.integers(-9, 9),
        st.booleans(),
    ),
    st.builds(
        lambda email, at, n: updated(*ids_of(email), at=day(at), attributes={"orders": n}),
        st.sampled_from([ANNA, BEN]),
        st.integers(-9, 9),
        st.integers(0, 5),
    ),
    st.builds(
        lambda email, at: invited(email, at=day(at)),
        st.sampled_from([ANNA, BEN]),
        st.integers(-9, 9),
    ),
    st.builds(
        lambda email, at: opted_out(email, at=day(at)),
        st.sampled_from([ANNA, BEN]),
        st.integers(-9, 9),
    ),
    st.builds(
        lambda email, at: updated(*ids_of(email), *ids_of(_other(email)), at=day(at)),
        st.sampled_from([ANNA, BEN]),
        st.integers(-9, 9),
    ),
)


def _other(email: str) -> str:
    return BEN if email == ANNA else ANNA


def _owner(told: Fact) -> UUID:
    """Whose a fact is: the customer of its first key, Anna's or Ben's."""
    return A if told.keys[0] == ("email", ANNA) else B


_OWNERS: dict[Key, UUID] = {("email", ANNA): A, ("email", BEN): B}


def _gathered(facts: dict[UUID, list[Fact]], versions: dict[UUID, int]) -> Gathered:
    return Gathered(
        customers={
            one: Customer(one, day(-20), versions[one], rebuild(told))
            for one, told in facts.items()
        },
        survivors={one: one for one in facts},
        done={},
        copies={},
        facts=facts,
        timers={},
    )


def _split(told: Sequence[Event]) -> dict[UUID, list[Fact]]:
    facts: dict[UUID, list[Fact]] = {A: [], B: []}
    owners = dict(_OWNERS)
    for one in {event.id: fact(event) for event in told}.values():
        # As in the store a key has one owner: an answer's is hers who was named with it first.
        for key in one.keys:
            owners.setdefault(key, _owner(one))
        facts[_owner(one)].append(merges.own(one, owners, _owner(one)))
    return facts


@settings(deadline=None, max_examples=60)
@given(told=st.lists(_SAID, min_size=2, max_size=12))
def test_merge_then_unmerge_is_the_identity(told: list[Event]) -> None:
    """Whatever was said, links among it: both profiles are who they were, and versions rise."""
    facts = _split(told)
    before = {one: rebuild(mine) for one, mine in facts.items()}
    wish = feedback.MergeRequested(customer_id=A, other_id=B, asked_by="x", asked_at=NOON)
    merged = decide_batch(
        [Command(UUID(int=8), wish)],
        Assignment(),
        _gathered({one: list(mine) for one, mine in facts.items()}, {A: 3, B: 4}),
        RULES,
        NOON,
    )
    ((gone, kept, _),) = merged.aliases
    one = merged.customers[kept]
    assert one.profile == rebuild([*facts[A], *facts[B]])
    assert one.version == 5
    undo = feedback.UnmergeRequested(customer_id=gone, asked_by="x", asked_at=NOON)
    gathered = _gathered(facts, {kept: 5, gone: merged.customers[gone].version})
    gathered.customers[kept] = one
    gathered.customers[gone] = merged.customers[gone]
    gathered.latest = merged.merged_at
    gathered.undoing = Undoing(gone, kept, frozenset({gone}))
    undone = decide_batch([Command(UUID(int=9), undo)], Assignment(), gathered, RULES, NOON)
    assert {one: undone.customers[one].profile for one in (A, B)} == before
    assert undone.customers[kept].version == 6
    assert undone.customers[gone].version > merged.customers[gone].version
    assert undone.merged_at > merged.merged_at
    assert _never_wider(merged, before)


def _never_wider(changes: Changes, before: dict[UUID, Profile]) -> bool:
    """Tell whether the merged customer grants nothing that either of the two refused."""
    ((_, kept, _),) = changes.aliases
    merged = changes.customers[kept].profile
    return all(
        consent(merged, channel, purpose) != "granted"
        for channel in get_args(Channel)
        for purpose in get_args(Purpose)
        for profile in before.values()
        if consent(profile, channel, purpose) == "refused"
    )
