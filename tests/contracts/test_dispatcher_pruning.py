"""What the dispatcher keeps for a time only, on a real PostgreSQL: it goes, nothing else does."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from services.dispatcher.ledger import pruning
from services.dispatcher.ledger.pruning import ALERTS_KEPT, HISTORY_KEPT, prune
from shared.events.envelope import Event
from shared.events.ids import name_id
from shared.events.outcomes import MessageOpened
from tests.builders.decisions import NOW, decision
from tests.builders.digests import MOST, book, herald, unhappy
from tests.builders.dispatching import Dispatching, dispatching, play, rules

DAY = timedelta(days=1)
INVITE = play("thanks", "promoter", "invite")


async def count(d: Dispatching, table: str) -> int:
    (found,) = await d.scalars(f"SELECT count(*) FROM {table}")
    return int(found)


async def pruned(d: Dispatching, at: datetime) -> dict[str, Any]:
    """Prune as at that moment; returns what the log says."""
    with capture_logs() as lines:
        await prune(d.engine, at)
    (line,) = (line for line in lines if line["event"] == "dispatcher.pruned")
    return dict(line)


async def test_how_a_delivery_came_to_its_state_goes_and_the_delivery_stays(database: str) -> None:
    """After 400 days; and the same decision told again still leads to no second one."""
    told = decision(segment="promoter")
    async with dispatching(database, rules(INVITE)) as d:
        await d.tell(told)
        await d.run()
        await d.execute("UPDATE delivery_changes SET untold = false")
        read = MessageOpened(delivery_id=(await d.row()).id, channel="email", occurred_at=NOW)
        await d.tell(Event(name_id("opened", read.delivery_id), "tests", NOW, read))
        changes = await count(d, "delivery_changes")
        await prune(d.engine, NOW + HISTORY_KEPT - DAY)
        assert (await count(d, "delivery_changes"), await count(d, "planned")) == (changes, 1)
        assert await count(d, "message_changes") == 1
        line = await pruned(d, NOW + HISTORY_KEPT + DAY)
        assert (line["delivery_changes"], line["planned"]) == (changes, 1)
        assert (await count(d, "delivery_changes"), await count(d, "planned")) == (0, 0)
        assert (line["message_changes"], await count(d, "message_changes")) == (1, 0)
        assert ((await d.row()).state, (await d.row()).message) == ("accepted", "opened")
        await d.tell(told)
        await d.run()
        assert len(await d.rows()) == len(d.carriers["sandbox"].actions) == 1


async def test_what_was_not_told_yet_is_kept_however_old(database: str) -> None:
    """With the bus away for ever, a change waits for ever."""
    async with dispatching(database, rules(INVITE)) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        await prune(d.engine, NOW + HISTORY_KEPT + DAY)
        assert set(await d.scalars("SELECT untold FROM delivery_changes")) == {True}


async def test_what_alerts_and_digests_said_goes_after_three_months(database: str) -> None:
    """The row of the last digest that arrived stays: by it silence is told."""
    async with dispatching(database, book()) as d:
        teller = herald(d)
        for _ in range(2):
            await d.tell(*(unhappy(3) for _ in range(MOST + 1)))
            await d.run("alerts")
            d.now += timedelta(hours=1)
            await teller.step()
        arrived = d.now
        assert (await count(d, "alerts"), await count(d, "notices")) == (2 * (MOST + 1), 2)
        await prune(d.engine, NOW + ALERTS_KEPT - DAY)
        assert (await count(d, "alerts"), await count(d, "notices")) == (2 * (MOST + 1), 2)
        await prune(d.engine, arrived + ALERTS_KEPT + DAY)
        assert await count(d, "alerts") == 0
        assert await d.scalars("SELECT at FROM notices") == [arrived]
        assert len(await d.rows()) == 2 * (MOST + 1)


async def test_a_notice_that_is_still_to_go_is_kept(database: str) -> None:
    """Only what ended goes: told, refused or too late."""
    async with dispatching(database, book()) as d:
        for state in ("waiting", "sending", "accepted", "accepted", "rejected", "expired"):
            await d.execute(
                """
                INSERT INTO notices
                    (id, kind, target, action, channel, begun, due, deadline, state, reason, at)
                VALUES (:id, 'digest', 'alerts', 'a', 'chat', :at, :at, :at, :state, '', :at)
                """,
                id=uuid.uuid4(),
                state=state,
                at=NOW,
            )
        await prune(d.engine, NOW + ALERTS_KEPT + DAY)
        left = await d.scalars("SELECT state FROM notices ORDER BY state")
        assert left == ["accepted", "accepted", "sending", "waiting"]


async def test_much_goes_in_many_short_transactions(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the first look after a year."""
    monkeypatch.setattr(pruning, "_MOST", 2)
    async with dispatching(database, rules(INVITE)) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(5)))
        line = await pruned(d, NOW + HISTORY_KEPT + DAY)
        assert line["planned"] == 5
        assert await count(d, "planned") == 0


async def test_a_look_that_finds_nothing_reads_no_table_from_end_to_end(database: str) -> None:
    """Millions of rows lie there, and once an hour hardly one is too old."""
    async with dispatching(database, rules(INVITE)) as d:
        await d.execute(
            """
            INSERT INTO planned (decision_id, customer_id, planned_at)
            SELECT gen_random_uuid(), gen_random_uuid(),
                CAST(:at AS timestamptz) + n * interval '1 s'
            FROM generate_series(1, 40000) n
            """,
            at=NOW,
        )
        await d.execute("ANALYZE planned")
        values = {"before": NOW - DAY, "most": 5000}
        async with d.engine.begin() as connection:
            await connection.execute(pruning._BY_INDEX)
            explain = text(f"EXPLAIN {pruning._TABLES['planned'].delete}")
            plan = [row[0] for row in await connection.execute(explain, values)]
        assert [line for line in plan if "Bitmap Index Scan on planned_at" in line]
        assert not [line for line in plan if "Seq Scan" in line]
