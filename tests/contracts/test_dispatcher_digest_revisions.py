"""Digests and what comes after them: a revision is told, and what nobody was told is not lost."""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text

from services.dispatcher.calls.calls import ActionCall, Verdict
from services.dispatcher.lanes.sweep import sweep
from shared.events.decisions import CustomerDecided, Snapshot
from tests.builders.decisions import NOW, decision
from tests.builders.digests import MOST, book, herald, unhappy
from tests.builders.dispatching import Dispatching, dispatching

HOUR = timedelta(hours=1)


async def gathered(machine: Dispatching, more: int = 1) -> list[uuid.UUID]:
    """Let the chat hear of three, and a digest gather some more; returns whom that is about."""
    await machine.tell(*(unhappy(3) for _ in range(MOST + more)))
    await machine.run("alerts")
    rows = await machine.rows(state="superseded")
    assert len(rows) == more
    return [row.customer_id for row in rows]


async def answer_of(machine: Dispatching, customer: uuid.UUID) -> uuid.UUID:
    """Return the cause of the alert about a customer."""
    cause: uuid.UUID = (await machine.rows(customer_id=customer))[0].cause_id
    return cause


async def revised(
    machine: Dispatching, customer: uuid.UUID, score: int, version: int = 2
) -> CustomerDecided:
    """What is decided after a revision of the answer that her alert is about."""
    snapshot = Snapshot(
        score=score, segment="promoter" if score > 8 else "detractor", last_answered_at=NOW
    )
    cause = await answer_of(machine, customer)
    return decision(customer, version=version, snapshot=snapshot, cause=cause, at=machine.now)


def digests(machine: Dispatching) -> Sequence[ActionCall]:
    """Return the digests that were sent."""
    return [call for call in machine.carriers["alerts"].actions if call.notice is not None]


async def test_a_digest_tells_what_is_so_when_it_goes(database: str) -> None:
    """Revised before the hour's end: the digest says 9, and nobody reads that it was 3."""
    async with dispatching(database, book()) as machine:
        (customer,) = await gathered(machine)
        await machine.tell(await revised(machine, customer, 9))
        await machine.run("alerts")
        machine.now += HOUR
        assert await herald(machine).step() == 1
        (digest,) = digests(machine)
        assert digest.notice is not None
        assert "9/10, promoter" in digest.notice[1]
        assert "3/10" not in digest.notice[1]
        assert len(await machine.rows()) == MOST + 1


async def test_what_a_digest_told_wrongly_is_corrected_by_a_line_of_its_own(database: str) -> None:
    """Revised after it: one correction, that says what was read; again, and it says that."""
    async with dispatching(database, book()) as machine:
        (customer,) = await gathered(machine)
        machine.now += HOUR
        await herald(machine).step()
        for version, score in ((2, 9), (3, 9), (4, 2)):
            await machine.tell(await revised(machine, customer, score, version))
            await machine.run("alerts")
        corrections = [call for call in machine.carriers["alerts"].actions if call.corrects]
        told = [(call.corrects.was["nps_score"], call.attributes["nps_score"])
                for call in corrections if call.corrects]  # fmt: skip
        assert told == [(3, 9), (9, 2)]
        assert {call.corrects.reference for call in corrections if call.corrects} == {None}
        assert {call.customer_id for call in corrections} == {customer}


async def test_a_digest_on_its_way_is_corrected_once_it_has_arrived(database: str) -> None:
    """Its words are said already: the correction waits for it, and then follows."""
    async with dispatching(database, book()) as machine:
        (customer,) = await gathered(machine)
        machine.now += HOUR
        await machine.execute(
            "UPDATE notices SET state = 'sending', lease_until = now() + interval '1 h'"
        )
        await machine.tell(await revised(machine, customer, 9))
        await machine.run("alerts")
        waiting = (await machine.rows(state="waiting"))[0]
        assert waiting.reason == "the alert that it corrects is on its way"
        await machine.execute("UPDATE notices SET state = 'accepted'")
        machine.now += timedelta(minutes=1)
        await machine.run("alerts")
        *_, last = machine.carriers["alerts"].actions
        assert last.corrects is not None
        assert last.customer_id == customer


async def test_a_digest_waits_for_a_revision_that_is_being_written(database: str) -> None:
    """Else it would be told without it, and nobody would correct it."""
    async with dispatching(database, book()) as machine:
        await gathered(machine)
        machine.now += HOUR
        async with machine.engine.begin() as connection:
            await connection.execute(text("SELECT 1 FROM notices FOR SHARE"))
            assert await herald(machine).step() == 0
        assert await herald(machine).step() == 1


async def test_a_digest_that_is_refused_gives_its_alerts_back(database: str) -> None:
    """As many as an hour bears go by themselves, the others in the next digest; each is told."""
    async with dispatching(database, book()) as machine:
        customers = await gathered(machine, more=MOST + 2)
        machine.carriers["alerts"].on_act = lambda _: Verdict("reject", "too long")
        machine.now += HOUR
        await herald(machine).step()
        machine.carriers["alerts"].on_act = lambda _: Verdict("ok", "posted")
        changed = await sweep(machine.engine, ["alerts", "sandbox"], machine.now)
        assert Counter(one.state for one in changed) == {"planned": MOST + 2}
        assert {one.reason.partition(" ")[0] for one in changed} == {"digest"}
        assert await sweep(machine.engine, ["alerts", "sandbox"], machine.now) == []
        before = len(machine.carriers["alerts"].actions)
        await machine.run("alerts")
        single = machine.carriers["alerts"].actions[before:]
        assert len(single) == MOST
        machine.now += HOUR
        await herald(machine).step()
        last = digests(machine)[-1].notice
        assert last is not None
        told = {call.customer_id for call in single} | {c for c in customers if str(c) in last[1]}
        assert told == set(customers)


async def test_a_digest_that_found_no_way_gives_its_alerts_back_and_late_ones_expire(
    database: str,
) -> None:
    """A target that is gone for a day: the ledger says expired, not that somebody was told."""
    async with dispatching(database, book()) as machine:
        (customer,) = await gathered(machine)
        machine.now += timedelta(days=30)
        (given_back,) = await sweep(machine.engine, ["sandbox"], machine.now)
        assert given_back.reason.endswith("was expired: goes on by itself")
        (late,) = await sweep(machine.engine, ["sandbox"], machine.now)
        assert (late.state, late.customer_id) == ("expired", customer)
        assert await machine.scalars("SELECT state FROM notices") == ["expired"]


async def test_a_correction_of_what_was_never_told_is_not_sent(database: str) -> None:
    """Revised while its digest was sent, which was refused: the alert itself says what is so."""
    async with dispatching(database, book()) as machine:
        (customer,) = await gathered(machine)
        machine.now += HOUR
        await machine.execute("UPDATE notices SET state = 'sending'")
        await machine.tell(await revised(machine, customer, 2))
        await machine.execute("UPDATE notices SET state = 'rejected'")
        changed = await sweep(machine.engine, ["alerts", "sandbox"], machine.now)
        assert Counter(one.state for one in changed) == {"planned": 1, "superseded": 1}
        await machine.run("alerts")
        *_, last = machine.carriers["alerts"].actions
        assert (last.customer_id, last.corrects) == (customer, None)
        assert last.attributes["nps_score"] == 2


async def test_what_was_never_told_and_is_no_alert_any_more_is_not_told(database: str) -> None:
    """Revised to a nine while its digest was sent, which was refused: nobody need hear of it."""
    async with dispatching(database, book()) as machine:
        (customer,) = await gathered(machine)
        machine.now += HOUR
        sent = len(machine.carriers["alerts"].actions)
        await machine.execute("UPDATE notices SET state = 'sending'")
        await machine.tell(await revised(machine, customer, 9))
        await machine.execute("UPDATE notices SET state = 'rejected'")
        await sweep(machine.engine, ["alerts", "sandbox"], machine.now)
        await machine.run("alerts")
        assert len(machine.carriers["alerts"].actions) == sent
        hers = await machine.rows(customer_id=customer)
        assert {row.state for row in hers} == {"superseded"}
        assert any(row.reason.startswith("her answer was revised: ") for row in hers)
