"""A merge is undone: who comes back as who she was, what is told, and who stays apart."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import load
from services.segmenter.store import store
from shared.events.envelope import Event
from tests.builders.facts import (
    ANNA,
    BEN,
    Shelf,
    answered,
    day,
    handler,
    ids_of,
    invited,
    received,
    says,
    settled,
    updated,
)
from tests.builders.merging import (
    aliases,
    count,
    known_as,
    merge_asked,
    profiles,
    refusing,
    tell,
    unmerge_asked,
    unmerged,
)

LINK = updated(*ids_of(ANNA), *ids_of(BEN), at=day(2), attributes={"city": "Lyon"})


async def anna_and_ben(engine: AsyncEngine, shelf: Shelf) -> tuple[UUID, UUID]:
    """Two customers with answers, consents and an invitation of their own."""
    await tell(
        engine,
        shelf,
        answered("r1", 9, consents=(says(granted=True),), attributes={"city": "Paris"}),
        answered("r2", 3, email=BEN, at=day(0.5), consents=(says(granted=False, at=day(0.5)),)),
        invited(at=day(-30)),
        answered("r3", 6, at=day(1)),
    )
    anna = next(d.customer_id for d in shelf.decided() if d.identifiers[0].value == ANNA)
    ben = next(d.customer_id for d in shelf.decided() if d.identifiers[0].value == BEN)
    return anna, ben


async def test_merge_then_unmerge_is_the_identity(engine: AsyncEngine) -> None:
    """Both profiles are byte for byte what they were; higher versions tell it of both."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    before = await profiles(engine)
    await tell(engine, shelf, merge_asked(anna, ben))
    gone = shelf.merged()[0].merged_id
    kept = anna if gone == ben else ben
    merged = shelf.decided()[-1]
    assert (merged.customer_id, merged.cause.kind, merged.cause.triggers) == (
        kept,
        "merge",
        ("merged",),
    )
    assert merged.snapshot.response_count == 3
    said = {(p.contact_class, p.allowed) for p in merged.permits if p.channel == "email"}
    assert ("marketing", False) in said
    await tell(engine, shelf, unmerge_asked(gone))
    after = await profiles(engine)
    assert {one: state for one, (state, _) in after.items()} == {
        one: state for one, (state, _) in before.items()
    }
    assert all(after[one][1] > before[one][1] for one in before)
    told = {d.customer_id: d for d in shelf.decided()[-2:]}
    assert {one: d.version for one, d in told.items()} == {
        one: version for one, (_, version) in after.items()
    }
    assert told[anna].snapshot.response_count == 2
    assert told[ben].snapshot.response_count == 1
    assert all(d.cause.triggers == () for d in told.values())
    assert await aliases(engine) == {}


async def test_an_undoing_is_told_before_the_state_of_either(engine: AsyncEngine) -> None:
    """Under both customers' keys, as one event, later than the merge whatever the clock says."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    await tell(engine, shelf, merge_asked(anna, ben))
    merged = shelf.merged()[0]
    told = len(shelf.messages)
    await tell(engine, shelf, unmerge_asked(merged.merged_id))
    news = list(zip(shelf.messages, shelf.events(), strict=True))[told:]
    kinds = {
        key: [event.type for message, event in news if message.key == str(key)]
        for key in (anna, ben)
    }
    assert kinds == {key: ["customer.unmerged", "customer.decided"] for key in (anna, ben)}
    assert len({event.id for _, event in news if event.type == "customer.unmerged"}) == 1
    (undone, _) = unmerged(shelf)
    assert (undone.customer_id, undone.survivor_id) == (merged.merged_id, merged.customer_id)
    assert undone.unmerged_at > merged.merged_at


async def test_a_command_told_again_repeats_what_was_decided(engine: AsyncEngine) -> None:
    """Byte by byte, both decisions of an undoing; and it is not done twice."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    start = len(shelf.messages)
    await tell(engine, shelf, merge_asked(anna, ben))
    gone = shelf.merged()[0].merged_id
    await tell(engine, shelf, unmerge_asked(gone))
    first = shelf.messages[start:]
    state = await profiles(engine)
    await tell(engine, shelf, merge_asked(anna, ben), unmerge_asked(gone))
    assert shelf.messages[start + len(first) :] == first
    assert await profiles(engine) == state


async def test_what_was_said_while_merged_goes_with_whose_address_it_names(
    engine: AsyncEngine,
) -> None:
    """Facts stay under their identifier's own customer, also those told during the merge."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    await tell(engine, shelf, merge_asked(anna, ben))
    gone = shelf.merged()[0].merged_id
    address = BEN if gone == ben else ANNA
    await tell(engine, shelf, answered("r9", 10, email=address, at=day(5), received=day(6)))
    cause = shelf.decided()[-1].cause.id
    assert shelf.decided()[-1].customer_id != gone
    await tell(engine, shelf, unmerge_asked(gone))
    told = {d.customer_id: d for d in shelf.decided()[-2:]}
    assert told[gone].snapshot.score == 10
    assert cause in unmerged(shelf)[0].causes


async def test_who_had_been_merged_into_her_before_comes_along(engine: AsyncEngine) -> None:
    """A into B into C: undoing B gives back B with A, and undoing A then gives back A."""
    shelf = Shelf()
    # Whoever is known longest keeps her id.
    for number, made in (("C", 1), ("B", 2), ("A", 3)):
        await tell(engine, shelf, known_as(number), now=day(made))
    c, b, a = (decided.customer_id for decided in shelf.decided())
    alone = await profiles(engine)
    await tell(engine, shelf, merge_asked(a, b))
    pair = await profiles(engine)
    await tell(engine, shelf, merge_asked(a, c))
    assert await aliases(engine) == {a: c, b: c}
    await tell(engine, shelf, unmerge_asked(b))
    assert await aliases(engine) == {a: b}
    assert _states(await profiles(engine)) == _states(pair)
    await tell(engine, shelf, unmerge_asked(a))
    assert await aliases(engine) == {}
    assert _states(await profiles(engine)) == _states(alone)


async def test_an_event_that_names_both_merges_them_never_again(engine: AsyncEngine) -> None:
    """The link told again, or a new one, stays with its first key's customer, and says why."""
    shelf = Shelf()
    anna, _ = await anna_and_ben(engine, shelf)
    await tell(engine, shelf, LINK)
    gone = shelf.merged()[0].merged_id
    await tell(engine, shelf, unmerge_asked(gone))
    merges = len(shelf.merged())
    again = updated(*ids_of(ANNA), *ids_of(BEN), at=day(3), attributes={"city": "Nantes"})
    await tell(engine, shelf, again)
    last = shelf.decided()[-1]
    assert (last.customer_id, last.snapshot.attributes["city"]) == (anna, "Nantes")
    assert ("identity", "kept apart") in {(line.rule, line.outcome) for line in last.trace}
    await tell(engine, shelf, LINK, again)  # told again: what was decided then, and no more
    assert len(shelf.merged()) == merges + 1
    assert await aliases(engine) == {}


async def test_an_address_of_hers_is_none_of_the_one_she_is_kept_apart_from(
    engine: AsyncEngine,
) -> None:
    """A link kept with Anna tells her attributes, and never Ben's address or his refusal."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    await tell(engine, shelf, LINK)
    await tell(engine, shelf, unmerge_asked(shelf.merged()[0].merged_id))
    told = {d.customer_id: d for d in shelf.decided()[-2:]}
    assert [one.value for one in told[anna].identifiers] == [ANNA]
    assert [one.value for one in told[ben].identifiers] == [BEN]
    assert told[anna].snapshot.attributes["city"] == "Lyon"
    before = await profiles(engine)
    both = (says(granted=False, at=day(4)),)
    await tell(engine, shelf, updated(*ids_of(ANNA), *ids_of(BEN), at=day(4), consents=both))
    stepped = await profiles(engine)
    assert [one.value for one in shelf.decided()[-1].identifiers] == [ANNA]
    assert stepped[ben] == before[ben]
    assert BEN not in stepped[anna][0]
    # Folded from nothing, it is the same: an earlier copy of a fact makes it so.
    earlier = answered("r1", 9, received=day(-1), consents=(says(granted=True),))
    await tell(engine, shelf, earlier)
    assert BEN not in (await profiles(engine))[anna][0]


async def test_a_delivery_planned_for_the_survivor_links_nobody_again(engine: AsyncEngine) -> None:
    """What became of it is told by the survivor's id, whose contact it stays."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    await tell(engine, shelf, settled(ben, "d1", at=day(1)), settled(anna, "d2", at=day(1)))
    await tell(engine, shelf, merge_asked(anna, ben))
    kept, gone = shelf.merged()[0].customer_id, shelf.merged()[0].merged_id
    await tell(engine, shelf, settled(kept, "d3", at=day(2)))
    await tell(engine, shelf, unmerge_asked(gone))
    await tell(engine, shelf, *(settled(kept, f"d{n}", at=day(3), change=2) for n in (1, 2, 3)))
    assert await aliases(engine) == {}
    own = "SELECT count(*) FROM profiles, jsonb_object_keys(state->'own') WHERE customer_id = :id"
    assert await count(engine, own, id=kept) == 2
    assert await count(engine, own, id=gone) == 1


async def test_a_person_may_merge_again_who_was_kept_apart(engine: AsyncEngine) -> None:
    """And undo it again; each time is told later than the time before."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    before = await profiles(engine)
    for number in range(3):
        await tell(engine, shelf, merge_asked(anna, ben, number=number))
        assert await count(engine, "SELECT count(*) FROM apart") == 0
        gone = shelf.merged()[-1].merged_id
        await tell(engine, shelf, unmerge_asked(gone, number=number))
        assert await count(engine, "SELECT count(*) FROM apart") == 2
    assert _states(await profiles(engine)) == _states(before)
    moments = [
        moment
        for merged, undone in zip(shelf.merged(), unmerged(shelf)[::2], strict=True)
        for moment in (merged.merged_at, undone.unmerged_at)
    ]
    assert moments == sorted(set(moments))


@pytest.mark.parametrize("by_policy", [False, True], ids=["by a person", "by the policy"])
async def test_merged_after_all_she_is_known_by_all_that_was_said_of_both(
    engine: AsyncEngine, by_policy: bool
) -> None:
    """What named both while they were apart counts for both addresses, as if it came now."""
    shelf = Shelf()
    policy = refusing() if by_policy else None
    anna, ben = await anna_and_ben(engine, shelf)
    if not by_policy:
        await tell(engine, shelf, merge_asked(anna, ben))
        await tell(engine, shelf, unmerge_asked(shelf.merged()[0].merged_id))
    both = updated(
        *ids_of(ANNA), *ids_of(BEN), at=day(3), consents=(says(granted=True, at=day(3)),)
    )
    await tell(engine, shelf, both, policy=policy)
    assert [one.value for one in shelf.decided()[-1].identifiers] == [ANNA]
    if by_policy:
        yes = updated(*ids_of(BEN), at=day(4), consents=(says(granted=True, at=day(4)),))
        link = updated(*ids_of(ANNA), *ids_of(BEN), at=day(4.5), attributes={"city": "Nantes"})
        await tell(engine, shelf, yes, link, policy=policy)
    else:
        await tell(engine, shelf, merge_asked(anna, ben, number=2))
    kept = shelf.decided()[-1].customer_id
    (state,) = [state for one, (state, _) in (await profiles(engine)).items() if one == kept]
    assert await aliases(engine)
    async with engine.connect() as connection:
        facts = (await store.facts(connection, [kept]))[kept]
    assert load(state) == rebuild(facts)
    assert {one for fact in facts for one in fact.keys if one[0] == "email"} == {
        ("email", ANNA),
        ("email", BEN),
    }


async def test_who_is_apart_from_a_whole_is_apart_from_its_halves(engine: AsyncEngine) -> None:
    """C was told to be neither A nor B while they were one: no event makes her either."""
    shelf = Shelf()
    await tell(engine, shelf, *(known_as(number, at=-n) for n, number in enumerate("ABC")))
    a, b, c = (decided.customer_id for decided in shelf.decided())
    await tell(engine, shelf, merge_asked(a, b), merge_asked(a, c))
    first, second = shelf.merged()
    apart = second.merged_id
    await tell(engine, shelf, unmerge_asked(apart), unmerge_asked(first.merged_id))
    merges = len(shelf.merged())
    await tell(engine, shelf, known_as("C", "A", at=3), known_as("C", "B", at=3))
    assert len(shelf.merged()) == merges
    assert await aliases(engine) == {}


@pytest.mark.parametrize("strict", [True, False], ids=["refuse", "stricter"])
async def test_the_policy_may_refuse_to_merge_whose_consents_differ(
    engine: AsyncEngine, strict: bool
) -> None:
    """One granted what the other refused: kept apart, or merged with the refusal; never widened."""
    shelf = Shelf()
    policy = refusing() if strict else None
    anna, ben = await anna_and_ben(engine, shelf)
    await tell(engine, shelf, LINK, policy=policy)
    last = shelf.decided()[-1]
    assert bool(shelf.merged()) is not strict
    if not strict:
        assert not any(p.allowed for p in last.permits if p.contact_class == "marketing")
        return
    assert (last.customer_id, [one.value for one in last.identifiers]) == (anna, [ANNA])
    assert ("identity", "kept apart") in {(line.rule, line.outcome) for line in last.trace}
    assert await count(engine, "SELECT count(*) FROM apart WHERE reason = 'consent'") == 2
    # A person may, and then the stricter state stands.
    await tell(engine, shelf, merge_asked(anna, ben), policy=policy)
    last = shelf.decided()[-1]
    assert len(shelf.merged()) == 1
    assert not any(p.allowed for p in last.permits if p.contact_class == "marketing")
    assert await count(engine, "SELECT count(*) FROM apart") == 0


async def test_a_refused_merge_is_made_once_their_consents_agree(engine: AsyncEngine) -> None:
    """The policy is asked anew by every event; only a person's word lasts."""
    shelf = Shelf()
    await anna_and_ben(engine, shelf)
    await tell(engine, shelf, LINK, policy=refusing())
    refused = updated(at=day(4), consents=(says(granted=False, at=day(4)),))
    again = updated(*ids_of(ANNA), *ids_of(BEN), at=day(4.5), attributes={"city": "Nantes"})
    await tell(engine, shelf, refused, again, policy=refusing())
    assert len(shelf.merged()) == 1
    assert {one.value for one in shelf.decided()[-1].identifiers} == {ANNA, BEN}
    assert await count(engine, "SELECT count(*) FROM apart") == 0


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        pytest.param("merge herself", "they are one customer already", id="one already"),
        pytest.param("merge nobody", "no customer has this id", id="unknown to merge"),
        pytest.param("unmerge", "she is merged into nobody", id="not merged"),
        pytest.param("unmerge nobody", "no customer has this id", id="unknown to unmerge"),
    ],
)
async def test_a_command_that_changes_nobody_is_kept_with_its_reason(
    engine: AsyncEngine, asked: str, note: str
) -> None:
    """It is handled once and for all, tells nothing, and no version is spent."""
    shelf = Shelf()
    anna, _ = await anna_and_ben(engine, shelf)
    nobody = UUID(int=9)
    commands = {
        "merge herself": merge_asked(anna, anna),
        "merge nobody": merge_asked(anna, nobody),
        "unmerge": unmerge_asked(anna),
        "unmerge nobody": unmerge_asked(nobody),
    }
    state, told = await profiles(engine), len(shelf.messages)
    await tell(engine, shelf, commands[asked], commands[asked])
    assert (await profiles(engine), len(shelf.messages)) == (state, told)
    kept = "SELECT count(*) FROM decisions WHERE note = :note AND version = 0"
    assert await count(engine, kept, note=note) == 1


async def test_commands_and_events_at_once_end_as_one_after_the_other(engine: AsyncEngine) -> None:
    """Merges, undoings and answers by three handlers: nothing is lost, no version given twice."""
    shelf = Shelf()
    anna, ben = await anna_and_ben(engine, shelf)
    shelves = [Shelf() for _ in range(3)]
    rounds = 6

    async def commands(which: int) -> None:
        handle = handler(engine, shelves[which], now=day(5))
        for number in range(rounds):
            await handle(received(merge_asked(anna, ben, number=number)))
            await handle(received(unmerge_asked(ben, number=number)))
            await handle(received(unmerge_asked(anna, number=number)))

    async def answers(which: int) -> None:
        handle = handler(engine, shelves[which], now=day(5))
        for number in range(rounds):
            both: list[Event] = [
                answered(f"{name}-{number}", 8, email=name, at=day(2 + number / 10))
                for name in (ANNA, BEN)
            ]
            await handle(received(*both))

    await asyncio.gather(commands(0), commands(1), answers(2))
    for asked in (unmerge_asked(anna, number=99), unmerge_asked(ben, number=99)):
        await tell(engine, shelf, asked)
    assert await aliases(engine) == {}
    answers_of = (
        "SELECT count(*) FROM profiles, jsonb_object_keys(state->'responses') "
        "WHERE customer_id = :id"
    )
    assert await count(engine, answers_of, id=anna) == 2 + rounds
    assert await count(engine, answers_of, id=ben) == 1 + rounds
    told = {(d.customer_id, d.version): d.decision_id for one in shelves for d in one.decided()}
    assert len(told) == len(set(told.values()))
    opened = "SELECT count(*) FROM merges WHERE undone_at IS NULL"
    assert await count(engine, opened) == 0


def _states(found: Mapping[UUID, tuple[str, int]]) -> dict[UUID, str]:
    return {one: state for one, (state, _) in found.items()}
