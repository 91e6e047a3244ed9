"""What ingest answers when it cannot keep anything: 503 in time, and nothing acknowledged lost."""

import asyncio
import dataclasses
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from shared.bus.port import Message
from shared.database import migrate, provision
from shared.embedded import EmbeddedPostgres
from shared.http.problems import Problem
from shared.process import Context
from tests.builders import responses
from tests.builders.ingest import running_ingest
from tests.builders.ingest_store import BusWith, SwitchedBus, replica, told
from tests.builders.postgres import read_sql
from tests.builders.waiting import eventually


class _Hanging:
    """A broker that takes records and never acknowledges."""

    async def publish(self, _messages: Sequence[Message]) -> None:
        await asyncio.Event().wait()


async def _hang(context: Context) -> Context:
    return dataclasses.replace(context, bus=BusWith(context.bus, _Hanging()))


class _SpooledBus:
    """The real log behind a switch, in an ingest that has a spool as with Kafka."""

    def __init__(self) -> None:
        self.publisher: SwitchedBus

    async def wrap(self, context: Context) -> Context:
        """Put the switch between ingest and the bus."""
        self.publisher = SwitchedBus(context.bus.publisher, away=True)
        settings = context.settings.model_copy(update={"bus": "kafka"})
        bus = BusWith(context.bus, self.publisher)
        return dataclasses.replace(context, bus=bus, settings=settings)


def _is_come_again(answer: object) -> bool:
    status = getattr(answer, "status_code", None)
    headers = getattr(answer, "headers", {})
    return status == 503 and 1 <= int(headers["Retry-After"]) <= 30


async def test_a_bus_that_never_acknowledges_is_503_within_5_s(database: str) -> None:
    """The sender is told to come again before it loses patience, and the service says unready."""
    async with running_ingest(database, wrap=_hang) as ingest:
        async with asyncio.timeout(5):
            webhook, event = await asyncio.gather(
                ingest.post(responses.shop(responses.answer())),
                ingest.tell(
                    {
                        "specversion": "1.0",
                        "id": "1",
                        "source": "crm",
                        "type": "customer.updated",
                        "data": {"identifiers": {"external_id": "C-1"}},
                    }
                ),
            )
        assert _is_come_again(webhook)
        assert _is_come_again(event)
        assert await ingest.part.ready() == ["the bus did not acknowledge"]


async def test_with_the_bus_away_responses_are_accepted_and_arrive_when_it_is_back(
    database: str,
) -> None:
    """202 each, the service stays ready, and the part's own loop brings them to the bus."""
    bus = _SpooledBus()
    async with running_ingest(database, wrap=bus.wrap) as ingest:
        requests = [responses.shop(responses.answer(f"R-{number}")) for number in range(20)]
        async with asyncio.timeout(5):
            answers = [await ingest.post(request) for request in requests]
        assert {answer.status_code for answer in answers} == {202}
        assert bus.publisher.calls == 1  # all others did not even ask
        assert await ingest.part.ready() == []
        assert await ingest.published() == []

        stopping = asyncio.Event()
        task = asyncio.ensure_future(ingest.part.tasks["drain"](stopping))

        async def seen_away() -> bool:
            return bus.publisher.calls > 2

        async def all_there() -> bool:
            told = {str(event.id) for event in await ingest.published()}
            return told == {answer.json()["event_id"] for answer in answers}

        await eventually(seen_away, what="the loop asking for the bus")
        assert ingest.metric("nps_ingest_bus_away") == 1
        bus.publisher.away = False
        await eventually(all_there, what="every event on the bus")
        stopping.set()
        await task
        assert ingest.metric("nps_ingest_bus_away") == 0
        assert await ingest.rows("SELECT rows, bytes FROM ingest.spool_size") == [(0, 0)]


async def test_with_bus_and_spool_full_nothing_is_accepted(database: str, tmp_path: Path) -> None:
    """Beyond the limit of `sources.yaml` senders are told to come again; what is in stays."""
    (tmp_path / "sources.yaml").write_text(
        "sources: {shop: {preset: generic, secrets: [env:NPS_SECRET_SHOP]}}\nspool: {rows: 2}\n"
    )
    bus = _SpooledBus()
    async with running_ingest(database, config=tmp_path, wrap=bus.wrap) as ingest:
        answers = [
            await ingest.post(responses.shop(responses.answer(f"R-{number}")))
            for number in range(3)
        ]
        assert [answer.status_code for answer in answers] == [202, 202, 503]
        assert _is_come_again(answers[2])
        assert await ingest.rows("SELECT rows FROM ingest.spool_size") == [(2,)]


async def test_a_dead_database_is_503_within_5_s_and_works_again_later(
    own_postgres: EmbeddedPostgres,
) -> None:
    """Killed: accepted, unmappable and listed requests get 503; started again: 202."""
    url = await own_postgres.start()
    await provision(url)
    for schema in ("ingest", "bus"):
        await migrate(url, schema)
    async with running_ingest(url) as ingest:
        assert (await ingest.post(responses.shop(responses.answer("R-1")))).status_code == 202
        assert await ingest.part.ready() == []
        await own_postgres.stop()

        async with asyncio.timeout(5):
            good = await ingest.post(responses.shop(responses.answer("R-2")))
        assert _is_come_again(good)
        async with asyncio.timeout(5):
            bad = await ingest.post(responses.shop(responses.answer("R-3", score=11)))
        assert _is_come_again(bad)
        async with asyncio.timeout(5):
            assert _is_come_again(await ingest.look())
        assert "the database does not answer" in await ingest.part.ready()

        await own_postgres.start()
        assert (await ingest.post(responses.shop(responses.answer("R-2")))).status_code == 202
        assert await ingest.part.ready() == []
        said = {getattr(event.data, "response_id", "") for event in await ingest.published()}
    assert {"R-1", "R-2"} <= said


async def test_a_database_that_hangs_is_503_within_5_s(own_postgres: EmbeddedPostgres) -> None:
    """Stopped, not dead: its connections stay open and say nothing; then it goes on as before."""
    url = await own_postgres.start()
    await provision(url)
    for schema in ("ingest", "bus"):
        await migrate(url, schema)
    async with running_ingest(url) as ingest:
        await ingest.post(responses.shop(responses.answer("R-1")))
        await ingest.post(responses.shop(responses.answer("R-1", score=11)))
        pids = [int(str(pid)) for (pid,) in await ingest.rows("SELECT pid FROM pg_stat_activity")]
        stopped = [pid for pid in (own_postgres.pid, *pids) if pid and _signal(pid, signal.SIGSTOP)]
        try:
            async with asyncio.timeout(5):
                answers = await asyncio.gather(
                    ingest.post(responses.shop(responses.answer("R-2"))),
                    ingest.post(responses.shop(responses.answer("R-2", score=11))),
                    ingest.look(),
                )
            assert [_is_come_again(answer) for answer in answers] == [True] * 3
            assert "the database does not answer" in await ingest.part.ready()
        finally:
            for pid in stopped:
                _signal(pid, signal.SIGCONT)

        async def accepted() -> bool:
            answer = await ingest.post(responses.shop(responses.answer("R-2")))
            return answer.status_code == 202

        await eventually(accepted, what="acceptance after the hang")


async def test_with_bus_away_and_a_database_that_hangs_nobody_waits_5_s(
    own_postgres: EmbeddedPostgres,
) -> None:
    """503 in time, whoever gave up is forgotten, and the spool takes again after the hang."""
    url = await own_postgres.start()
    await provision(url)
    await migrate(url, "ingest")
    one = replica(url, _Hanging())
    one.bus.away = True
    await one.intake.publish([told(0)])
    sessions = "SELECT pid FROM pg_stat_activity"
    pids = [int(str(pid)) for (pid,) in await read_sql(url, sessions)]
    stopped = [pid for pid in (own_postgres.pid, *pids) if pid and _signal(pid, signal.SIGSTOP)]
    try:
        async with asyncio.timeout(5):
            answers = await asyncio.gather(
                *(one.intake.publish([told(number)]) for number in range(20)),
                return_exceptions=True,
            )
        assert [getattr(answer, "status", None) for answer in answers] == [503] * 20
    finally:
        for pid in stopped:
            _signal(pid, signal.SIGCONT)

    async def accepted() -> bool:
        try:
            await one.intake.publish([told(100)])
        except Problem:
            return False
        return True

    await eventually(accepted, what="acceptance after the hang")
    assert (await one.spool.look()).rows >= 2
    await one.engine.dispose()


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # the connection that listed the others is gone
        return False
    return True


async def test_old_rows_leave_the_quarantine(database: str) -> None:
    """What is older than its time is deleted by the part's own task, the rest stays."""
    async with running_ingest(database) as ingest:
        for number in range(2):
            await ingest.post(responses.shop(responses.answer(f"R-{number}", score=11)))
        await ingest.change(
            "UPDATE ingest.quarantine SET received_at = received_at - interval '31 days' "
            "WHERE id = (SELECT min(id::text)::uuid FROM ingest.quarantine)"
        )
        stopping = asyncio.Event()
        task = asyncio.ensure_future(ingest.part.tasks["pruning"](stopping))

        async def one_is_left() -> bool:
            return await ingest.kept() == 1

        await eventually(one_is_left, what="pruning")
        stopping.set()
        await task
