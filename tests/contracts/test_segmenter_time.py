"""What time brings, on a real PostgreSQL: windows, cases, silence; each is decided once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.metrics import Metrics
from services.segmenter.store.timers import Timers
from shared.bus.port import Message
from shared.events import ids
from shared.events.decisions import Trigger
from shared.events.envelope import FEEDBACK, Event
from shared.events.feedback import CaseOpened, ResponseLink, TimerDue, TimerKind
from tests.builders.facts import (
    ANNA,
    NOON,
    Shelf,
    answered,
    case,
    completed,
    day,
    handler,
    ids_of,
    received,
    updated,
)

MINUTE = 1 / 24 / 60
LINK = ResponseLink(source="demo", survey="nps", response_id="r1")
OURS = f"nps/{ids.case_of(ids.response_cause('demo', 'nps', 'r1'))}"


class Killed(BaseException):
    """The process is gone."""


class Dying(Shelf):
    """A publisher whose process is killed as soon as the bus has acknowledged."""

    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish(messages)
        raise Killed


async def rung(engine: AsyncEngine, now: datetime, shelf: Shelf | None = None) -> list[Event]:
    """Tell what is due at `now`, as the loop does."""
    shelf = shelf or Shelf()
    timers = Timers(engine, shelf, clock=lambda: now, metrics=Metrics(CollectorRegistry()))
    await timers.tell_due()
    return shelf.events()


async def states(engine: AsyncEngine, kind: TimerKind) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        query = text("SELECT arm, due_at, state FROM timers WHERE kind = :kind ORDER BY due_at")
        return [tuple(row) for row in await connection.execute(query, {"kind": kind})]


def of_kind(events: Sequence[Event], kind: TimerKind) -> list[Event]:
    return [e for e in events if isinstance(e.data, TimerDue) and e.data.kind == kind]


async def test_a_customer_hears_of_an_answer_when_its_window_is_over(engine: AsyncEngine) -> None:
    """Alerts look at the first message; what reaches her at the final state, told by one cause."""
    shelf = Shelf()
    score = answered("r1", 8, complete=False, revision=1)
    await handler(engine, shelf)(received(score))
    assert shelf.decided()[0].cause.triggers == ("received",)
    said = answered(
        "r1", complete=False, revision=2, received=day(4 * MINUTE), comment="Livraison en retard"
    )
    await handler(engine, shelf, now=day(4 * MINUTE))(received(said))
    assert shelf.decided()[1].cause.triggers == ("received",)
    assert await states(engine, "settle") == [(2, day(9 * MINUTE), "open")]
    assert await rung(engine, day(8 * MINUTE)) == []
    (due,) = await rung(engine, day(9 * MINUTE))
    await handler(engine, shelf, now=day(9 * MINUTE))(received(due))
    final = shelf.decided()[-1]
    assert (final.cause.triggers, final.snapshot.theme) == (("settled",), "delivery")
    assert {decided.cause.id for decided in shelf.decided()} == {
        ids.response_cause("demo", "nps", "r1")
    }
    assert await states(engine, "settle") == [(2, day(9 * MINUTE), "closed")]
    # What happens later sets nothing anew.
    await handler(engine, shelf, now=day(1))(received(updated(at=day(1))))
    assert await states(engine, "settle") == [(2, day(9 * MINUTE), "closed")]


async def test_what_she_becomes_by_time_alone_is_told_once(engine: AsyncEngine) -> None:
    """Active, a year later sleeping, another later churned: each told, and no play may look."""
    shelf = Shelf()
    bought = updated(attributes={"last_order_at": "2026-03-10T12:00:00Z"})
    await handler(engine, shelf)(received(bought))
    seen = [shelf.decided()[0].snapshot.lifecycle]
    for now in (366, 731):
        (due,) = of_kind(await rung(engine, day(now)), "lifecycle")
        for _ in range(2):  # told again it is the same
            await handler(engine, shelf, now=day(now))(received(due))
        assert shelf.decided()[-1].cause.triggers == ()
        seen.append(shelf.decided()[-1].snapshot.lifecycle)
    assert seen == ["active", "sleeping", "churned"]
    assert len({decided.decision_id for decided in shelf.decided()}) == 3
    assert [row[2] for row in await states(engine, "lifecycle")] == ["closed"]


async def test_a_completed_answer_waits_no_longer(engine: AsyncEngine) -> None:
    """Its timer is closed; one that was told already is stale."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 8, complete=False, revision=1)))
    (due,) = await rung(engine, day(5 * MINUTE))
    done = answered("r1", 8, revision=2, received=day(5 * MINUTE))
    await handler(engine, shelf, now=day(5 * MINUTE))(received(done))
    assert shelf.decided()[-1].cause.triggers == ("received", "settled")
    published = len(shelf.messages)
    await handler(engine, shelf, now=day(5 * MINUTE))(received(due))
    assert len(shelf.messages) == published


async def test_a_backlog_still_settles(engine: AsyncEngine) -> None:
    """A segmenter that was away for a day tells the end of a window that is long over."""
    shelf = Shelf()
    await handler(engine, shelf, now=day(1))(received(answered("r1", 8, complete=False)))
    (due,) = of_kind(await rung(engine, day(1)), "settle")
    await handler(engine, shelf, now=day(1))(received(due))
    assert shelf.decided()[-1].cause.triggers == ("settled",)


async def test_an_import_rings_for_nobody(engine: AsyncEngine) -> None:
    """Neither windows nor silences nor cases of years ago are news."""
    old = answered("r1", 3, at=day(-900), complete=False, history=True)
    steps = (case("opened", at=day(-899), response=LINK), case("resolved", at=day(-890)))
    await handler(engine, Shelf())(received(old, *steps))
    kinds: tuple[TimerKind, ...] = ("settle", "lapse", "resurvey")
    assert [await states(engine, kind) for kind in kinds] == [[], [], []]


async def test_a_case_of_ours_is_a_fact_like_a_helpdesk_s(engine: AsyncEngine) -> None:
    """The decision has its id; its event comes by the bus, is decided once, and holds her."""
    shelf = Shelf()
    told = answered("r1", 3)
    await handler(engine, shelf)(received(told))
    opened, decision = shelf.events()
    assert isinstance(opened.data, CaseOpened)
    assert (opened.data.case_id, opened.data.response, opened.data.identifiers) == (OURS, LINK, ())
    assert [message.topic for message in shelf.messages] == ["nps.feedback", "nps.decisions"]
    (first,) = shelf.decided()
    assert first.decision_id == decision.id
    assert (first.case and first.case.case_id) == OURS
    assert {message.key for message in shelf.messages} == {str(first.customer_id)}
    # A redelivery tells both again, byte by byte.
    await handler(engine, shelf, now=day(1))(received(told))
    assert shelf.messages[2:] == shelf.messages[:2]
    # A revision before the case came round tells the same event.
    await handler(engine, shelf)(received(answered("r1", 2, revision=2)))
    assert [e.id for e in shelf.events() if e.topic == FEEDBACK] == [opened.id] * 3
    await handler(engine, shelf)(received(opened, opened))
    await handler(engine, shelf)(received(opened))
    held = [d for d in shelf.decided() if d.cause.triggers == ("case_opened",)]
    assert {(d.customer_id, d.version) for d in held} == {(first.customer_id, 3)}
    assert "open_case" in {hold.rule for hold in held[0].holds}


async def test_from_a_bad_score_to_a_better_one(engine: AsyncEngine) -> None:
    """Opened by the answer, resolved at the helpdesk, asked about on the fifteenth day, paired."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 3)))
    opened = shelf.events()[0]
    await handler(engine, shelf)(received(opened))
    theirs = case("opened", at=day(1), response=LINK)
    await handler(engine, shelf, now=day(1))(received(theirs))
    over = case("resolved", email=None, at=day(2))
    await handler(engine, shelf, now=day(2))(received(over))
    assert "open_case" not in {hold.rule for hold in shelf.decided()[-1].holds}
    assert await states(engine, "resurvey") == [(1, day(17), "open")]
    (due,) = of_kind(await rung(engine, day(17)), "resurvey")
    await handler(engine, shelf, now=day(17))(received(due))
    asked = shelf.decided()[-1]
    assert (asked.cause.triggers, asked.cause.what) == (("resurvey_due",), "case")
    assert not [hold for hold in asked.holds if "survey" in hold.classes]
    await handler(engine, shelf, now=day(18))(received(answered("r2", 9, at=day(18))))
    better = shelf.decided()[-1]
    assert (better.snapshot.score, better.snapshot.recovered_from) == (9, 3)


async def test_a_case_reopened_is_not_asked_about(engine: AsyncEngine) -> None:
    """The timer is closed; a second end sets it anew."""
    handle = handler(engine, Shelf(), now=day(4))
    steps = (case("opened", response=LINK), case("resolved", at=day(1)))
    await handle(received(answered("r1", 3), *steps))
    assert await states(engine, "resurvey") == [(1, day(16), "open")]
    await handle(received(case("reopened", at=day(2))))
    assert await states(engine, "resurvey") == [(1, day(16), "closed")]
    await handle(received(case("resolved", at=day(3))))
    assert await states(engine, "resurvey") == [(2, day(18), "open")]


#: Of each kind: what happened, when its timer is due, and what plays may look for.
STORIES: dict[TimerKind, tuple[list[Event], datetime, Trigger]] = {
    "hold_end": ([answered("r1", 8)], day(30), "timer"),
    "settle": ([answered("r1", 8, complete=False)], day(5 * MINUTE), "settled"),
    "lapse": ([answered("r1", 8)], day(365), "lapsed"),
    "churn": (
        [completed("purchase", at=day(-700)), answered("r1", 9)],
        day(30) + timedelta(microseconds=1),
        "updated",
    ),
    "resurvey": (
        [answered("r1", 8), case("opened", response=LINK), case("resolved", at=NOON)],
        day(15),
        "resurvey_due",
    ),
}


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in STORIES])
async def test_a_kill_between_telling_and_closing_decides_once(
    engine: AsyncEngine, kind: TimerKind
) -> None:
    """The timer stays open, so the next process tells it again, under the same id."""
    told, at, trigger = STORIES[kind]
    shelf, dying = Shelf(), Dying()
    await handler(engine, shelf)(received(*told))
    with pytest.raises(Killed):
        await rung(engine, at, dying)
    (first,) = of_kind(dying.events(), kind)
    assert [row[2] for row in await states(engine, kind)] == ["open"]
    again = of_kind(await rung(engine, at), kind)
    assert [e.id for e in again] == [first.id]
    assert [row[2] for row in await states(engine, kind)] == ["closed"]
    handle = handler(engine, shelf, now=at)
    await handle(received(first))
    await handle(received(*again))
    decided = {d.version for d in shelf.decided() if d.cause.triggers == (trigger,)}
    assert len(decided) == 1


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in STORIES])
async def test_a_kill_between_deciding_and_publishing_loses_nothing(
    engine: AsyncEngine, kind: TimerKind
) -> None:
    """What was decided is stored: the redelivered timer publishes it as it was."""
    told, at, trigger = STORIES[kind]
    shelf, dying = Shelf(), Dying()
    await handler(engine, shelf)(received(*told))
    (due,) = of_kind(await rung(engine, at), kind)
    with pytest.raises(Killed):
        await handler(engine, dying, now=at)(received(due))
    await handler(engine, shelf, now=at + timedelta(hours=1))(received(due))
    assert shelf.messages[-1] == dying.messages[-1]
    assert shelf.decided()[-1].cause.triggers == (trigger,)


async def test_that_she_left_is_told_though_something_else_came_first(engine: AsyncEngine) -> None:
    """Decided a moment late, with the segmenter busy or away; told once, of the moment itself."""
    shelf = Shelf()
    told, at, _ = STORIES["churn"]
    await handler(engine, shelf)(received(*told))
    later = at + timedelta(hours=1)
    await handler(engine, shelf, now=later)(received(updated(at=later)))
    assert await states(engine, "churn") == [(1, at, "open")]
    (due,) = of_kind(await rung(engine, later), "churn")
    for _ in range(2):
        await handler(engine, shelf, now=later)(received(due))
    moves = [d for d in shelf.decided() if d.move and d.move.kind == "churned"]
    assert len({decided.decision_id for decided in moves}) == 1
    assert moves[0].cause.deadline_from == at
    assert await states(engine, "lifecycle") == [], "one timer for one moment"


async def test_a_merge_tells_no_silence_again(engine: AsyncEngine) -> None:
    """The survivor has no timer for what was told of the one who was merged into her."""
    shelf = Shelf()
    await handler(engine, shelf, now=day(1))(received(answered("r1", 9)))
    (due,) = of_kind(await rung(engine, day(365)), "lapse")
    await handler(engine, shelf, now=day(365))(received(due))
    assert shelf.decided()[-1].cause.triggers == ("lapsed",)
    # An older customer: she stays, and the one who lapsed is merged into her.
    await handler(engine, shelf, now=NOON)(received(updated(*ids_of(external_id="C-1"))))
    link = updated(*ids_of(ANNA, external_id="C-1"), at=day(365))
    await handler(engine, shelf, now=day(365))(received(link))
    assert of_kind(await rung(engine, day(366)), "lapse") == []
