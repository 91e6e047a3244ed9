"""What is past its time goes, and nothing that was done is done again for it."""

from datetime import timedelta

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide import moments
from services.segmenter.metrics import Metrics
from services.segmenter.store import reading
from services.segmenter.store.pruning import KEPT, Pruning
from services.segmenter.store.rows import PRUNED
from services.segmenter.store.timers import Timers
from shared.bus.topics import declared
from shared.events.envelope import Event
from tests.builders.facts import (
    NOON,
    Shelf,
    answered,
    day,
    handler,
    received,
    updated,
)
from tests.builders.segmenting import rows

MINUTE = timedelta(minutes=1)
LATER = NOON + KEPT + timedelta(days=1)


def pruning(engine: AsyncEngine, registry: CollectorRegistry | None = None) -> Pruning:
    """One that thinks it is `LATER`, and takes two rows a step."""
    metrics = Metrics(registry or CollectorRegistry())
    return Pruning(engine, clock=lambda: LATER, metrics=metrics, step=2)


async def rung(engine: AsyncEngine, shelf: Shelf) -> list[Event]:
    timers = Timers(engine, shelf, clock=lambda: LATER, metrics=Metrics(CollectorRegistry()))
    await timers.tell_due()
    return shelf.events()


async def test_old_bodies_are_emptied_and_their_stubs_stay(engine: AsyncEngine) -> None:
    """In steps, to the last; what is newer keeps its reasons, and all ids and moments stay."""
    old = [answered(f"r{n}", 9, email=f"she{n}@example.com") for n in range(5)]
    await handler(engine, Shelf())(received(*old))
    await handler(engine, Shelf(), now=day(2))(received(updated(at=day(2))))
    before = await rows(engine, "SELECT event_id, decision_id, version, kind FROM decisions")
    registry = CollectorRegistry()
    assert await pruning(engine, registry).prune() == (5, 0)
    assert await pruning(engine).prune() == (0, 0)
    assert registry.get_sample_value("nps_segmenter_pruned_total", {"what": "decision"}) == 5
    after = await rows(engine, "SELECT event_id, decision_id, version, kind FROM decisions")
    assert sorted(after) == sorted(before)
    left = await rows(engine, "SELECT payload IS NULL, note, count(*) FROM decisions GROUP BY 1, 2")
    assert sorted(left, key=str) == [(False, None, 1), (True, PRUNED, 5)]


async def test_what_was_decided_is_not_published_again(engine: AsyncEngine) -> None:
    """Told again from whatever archive, the event is known: no old apology leaves."""
    shelf = Shelf()
    told = answered("r1", 3)
    await handler(engine, shelf)(received(told))
    customer = shelf.decided()[0].customer_id
    await pruning(engine).prune()
    again = Shelf()
    await handler(engine, again, now=LATER)(received(told))
    assert again.messages == []
    async with engine.connect() as connection:
        found = await reading.customer(connection, customer)
    assert found is not None
    assert found.customer.profile.scored[-1].score == 3


async def test_the_end_of_an_old_window_is_gone_and_not_set_again(engine: AsyncEngine) -> None:
    """Its answer never settles otherwise; what happens later to her does not bring it back."""
    await handler(engine, Shelf())(received(answered("r1", 8, complete=False)))
    await handler(engine, Shelf(), now=NOON + 5 * MINUTE)(received(*await rung(engine, Shelf())))
    windows = "SELECT state FROM timers WHERE kind = 'settle'"
    assert await rows(engine, windows) == [("closed",)]
    assert (await pruning(engine).prune())[1] == 1
    assert await rows(engine, windows) == []
    await handler(engine, Shelf(), now=LATER)(received(updated(at=LATER)))
    assert await rows(engine, windows) == []


async def test_timers_that_count_how_often_they_were_set_stay(engine: AsyncEngine) -> None:
    """Their next arm would bear the name of one that was told; open ones wait, however old."""
    await handler(engine, Shelf())(received(answered("r1", 3, complete=False)))
    assert len(await rows(engine, "SELECT kind FROM timers WHERE state = 'open'")) == 3
    await pruning(engine).prune()
    assert len(await rows(engine, "SELECT kind FROM timers WHERE state = 'open'")) == 3
    shelf = Shelf()
    while await Timers(
        engine, shelf, clock=lambda: day(400), metrics=Metrics(CollectorRegistry())
    ).tell_due():
        pass
    assert len(await rows(engine, "SELECT kind FROM timers WHERE state = 'closed'")) == 3
    assert await pruning(engine).prune() == (0, 1)
    left = await rows(engine, "SELECT DISTINCT kind FROM timers ORDER BY kind")
    assert left == [("hold_end",), ("lapse",)]


def test_rows_outlive_what_the_bus_keeps_by_a_month() -> None:
    """And longer than the end of a window is told late."""
    longest = max(topic.retention + topic.segment for topic in declared())
    assert longest + timedelta(days=30) == KEPT > moments.LATEST
