"""What the segmenter's metrics say of real answers, on a real PostgreSQL, in virtual time."""

from datetime import timedelta

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.metrics import Metrics
from services.segmenter.store.timers import Timers
from shared.errors import BusAway
from tests.builders.facts import NOON, Shelf, answered, day, handler, received

ANSWERED = NOON - timedelta(hours=2)


async def test_an_answer_is_counted_once_with_its_move_its_holds_and_its_way(
    engine: AsyncEngine,
) -> None:
    """From when she gave it and from when it came; told again, and by an import, it is not."""
    registry = CollectorRegistry()
    handle = handler(engine, Shelf(), now=NOON, registry=registry)
    told = answered("r1", 3, at=ANSWERED, received=NOON - timedelta(seconds=4))
    await handle(received(told))
    await handle(received(told))
    await handle(received(answered("r2", 9, email="old@example.com", at=ANSWERED, history=True)))

    value = registry.get_sample_value
    assert value("nps_segmenter_answers_total", {"segment": "detractor"}) == 1
    assert value("nps_segmenter_answers_total", {"segment": "promoter"}) is None
    assert value("nps_segmenter_answer_to_decision_seconds_sum") == 2 * 3600
    assert value("nps_segmenter_answer_to_decision_seconds_count") == 1
    assert value("nps_segmenter_receipt_to_decision_seconds_sum") == 4
    assert value("nps_segmenter_receipt_to_decision_seconds_count") == 1
    move = {"move": "first", "segment": "detractor"}
    assert value("nps_segmenter_moves_total", move) == 1
    assert value("nps_segmenter_holds_total", {"rule": "marketing_rest"}) == 1
    repeated = {"type": "survey.response.received", "fate": "repeated"}
    assert value("nps_segmenter_events_total", repeated) == 1


async def test_a_timer_that_nobody_told_is_overdue(engine: AsyncEngine) -> None:
    """As long as the bus is away it grows; once told, nothing is due."""
    registry, now = CollectorRegistry(), day(14.5)
    await handler(engine, Shelf())(received(answered("r1", 3)))
    shelf = Shelf(away=1)
    timers = Timers(engine, shelf, clock=lambda: now, metrics=Metrics(registry))
    late = []
    for _ in range(3):
        try:
            await timers.tell_due()
        except BusAway:
            now += timedelta(hours=1)
        late.append(registry.get_sample_value("nps_segmenter_timers_overdue_seconds"))

    assert late == [12 * 3600, 13 * 3600, 0]
