"""Time comes by the bus: a hold's end rings, is decided once, and rings again if it must."""

from datetime import datetime

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.metrics import Metrics
from services.segmenter.store.timers import Timers
from shared.errors import BusAway
from shared.events import ids
from shared.events.envelope import Event
from shared.events.feedback import TimerDue
from tests.builders.facts import (
    ANNA,
    NOON,
    Shelf,
    answered,
    day,
    event,
    handler,
    ids_of,
    received,
    updated,
)


async def timer_rows(engine: AsyncEngine) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        query = "SELECT arm, due_at, state FROM timers WHERE kind = 'hold_end' ORDER BY due_at, arm"
        return [tuple(row) for row in await connection.execute(text(query))]


async def rung(engine: AsyncEngine, now: datetime) -> list[Event]:
    """Tell what is due at `now`, as the loop does."""
    shelf = Shelf()
    timers = Timers(engine, shelf, clock=lambda: now, metrics=Metrics(CollectorRegistry()))
    await timers.tell_due()
    return shelf.events()


async def test_each_hold_that_ends_is_decided_anew(engine: AsyncEngine) -> None:
    """A detractor's holds end one by one: each end is told, and the last leaves no timer."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 3)))
    assert await timer_rows(engine) == [(1, day(14), "open")]
    assert await rung(engine, day(13)) == []
    left = []
    for arm, end in ((1, 14), (2, 30), (3, 90)):
        (due,) = await rung(engine, day(end))
        assert due.id == ids.timer_event("hold_end", shelf.decided()[0].customer_id, "", arm)
        # The handler's clock may be a little behind the one that told the timer.
        await handler(engine, shelf, now=day(end - 0.001))(received(due))
        decided = shelf.decided()[-1]
        assert (decided.cause.triggers, decided.cause.deadline_from) == (("timer",), NOON)
        assert decided.cause.id == ids.response_cause("demo", "nps", "r1")
        left.append({hold.rule for hold in decided.holds})
    assert left == [{"survey_family", "any_survey"}, {"survey_family"}, set()]
    assert await timer_rows(engine) == [(3, day(90), "closed")]


async def test_a_death_between_telling_and_closing_tells_the_same_timer_again(
    engine: AsyncEngine,
) -> None:
    """Told twice under one id, a timer is decided once."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 9)))
    first = await rung(engine, day(30))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE timers SET state = 'open'"))
    second = await rung(engine, day(30))
    assert [e.id for e in first] == [e.id for e in second]
    handle = handler(engine, shelf, now=day(30))
    await handle(received(*first))
    await handle(received(*second))
    assert [decided.version for decided in shelf.decided()] == [1, 2, 2]


async def test_an_unacknowledged_timer_stays_open(engine: AsyncEngine) -> None:
    """With the bus away nothing is closed, so nothing is lost."""
    await handler(engine, Shelf())(received(answered("r1", 9)))
    timers = Timers(
        engine,
        Shelf(away=1),
        clock=lambda: day(30),
        metrics=Metrics(CollectorRegistry()),
    )
    with pytest.raises(BusAway):
        await timers.tell_due()
    assert len(await rung(engine, day(30))) == 1


async def test_a_timer_set_anew_meanwhile_publishes_nothing(engine: AsyncEngine) -> None:
    """The older arm is noted as stale; the newer one will ring."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 3)))
    (due,) = await rung(engine, day(14))
    await handler(engine, shelf, now=day(14))(received(answered("r2", 3, at=day(14))))
    assert await timer_rows(engine) == [(2, day(28), "open")]
    published = len(shelf.messages)
    await handler(engine, shelf, now=day(14))(received(due))
    assert len(shelf.messages) == published
    async with engine.connect() as connection:
        query = text("SELECT note FROM decisions WHERE payload IS NULL")
        assert list(await connection.scalars(query)) == ["stale: this timer was set anew meanwhile"]


async def test_the_timer_of_a_merged_customer_is_closed_and_a_late_ring_is_stale(
    engine: AsyncEngine,
) -> None:
    """After a merge only the survivor's timer rings."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 9)))
    hold = updated(
        *ids_of(external_id="C-1"), attributes={"contact_hold_until": day(5).isoformat()}
    )
    await handler(engine, shelf, now=day(1))(received(hold))
    (due,) = await rung(engine, day(5))
    link = updated(*ids_of(ANNA, external_id="C-1"), at=day(4))
    await handler(engine, shelf, now=day(4))(received(link))
    assert await timer_rows(engine) == [(1, day(5), "closed"), (2, day(5), "open")]
    published = len(shelf.messages)
    await handler(engine, shelf, now=day(5))(received(due))
    assert len(shelf.messages) == published


async def test_a_timer_that_names_nobody_is_noted(engine: AsyncEngine) -> None:
    """A timer of an unknown customer stays handled and publishes nothing."""
    shelf = Shelf()
    nobody = TimerDue(kind="hold_end", customer_id=ids.name_id("nobody"), arm=1, due_at=NOON)
    assert await handler(engine, shelf)(received(event(nobody))) == []
    assert shelf.messages == []
