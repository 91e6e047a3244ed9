"""Mail and lists behind the ledger: doubt stays doubt, and a lost worker's row is found again."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from services.dispatcher.calls.calls import ActionCall, Carrier, Verdict
from shared.events.decisions import Permit
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import NOW, decision, later
from tests.builders.dispatching import dispatching, play, rules
from tests.builders.lists import list_carrier, read
from tests.builders.mail_server import mail_carrier, mail_server
from tests.builders.waiting import eventually

SOURCES = {
    "INVITE_T.en.subject.txt.j2": "Hello",
    "INVITE_T.en.txt.j2": "Hello.",
    "INVITE_T.en.html.j2": '<html lang="en"><body><p>Hello.</p></body></html>',
}
INVITE = play("thanks", "promoter", "invite")
LETTER = play("thanks", "promoter", "invite", channels=["post"])
POST = Permit(contact_class="marketing", channel="post", allowed=True, reason="said so")


class Through(ScriptedCarrier):
    """Takes profiles as ever, and hands actions to a real carrier; `gate` holds its answers."""

    def __init__(self, inner: Carrier) -> None:
        super().__init__(action_idempotency=inner.action_idempotency)
        self.inner = inner
        self.held: asyncio.Event | None = None

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Really act; then, if held, never answer."""
        verdict = await self.inner.act(call, budget=budget, now=now)
        self.actions.append(call)
        if self.held is not None:
            await self.held.wait()
        return verdict


async def test_a_message_that_may_have_been_taken_is_not_sent_again(database: str) -> None:
    """The server hung up after it had the message: one message, in doubt, for a person."""
    async with mail_server() as server:
        server.closes = "DATA"
        carrier = Through(mail_carrier(server.port, sources=SOURCES, at=NOW))
        async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
            await d.tell(decision(segment="promoter"))
            await d.run()
            server.closes = ""
            await d.run_until(later(hours=2), every=timedelta(minutes=30))
            row = await d.row()
        assert (row.state, len(server.received)) == ("in_doubt", 1)


async def test_a_greylisted_message_arrives_later_once(database: str) -> None:
    """451 is "come back": the ledger's own schedule does."""
    async with mail_server() as server:
        server.says["RCPT"] = "451 4.7.1 later"
        carrier = Through(mail_carrier(server.port, sources=SOURCES, at=NOW))
        async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
            await d.tell(decision(segment="promoter"))
            await d.run()
            assert (await d.row()).state == "waiting"
            server.says.clear()
            await d.run_until(later(minutes=10), every=timedelta(minutes=1))
            row = await d.row()
        assert (row.state, len(server.received)) == ("accepted", 1)
        assert row.reference == f"<{row.id}@shop.example>"


async def test_a_worker_lost_after_its_row_was_written_finds_it_there(
    database: str, tmp_path: Path
) -> None:
    """Killed between write and record: the next one looks first, and there is one row."""
    carrier = Through(list_carrier(tmp_path, at=NOW))
    async with dispatching(database, rules(LETTER), carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter", permits=(POST,)))
        lost = d.lane("sandbox")
        await d.fresh()
        await lost.step()
        await lost.settle()  # the profile
        carrier.held = asyncio.Event()
        await lost.step()

        async def written() -> bool:
            return bool(carrier.actions)

        await eventually(written)
        for flight in list(lost.flights.tasks):
            flight.cancel()
        await asyncio.gather(*lost.flights.tasks, return_exceptions=True)
        carrier.held = None
        await d.lapse()
        await d.run_until(later(minutes=5), every=timedelta(minutes=1))
        row = await d.row()
    assert row.state == "accepted"
    assert row.reason.startswith("there in calls-")
    assert len(read(tmp_path / str(row.reference))) == 1
    assert len(carrier.actions) == 2
