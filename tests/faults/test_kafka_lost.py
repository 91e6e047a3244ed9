"""All of Kafka lost, disks and all: what docs/operations.md tells to do, and what it promises.

What was handled is not done twice; what was accepted while Kafka was away comes by itself; what lay
on its disks unhandled is listed by the queries of that page, and comes when it is told again.
"""

from pathlib import Path

import pytest

from services.ingest.examples import Answer
from tests.builders.brokers import Broker, JavaBroker
from tests.builders.commands import sql_in
from tests.builders.postgres import run_sql
from tests.builders.processes import ROOT
from tests.builders.sink import Sink
from tests.builders.system import System, open_system
from tests.builders.tools import missing
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka

KNOWN, GONE, OPEN, UNREAD, SPOOLED = (
    Answer(response_id=name, score=2, comment="Trop cher.", email=f"{name}@example.com")
    for name in ("known", "gone", "open", "unread", "spooled")
)
#: A request to forget somebody that was told ten minutes ago and is not confirmed is told again.
LATER = "UPDATE segmenter.erasures SET told_at = told_at - interval '11 minutes'"
QUERIES = sql_in((ROOT / "docs" / "operations.md").read_text(encoding="utf-8"))


async def unread(system: System) -> set[str]:
    """Answers that ingest keeps and the segmenter has not handled, by the page's query."""
    return {row.response_id for row in await system.rows(QUERIES["unread"])}


async def unplanned(system: System) -> set[str]:
    """Customers with a decision that the dispatcher has not seen, by the page's query."""
    return {str(row.customer_id) for row in await system.rows(QUERIES["unplanned"])}


async def kept(system: System, names: set[str]) -> bool:
    """Tell whether the bodies of these answers are kept: they are written soon after the 202."""
    rows = await system.rows("SELECT response_id FROM ingest.bodies")
    return names <= {row.response_id for row in rows}


async def decided(system: System, answers: int) -> bool:
    """Tell whether so many answers are decided."""
    ((count,),) = await system.rows("SELECT count(*) FROM segmenter.answers")
    return bool(count == answers)


async def planned(system: System, customer_id: str) -> bool:
    """Tell whether the dispatcher has seen every decision about a customer."""
    return customer_id not in await unplanned(system)


async def forgotten(system: System, where: str) -> bool:
    """Tell whether a service has done the one erasure that was asked for."""
    ((at,),) = await system.rows(f"SELECT {where} FROM segmenter.erasures")
    return at is not None


async def test_what_a_lost_cluster_held_is_listed_and_comes_when_told_again(
    tmp_path: Path, server: str, own_kafka: Broker, sink: Sink
) -> None:
    """Step by step as the page has it: ingest runs on, the others stop, new topics, all start."""
    if not isinstance(own_kafka, JavaBroker):
        missing("KAFKA TEST NOT RUN: install Java 17 or newer and Maven (it empties the disks)")
    await own_kafka.start()
    async with open_system(tmp_path, server, own_kafka.bootstrap_servers, sink) as system:
        await system.start()
        await system.answer(KNOWN)
        before = await system.settled("known@example.com", 2)
        await system.answer(GONE)
        await system.settled("gone@example.com", 2)
        await system.dispatcher.stop()
        await system.operate(system.segmenter, "/v1/customers/erase", {"email": "gone@example.com"})
        await eventually(lambda: forgotten(system, "done_at"), what="she is forgotten here")
        await system.answer(OPEN)
        await eventually(lambda: decided(system, 2), what="a decision that nobody plans")
        await system.segmenter.stop()
        await system.answer(UNREAD)
        await eventually(lambda: kept(system, {"known", "open", "unread"}), what="kept bodies")

        await own_kafka.kill()
        await system.answer(SPOOLED)
        await own_kafka.lose()
        await system.make_topics()
        await system.segmenter.start()
        await system.dispatcher.start()
        await system.ingest.ready()

        await system.settled("spooled@example.com", 2)
        assert not await forgotten(system, "dispatcher_at")
        await run_sql(system.database, LATER)
        await eventually(lambda: forgotten(system, "dispatcher_at"), what="and there")
        assert await unread(system) == {"unread"}
        (hers,) = await system.customers("open@example.com")
        assert hers["customer_id"] in await unplanned(system)
        assert await system.deliveries("open@example.com") == []

        for answer in (KNOWN, OPEN, UNREAD):
            await system.answer(answer)
        await system.settled("open@example.com", 2)
        await system.settled("unread@example.com", 2)
        after = await system.settled("known@example.com", 2)

        assert {one["id"] for one in after} == {one["id"] for one in before}
        assert await unread(system) == set()
        # What became of her deliveries is decided, too, and on its way for a moment.
        await eventually(lambda: planned(system, hers["customer_id"]), what="nothing unplanned")
    assert set(sink.effects.values()) == {1}
    assert len(sink.effects) == 10
