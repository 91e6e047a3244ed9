"""A person is forgotten: nothing of hers is left, and nothing old brings her back."""

from dataclasses import replace
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.erase import tombstones
from services.segmenter.erase.request import Requests
from services.segmenter.metrics import Metrics
from services.segmenter.store.timers import Timers
from shared.errors import BusAway
from shared.events import feedback, outcomes
from tests.builders.auditing import trail
from tests.builders.facts import (
    ANNA,
    BEN,
    ROUTE_KEY,
    Shelf,
    answered,
    case,
    day,
    fact,
    handler,
    ids_of,
    invited,
    received,
    reported,
    says,
    settled,
    updated,
)
from tests.builders.forgetting import erase_asked, erased, people_of, rows, texts, traces
from tests.builders.merging import count, merge_asked, profiles, tell, unmerge_asked
from tests.builders.sweeping import sweep

MARK = "Écharpe de Zénobie"
NUMBER = "K-4711-ZENOBIE"
TABLES = (
    "facts", "identifiers", "answers", "timers", "aliases", "merges", "apart", "profiles",
)  # fmt: skip


HER_LIFE = (
    invited(at=day(-3)),
    answered("r1", 3, comment=MARK, consents=(says(granted=True),)),
    updated(*ids_of(ANNA, NUMBER, "+33612345678"), at=day(0.2), attributes={"first_name": MARK}),
    case("opened", at=day(0.5)),
    reported(outcomes.MessageOpened, at=day(0.7)),
    answered("r1", 4, at=day(0.8), revision=2, comment=f"{MARK} bis"),
)


async def lived(engine: AsyncEngine, shelf: Shelf) -> UUID:
    """Let her live a while; return who she is."""
    await tell(engine, shelf, *HER_LIFE)
    her = shelf.decided()[-1].customer_id
    await tell(engine, shelf, settled(her, at=day(0.9)))
    return her


async def test_nothing_of_hers_is_left(engine: AsyncEngine) -> None:
    """No table holds her words, address or number; of her decisions the ids stay."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    assert await traces(engine, ANNA, MARK, NUMBER)
    before = await count(engine, "SELECT count(*) FROM decisions")
    await tell(engine, shelf, erase_asked(her))
    assert await traces(engine, ANNA, MARK, NUMBER, "+33612345678", "Zénobie") == []
    assert [await rows(engine, table, [her]) for table in TABLES] == [0] * len(TABLES)
    assert await count(engine, "SELECT count(*) FROM decisions") == before + 1
    assert await count(engine, "SELECT count(*) FROM decisions WHERE payload IS NOT NULL") == 1


async def test_it_is_told_with_ids_and_hmacs_only(engine: AsyncEngine) -> None:
    """`customer.erased` names her ids, and HMACs of her addresses and of her answers."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    asked = erase_asked(her)
    await tell(engine, shelf, asked)
    (told,) = erased(shelf)
    assert (told.customer_id, told.customer_ids) == (her, (her,))
    assert set(people_of(*ids_of(ANNA, NUMBER, "+33612345678"))) <= set(told.people)
    assert len(told.people) == 4  # the answer's own identity is one of them
    assert (told.erased_before, told.erased_at) == (day(5), day(5))
    assert shelf.messages[-1].key == str(her)
    assert b"@" not in shelf.messages[-1].value


async def test_the_same_request_again_is_told_again_byte_by_byte(engine: AsyncEngine) -> None:
    """A redelivered request publishes what is stored."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    asked = erase_asked(her)
    await tell(engine, shelf, asked, asked, now=day(6))
    assert len(erased(shelf)) == 2
    assert shelf.messages[-1] == shelf.messages[-2]


async def test_whatever_was_told_before_publishes_and_keeps_nothing(engine: AsyncEngine) -> None:
    """Every old event told again: no customer, no key, no record on the bus."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    await tell(engine, shelf, erase_asked(her))
    state, told = await profiles(engine), len(shelf.messages)
    await tell(engine, shelf, *HER_LIFE, settled(her, at=day(0.9)), now=day(6))
    await handler(engine, shelf, now=day(7))(received(*HER_LIFE))
    assert len(shelf.messages) == told
    assert await profiles(engine) == state == {}
    assert await traces(engine, ANNA, MARK, NUMBER) == []


async def test_an_answer_given_later_makes_a_new_customer(engine: AsyncEngine) -> None:
    """The same address, a new id, and only what she said since."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    later = answered("r9", 10, at=day(6))
    await tell(engine, shelf, erase_asked(her), later, *HER_LIFE, now=day(7))
    (decided,) = [one for one in shelf.decided() if one.decided_at == day(7)]
    assert decided.customer_id != her
    assert (decided.version, decided.snapshot.score, decided.snapshot.response_count) == (1, 10, 1)
    assert decided.snapshot.first_name is None
    assert [name.kind for name in decided.identifiers] == ["email"]
    assert decided.snapshot.next_survey_at is not None


async def test_what_names_her_by_things_of_hers_stays_out_for_ever(engine: AsyncEngine) -> None:
    """A later revision, a step of her case, a report on a delivery of hers: dropped without end."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    await tell(engine, shelf, erase_asked(her))
    told = len(shelf.messages)
    late = [
        answered("r1", 2, email=None, at=day(8), revision=3, comment=MARK),
        case("resolved", email=None, at=day(8)),
        reported(outcomes.MessageOpened, email=None, delivery="delivery-1", at=day(8)),
        settled(her, "delivery-1", state="superseded", at=day(8), change=2),
        settled(her, "delivery-2", state="superseded", at=day(8)),
        reported(outcomes.MessageBounced, email=None, delivery="delivery-2", at=day(8)),
    ]
    await tell(engine, shelf, *late, now=day(9))
    assert len(shelf.messages) == told
    assert await profiles(engine) == {}
    assert [await count(engine, f"SELECT count(*) FROM {table}") for table in TABLES] == [0] * 8
    assert await traces(engine, ANNA, MARK) == []


async def test_an_answer_that_turns_out_to_be_hers_goes_too(engine: AsyncEngine) -> None:
    """Told without an address it was nobody's, until an old event of hers named it."""
    shelf, asked = Shelf(), Shelf()
    her = await lived(engine, shelf)
    await tell(engine, shelf, erase_asked(her))
    later = answered("r7", 2, email=None, at=day(4), received=day(5.5), revision=2, comment=MARK)
    await tell(engine, shelf, later, now=day(6))
    assert await traces(engine, MARK)
    await tell(engine, shelf, answered("r7", 2, at=day(4), comment=MARK), now=day(7))
    requests = Requests(engine, asked, ROUTE_KEY, trail=trail("segmenter"), clock=lambda: day(7))
    assert await requests.tell() == 1
    await tell(engine, shelf, *asked.events(), now=day(7))
    assert await traces(engine, MARK) == []
    assert await profiles(engine) == {}
    await tell(engine, shelf, answered("r7", 2, at=day(4), comment=MARK), now=day(8))
    assert await requests.tell() == 0


async def test_an_answer_that_turned_out_to_be_somebody_elses_stays(engine: AsyncEngine) -> None:
    """Somebody gave an address for it before it was done: it is not taken from that one."""
    shelf, asked = Shelf(), Shelf()
    her = await lived(engine, shelf)
    await tell(engine, shelf, erase_asked(her))
    nobodys = answered("r7", 9, email=None, at=day(4), received=day(5.5), revision=2)
    bens = answered("r7", 9, email=BEN, at=day(4), received=day(5.6), revision=3)
    hers = fact(answered("r7", 9, at=day(4)))
    await tell(engine, shelf, nobodys, now=day(6))
    async with engine.begin() as connection:
        found = await tombstones.dropped(connection, [hers], ROUTE_KEY, (), day(6))
        assert found == {hers.event_id: hers}
        await connection.execute(text("DELETE FROM tombstones WHERE erased_before IS NULL"))
    await tell(engine, shelf, bens, now=day(7))
    await Requests(engine, asked, ROUTE_KEY, trail=trail("segmenter"), clock=lambda: day(7)).tell()
    await tell(engine, shelf, *asked.events(), now=day(7))
    assert len(await profiles(engine)) == 1
    assert erased(shelf)[-1].customer_ids == ()


async def test_an_event_from_a_clock_ahead_told_again_keeps_nothing(engine: AsyncEngine) -> None:
    """What was taken in with a moment after the erasure is gone, too, and known as handled."""
    shelf = Shelf()
    ahead = replace(updated(*ids_of(ANNA), at=day(5.1), attributes={"said": MARK}), time=day(5.1))
    await tell(engine, shelf, ahead)
    her = shelf.decided()[0].customer_id
    await tell(engine, shelf, erase_asked(her, before=day(5)))
    told = len(shelf.messages)
    beside = answered("r2", 9, email=BEN, at=day(6))
    await handler(engine, shelf, now=day(6))(received(ahead, beside))
    assert [one.customer_id for one in shelf.decided()].count(her) == 1
    assert len(shelf.messages) == told + 1
    assert await traces(engine, ANNA, MARK) == []


async def test_due_timers_of_hers_are_noted_and_harmless(engine: AsyncEngine) -> None:
    """A timer that was on its way rings for nobody."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    timers = Shelf()
    metrics = Metrics(CollectorRegistry())
    assert await Timers(engine, timers, clock=lambda: day(400), metrics=metrics).tell_due()
    await tell(engine, shelf, erase_asked(her, before=day(399)), now=day(399))
    told = len(shelf.messages)
    await tell(engine, shelf, *timers.events(), now=day(400))
    assert len(shelf.messages) == told
    assert await count(engine, "SELECT count(*) FROM timers") == 0
    noted = "SELECT count(*) FROM decisions WHERE kind = 'timer.due' AND note LIKE 'no customer%'"
    assert await count(engine, noted) == len(timers.messages)
    assert await Timers(engine, timers, clock=lambda: day(999), metrics=metrics).tell_due() == 0


async def test_everybody_merged_with_her_is_her(engine: AsyncEngine) -> None:
    """The whole group goes, asked for by any of its ids, and all ids are told."""
    shelf = Shelf()
    await tell(engine, shelf, answered("r1", 9), answered("r2", 3, email=BEN, at=day(0.5)))
    anna, ben = (one.customer_id for one in shelf.decided())
    await tell(engine, shelf, merge_asked(anna, ben))
    gone = shelf.merged()[0].merged_id
    await tell(engine, shelf, erase_asked(gone))
    (told,) = erased(shelf)
    assert {*told.customer_ids} == {anna, ben}
    assert told.customer_id == shelf.merged()[0].customer_id
    assert {*people_of(*ids_of(ANNA), *ids_of(BEN))} <= {*told.people}
    assert await traces(engine, ANNA, BEN) == []
    assert [await rows(engine, table, [anna, ben]) for table in TABLES] == [0] * len(TABLES)


async def test_who_was_one_with_her_once_keeps_what_is_hers(engine: AsyncEngine) -> None:
    """Merged and unmerged: the other one stays whole; what was told of both as one is emptied."""
    shelf = Shelf()
    await tell(
        engine,
        shelf,
        answered("r1", 9, comment="Rien à redire"),
        answered("r2", 3, email=BEN, at=day(0.5), comment=MARK),
        now=day(1),
    )
    anna, ben = (one.customer_id for one in shelf.decided())
    await tell(engine, shelf, merge_asked(anna, ben), now=day(2))
    gone = shelf.merged()[0].merged_id
    other, her_mail, other_mail = (ben, ANNA, BEN) if gone == anna else (anna, BEN, ANNA)
    await tell(engine, shelf, invited(other_mail, at=day(2.5)), now=day(2.5))
    await tell(engine, shelf, unmerge_asked(gone), now=day(3))
    before = (await profiles(engine))[other]
    await tell(engine, shelf, erase_asked(gone, before=day(4)), now=day(4))
    assert (await profiles(engine)) == {other: before}
    assert await traces(engine, her_mail) == []
    assert await traces(engine, other_mail) != []
    rest = answered("r3", 7, email=other_mail, at=day(6))
    await tell(engine, shelf, rest, now=day(6))
    assert shelf.decided()[-1].customer_id == other
    assert shelf.decided()[-1].snapshot.response_count == 2


async def test_her_address_leaves_the_facts_of_who_is_kept_apart(engine: AsyncEngine) -> None:
    """A fact that named both stays with its customer, without the address of who is forgotten."""
    shelf = Shelf()
    await tell(
        engine,
        shelf,
        answered("r1", 9),
        updated(*ids_of(ANNA, NUMBER), at=day(0.2)),
        answered("r2", 3, email=BEN, at=day(0.5)),
        now=day(1),
    )
    anna, _, ben = (one.customer_id for one in shelf.decided())
    await tell(engine, shelf, merge_asked(anna, ben), now=day(2))
    gone = shelf.merged()[0].merged_id
    await tell(engine, shelf, unmerge_asked(gone), now=day(3))
    both = updated(*ids_of(BEN, NUMBER), at=day(3.5), attributes={"city": "Lyon"})
    await tell(engine, shelf, both, now=day(3.5))
    assert await traces(engine, BEN)
    await tell(engine, shelf, erase_asked(ben, before=day(4)), now=day(4))
    assert await traces(engine, BEN) == []
    assert await count(engine, "SELECT count(*) FROM facts WHERE customer_id = :id", id=anna) == 3
    again = answered("r1", 8, at=day(5), revision=2)
    await tell(engine, shelf, again, now=day(5))
    decided = shelf.decided()[-1]
    assert decided.customer_id == anna
    assert decided.snapshot.attributes["city"] == "Lyon"
    assert {one.value for one in decided.identifiers} == {ANNA, NUMBER}


async def test_what_she_was_known_by_becomes_nobody_elses(engine: AsyncEngine) -> None:
    """Folded anew, who was kept apart from her has only his own keys of what names both."""
    shelf = Shelf()
    link = feedback.ResponseLink(source="demo", survey="nps", response_id="r1")
    invitation = invited()
    await tell(engine, shelf, invitation, case("opened", email=None, response=link), now=day(1))
    (anna,) = (one.customer_id for one in shelf.decided())
    (other,) = set(await profiles(engine)) - {anna}
    await tell(engine, shelf, merge_asked(anna, other), unmerge_asked(other), now=day(2))
    said = answered("r1", 9, at=day(3), consents=(says(granted=False, at=day(3)),))
    await tell(engine, shelf, said, now=day(3))
    before, _ = (await profiles(engine))[anna]
    assert "response:" not in before
    await tell(engine, shelf, erase_asked(other, before=day(4)), now=day(4))
    earlier = replace(invitation, time=day(-1))
    await tell(engine, shelf, earlier, updated(*ids_of(ANNA, NUMBER)), now=day(5))
    assert "response:" not in (await profiles(engine))[anna][0]
    await tell(engine, shelf, answered("r2", 9, email=BEN, at=day(5)), now=day(5))
    linked = updated(*ids_of(ANNA), *ids_of(BEN), at=day(6))
    await tell(engine, shelf, linked, now=day(6))
    assert "response:" not in (await profiles(engine))[anna][0].split('"consents"')[1]


async def test_nobody_else_is_touched(engine: AsyncEngine) -> None:
    """Another customer's rows are the same, byte by byte; merging and correcting her works."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    await tell(
        engine,
        shelf,
        answered("b1", 9, email=BEN, comment="Rien à redire"),
        answered("c1", 2, email="chloe@example.net", at=day(0.3)),
    )
    ben, chloe = (one.customer_id for one in shelf.decided()[-2:])
    queries = [
        f"SELECT CAST(t AS text) FROM {table} t WHERE customer_id IN ('{ben}', '{chloe}')"
        for table in ("facts", "identifiers", "answers", "timers", "profiles", "decisions")
    ]
    before = [sorted(await texts(engine, query)) for query in queries]
    await tell(engine, shelf, erase_asked(her))
    assert [sorted(await texts(engine, query)) for query in queries] == before
    assert all(before)
    await tell(engine, shelf, merge_asked(ben, chloe), now=day(6))
    assert shelf.decided()[-1].snapshot.response_count == 2
    corrected = answered("b1", 1, email=BEN, revision=2, at=day(0.1))
    await tell(engine, shelf, corrected, now=day(7))
    assert shelf.decided()[-1].snapshot.response_count == 2


async def test_somebody_unknown_is_kept_out_all_the_same(engine: AsyncEngine) -> None:
    """An import that was under way when she asked brings nothing; it is told to the others."""
    shelf = Shelf()
    await tell(engine, shelf, erase_asked(people=people_of(*ids_of(ANNA))))
    await tell(engine, shelf, answered("r1", 3, at=day(1), comment=MARK, history=True), now=day(6))
    assert shelf.decided() == []
    assert await profiles(engine) == {}
    (told,) = erased(shelf)
    assert (told.customer_ids, told.people) == ((), people_of(*ids_of(ANNA)))


async def test_erased_twice_the_later_moment_stands(engine: AsyncEngine) -> None:
    """She came back and is forgotten again; asked in the other order, it is the same."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    await tell(engine, shelf, erase_asked(her), answered("r9", 10, at=day(6)), now=day(6))
    again = shelf.decided()[-1].customer_id
    await tell(engine, shelf, erase_asked(again, before=day(7)), now=day(7))
    await tell(engine, shelf, erase_asked(people=people_of(*ids_of(ANNA)), before=day(1)))
    told = len(shelf.messages)
    await tell(engine, shelf, answered("r8", 10, at=day(6.5)), now=day(8))
    assert len(shelf.messages) == told
    assert await profiles(engine) == {}


async def test_every_table_is_thought_of(engine: AsyncEngine) -> None:
    """A table that is new to this list may hold something of hers: delete it there, too."""
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'segmenter'"
    nobody = {"policies", "figure_watches", "figure_alerts", "sweeps", "alembic_version"}
    nobody |= {"owner_digests", "figure_untold"}
    ids_only = {"decisions", "erasures", "tombstones", "changed_customers", "audit"}
    # Read from her profile, and deleted with it by a trigger or by the next sweep.
    read = {"people", "people_said", "people_keys", "suspects"}
    read |= {"told_answers", "told_cases", "told_invitations"}
    assert {*await texts(engine, query)} - {*TABLES} - nobody - ids_only - read == set()


async def test_what_was_read_of_her_for_figures_goes_too(engine: AsyncEngine) -> None:
    """At once from all that figures and data quality are told from, hashes with the next sweep."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    await tell(engine, shelf, answered("b1", 9, email=BEN))
    ben = shelf.decided()[-1].customer_id
    sweeping = sweep(engine, lambda: day(5))
    await sweeping.catch_up()
    read = ("people", "told_answers", "told_cases", "told_invitations")
    assert all([await rows(engine, table, [her]) for table in read])
    others = [await rows(engine, table, [ben]) for table in read]
    await tell(engine, shelf, erase_asked(her))
    assert [await rows(engine, table, [her]) for table in (*read, "people_said")] == [0] * 5
    await sweeping.catch_up()
    assert [await rows(engine, table, [her]) for table in (*read, "people_keys")] == [0] * 5
    assert await count(engine, "SELECT count(*) FROM changed_customers") == 0
    assert [await rows(engine, table, [ben]) for table in read] == others


async def test_a_bus_that_is_away_delays_what_is_told_and_nothing_else(engine: AsyncEngine) -> None:
    """Deleted before anybody is told; the redelivered request tells it from its row."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    asked = erase_asked(her)
    shelf.away = 1
    with pytest.raises(BusAway):
        await tell(engine, shelf, asked)
    assert await traces(engine, ANNA, MARK) == []
    assert erased(shelf) == []
    await tell(engine, shelf, asked, now=day(6))
    (told,) = erased(shelf)
    assert (told.customer_id, told.erased_at) == (her, day(5))
