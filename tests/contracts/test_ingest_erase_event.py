"""A person is erased everywhere: what ingest does when it hears of it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from services.ingest.fetch.fetches import Fetches
from services.ingest.keep import tombstones
from services.ingest.keep.erasing import Erasing
from services.ingest.keep.spool_table import Entry, SpoolTable
from services.ingest.told import Thin
from shared import identifiers
from shared.bus.consume import Received
from shared.bus.port import Message, Partition, Record
from shared.errors import DependencyAway
from shared.events import envelope
from shared.events.decisions import CustomerErased
from shared.events.envelope import DECISIONS, FEEDBACK, Event, encode
from shared.events.feedback import CustomerUpdated
from shared.events.outcomes import ErasureConfirmed
from shared.events.vocabulary import Identifier
from tests.builders import decisions
from tests.builders.erasing import consumed, email, erasure, forgotten, hashed, marks
from tests.builders.facts import Shelf
from tests.builders.ingest import Ingest
from tests.builders.remapping import NOW, SOURCE, answer, mapped_by, send
from tests.builders.waiting import eventually

ANA, BEN = "ana@example.com", "ben@example.com"
#: Said since she was erased: hers, and a new customer's.
AFTER = "2026-11-22T08:30:00Z"
EARLY = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
STORES = ("bodies", "quarantine", "spool", "fetches")


def deleted(ingest: Ingest) -> dict[str, float]:
    """Read how many rows went, by store."""
    return {each: ingest.metric("nps_ingest_forgotten_total", store=each) for each in STORES}


def entry(number: int, who: Identifier, at: datetime) -> Entry:
    """One event of the spool."""
    data = CustomerUpdated(identifiers=(who,), occurred_at=at)
    event = Event(UUID(int=number), "crm", at, data)
    return Entry(event.id, marks(who), NOW, Message(FEEDBACK, "key", encode(event)))


async def test_what_was_said_of_her_goes_and_what_she_said_since_stays(
    ingest: Ingest, ingest_engine: AsyncEngine
) -> None:
    """Bodies, quarantine, spool and fetches; of others nothing."""
    await send(ingest, answer(1, email=ANA))
    await send(ingest, answer(2, email=ANA, answered_at=AFTER))
    await send(ingest, answer(3, email=BEN))
    await send(ingest, answer(4, email=ANA, score="x"))
    await send(ingest, answer(5, email=BEN, score="x"))
    await ingest.settled()
    await ingest.change(f"UPDATE ingest.quarantine SET received_at = '{EARLY}'")
    spool, fetches = SpoolTable(ingest_engine), Fetches(ingest_engine)
    waiting = [
        entry(number, email(who), at)
        for number, (who, at) in enumerate([(ANA, EARLY), (ANA, NOW), (BEN, EARLY)])
    ]
    await spool.add(waiting, lambda _size: len(waiting))
    for number, (who, at) in enumerate([(ANA, EARLY), (ANA, NOW), (BEN, EARLY)]):
        await fetches.put(SOURCE, [Thin("s", f"F-{number}", at, {"who": who})], at)

    with capture_logs() as logs:
        await forgotten(ingest, email(ANA))

    assert deleted(ingest) == dict.fromkeys(STORES, 1)
    (line,) = [one for one in logs if one["event"] == "ingest.person_erased"]
    assert {name: line[name] for name in STORES} == dict.fromkeys(STORES, 1)
    assert ANA not in str(logs)
    left = await ingest.rows("SELECT response_id FROM ingest.bodies ORDER BY id")
    assert left == [("R-2",), ("R-3",)]
    ((body,),) = await ingest.rows("SELECT body FROM ingest.quarantine")
    assert BEN.encode() in bytes(body)  # type: ignore[call-overload]
    waits = await ingest.rows("SELECT event_id FROM ingest.spool ORDER BY 1")
    assert waits == [(UUID(int=1),), (UUID(int=2),)]
    assert await ingest.rows("SELECT response_id FROM ingest.fetches ORDER BY 1") == [
        ("F-1",),
        ("F-2",),
    ]


async def test_her_responses_go_whoever_they_name(
    ingest: Ingest, ingest_engine: AsyncEngine
) -> None:
    """Score first and address later; also where only the segmenter knows whose a response is."""
    await send(ingest, answer(1, email=None))
    await send(ingest, answer(1, email=ANA, score=8))
    await send(ingest, answer(2, email=None))
    await send(ingest, answer(3, email=None))
    await send(ingest, answer(4, email=None, score="x"))
    await ingest.settled()
    thin = Thin("relational", "R-1", EARLY, {})
    await Fetches(ingest_engine).put(SOURCE, [thin], EARLY)
    known = [identifiers.response(SOURCE, "relational", f"R-{number}") for number in (2, 4)]
    await forgotten(ingest, email(ANA), *known)
    assert await ingest.rows("SELECT response_id FROM ingest.bodies") == [("R-3",)]
    assert deleted(ingest) == {"bodies": 3, "quarantine": 1, "spool": 0, "fetches": 1}
    first = identifiers.response(SOURCE, "relational", "R-1")
    found = await ingest.rows("SELECT hashed FROM ingest.tombstones")
    assert set(hashed(email(ANA), first, *known)) <= {row[0] for row in found}


async def test_told_again_it_changes_nothing(ingest: Ingest) -> None:
    """Such as after a crash before the offset was committed."""
    await send(ingest, answer(1, email=ANA))
    await ingest.settled()
    for _ in range(2):
        await forgotten(ingest, email(ANA))
    assert deleted(ingest)["bodies"] == 1


async def test_all_else_on_the_topic_is_passed_over(ingest: Ingest) -> None:
    """Neither decoded nor dead-lettered, and not read again by the next process."""
    decided = encode(decisions.told(decisions.decision()))
    noise = [Message(DECISIONS, "key", content) for content in (b"\xff", b"{}", decided)]
    await ingest.bus.publisher.publish([*noise, erasure(email(ANA)), *noise])
    await consumed(ingest, 1)
    await ingest.bus.publisher.publish([erasure(email(BEN))])
    await consumed(ingest, 2)
    group = "SELECT next_offset FROM bus.groups WHERE name = 'ingest' AND topic = 'nps.decisions'"
    ends = "SELECT max(\"offset\") + 1 FROM bus.records WHERE topic = 'nps.decisions'"
    assert await ingest.rows(group) == await ingest.rows(ends)
    assert await ingest.rows("SELECT 1 FROM bus.records WHERE topic LIKE '%.dead'") == []


async def test_a_body_in_another_replica_is_never_written(
    ingest: Ingest, emptied_database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It waits in memory there while she is erased here."""
    async with mapped_by(emptied_database, tmp_path_factory.mktemp("other")) as other:
        await send(other, answer(1, email=ANA))
        await send(other, answer(2, email=BEN))
        await forgotten(ingest, email(ANA))
        await other.settled()
    assert await ingest.rows("SELECT response_id FROM ingest.bodies") == [("R-2",)]


async def test_who_writes_meanwhile_is_waited_for(
    ingest: Ingest, ingest_engine: AsyncEngine
) -> None:
    """A replica that looked for tombstones before there were any writes before rows are deleted."""
    async with ingest_engine.begin() as connection:
        assert await tombstones.read(connection, marks(email(ANA))) == {}
        task = asyncio.create_task(forgotten(ingest, email(ANA)))

        async def waits() -> bool:
            locks = (
                "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
                " WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
            )
            return bool(await ingest.rows(locks))

        await eventually(waits)
        await connection.execute(
            text(
                "INSERT INTO quarantine (id, source, received_at, path, rule, mapping,"
                " content_type, body, people) VALUES (:id, 'stall', :at, 'p', 'r', 'm', '', '',"
                " :people)"
            ),
            {"id": UUID(int=1), "at": EARLY, "people": list(marks(email(ANA)))},
        )
    await task
    assert await ingest.kept() == 0


async def said(ingest: Ingest) -> list[ErasureConfirmed]:
    """What was said on the bus of erasures that are done."""
    rows = await ingest.rows("SELECT value FROM bus.records WHERE topic = 'nps.outcomes'")
    events = [envelope.decode(bytes(value)) for (value,) in rows]  # type: ignore[call-overload]
    found = {one.id: one.data for one in events if isinstance(one.data, ErasureConfirmed)}
    assert len({data.erasure_id for data in found.values()}) == len(found)
    return [one.data for one in events if isinstance(one.data, ErasureConfirmed)]


async def test_that_it_is_done_is_said_and_said_again_when_it_is_told_again(
    ingest: Ingest,
) -> None:
    """Under the same id: whoever missed the word hears it, and nobody hears of two."""
    one = erasure(email(ANA))
    await ingest.bus.publisher.publish([one])
    await consumed(ingest, 1)
    await ingest.bus.publisher.publish([one, erasure(email(BEN))])
    await consumed(ingest, 3)
    told = await said(ingest)
    told_of = envelope.decode(one.value).data
    assert isinstance(told_of, CustomerErased)
    assert [each.part for each in told] == ["ingest"] * 3
    assert [each.erasure_id == told_of.erasure_id for each in told] == [True, True, False]


async def test_an_erasure_in_several_parts_is_done_with_the_last(ingest: Ingest) -> None:
    """Her identifiers are many: until the last part some of them are not known here."""
    read = envelope.decode(erasure(email(ANA)).value)
    assert isinstance(read.data, CustomerErased)
    for last in (False, True):
        part = replace(read, data=read.data.model_copy(update={"last": last}))
        await ingest.bus.publisher.publish([Message(DECISIONS, "key", encode(part))])
        await consumed(ingest, 1 + last)
        assert len(await said(ingest)) == int(last)


class _Refusing:
    """A database that takes no such statement today."""

    async def erase(self, _people: object, _before: object) -> object:
        raise DBAPIError("DELETE", {}, OSError("canceling statement due to statement timeout"))


async def test_a_database_that_refuses_is_waited_for() -> None:
    """A process that takes messages in must not end because an erasure takes too long."""
    handler = Erasing(_Refusing(), Shelf(), CollectorRegistry(), clock=lambda: NOW)  # type: ignore[arg-type]
    message = erasure(email(ANA))
    record = Record(Partition(DECISIONS, 0), 0, message.key, message.value, NOW)
    with pytest.raises(DependencyAway):
        await handler([Received(record, envelope.decode(message.value))])
