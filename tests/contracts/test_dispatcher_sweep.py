"""Deliveries that no lane looks at: their target was removed, or is paused for long."""

from datetime import timedelta

from services.dispatcher.calls.calls import Idempotency, Verdict
from services.dispatcher.lanes.sweep import REASON, sweep
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import decision, later
from tests.builders.dispatching import Dispatching, dispatching, play, rules

INVITE = rules(play("thanks", "promoter", "invite"))


async def _sweep(d: Dispatching, *targets: str) -> list[str]:
    return [changed.state for changed in await sweep(d.engine, targets, d.now)]


async def test_a_delivery_of_a_removed_target_says_why_it_waits_and_expires(
    database: str,
) -> None:
    """Visible with its reason, one change however often it is looked at, and never for ever."""
    async with dispatching(database, INVITE) as d:
        await d.tell(decision(segment="promoter"))
        assert await _sweep(d, "alerts") == ["waiting"]
        assert await _sweep(d, "alerts") == []
        row = await d.row()
        assert (row.reason, row.until) == (REASON, later(hours=72))
        d.now = later(hours=72)
        assert await _sweep(d, "alerts") == ["expired"]
        assert await d.teller.step() == 1


async def test_a_target_that_comes_back_finds_its_deliveries(database: str) -> None:
    """Configured again, it is called as if nothing had been."""
    async with dispatching(database, INVITE) as d:
        await d.tell(decision(segment="promoter"))
        await _sweep(d, "alerts")
        assert await _sweep(d, "alerts", "sandbox") == []
        await d.run()
        assert (await d.row()).state == "accepted"


async def test_a_call_lost_at_a_removed_target_is_in_doubt(database: str) -> None:
    """Nobody is left who could judge it, so a person must."""
    carrier = ScriptedCarrier(action_idempotency=Idempotency("key"))
    async with dispatching(database, INVITE, carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        await d.execute("UPDATE deliveries SET state = 'sending'")
        await d.execute(
            "INSERT INTO calls (customer_id, target, token, lease_until, delivery_id)"
            " SELECT customer_id, target, gen_random_uuid(), now(), id FROM deliveries"
        )
        await d.lapse()
        assert await _sweep(d, "sandbox", "alerts") == []
        assert await _sweep(d, "alerts") == ["in_doubt"]
        assert await d.scalars("SELECT count(*) FROM calls") == [0]


async def test_what_a_paused_target_never_got_expires_at_its_deadline(database: str) -> None:
    """A wrong account for days: the slots come free, and it is told."""
    wrong = ScriptedCarrier(on_push=lambda _: Verdict("disable_target", "401", timedelta(days=9)))
    async with dispatching(database, INVITE, carriers={"sandbox": wrong}) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        d.now = later(hours=72)
        await d.run()
        assert (await d.row()).state == "planned"
        assert await _sweep(d, "sandbox", "alerts") == ["expired"]
