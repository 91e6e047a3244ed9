"""Cases, completed actions and imports on a real PostgreSQL: found, kept, told."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.events.decisions import CustomerDecided
from shared.events.feedback import CaseOpened
from tests.builders.facts import (
    ANNA,
    BEN,
    NOON,
    Shelf,
    answered,
    case,
    completed,
    day,
    handler,
    received,
    settled,
)


def holds(decided: CustomerDecided) -> set[str]:
    return {hold.rule for hold in decided.holds}


async def test_a_step_that_names_nobody_finds_her_by_her_case(engine: AsyncEngine) -> None:
    """The helpdesk's "resolved" often carries the ticket's number alone; it ends the hold."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(case("opened")))
    await handle(received(case("resolved", email=None, at=day(0.5))))
    opened, resolved = shelf.decided()
    assert (holds(opened), holds(resolved)) == ({"open_case"}, set())
    assert resolved.customer_id == opened.customer_id
    assert resolved.cause.id == opened.cause.id


async def test_a_step_with_the_number_of_our_ticket_is_a_step_of_our_case(
    engine: AsyncEngine,
) -> None:
    """The policy opened it; its ticket's number came with the delivery; "solved" names that."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(answered("r1", 3)))
    opened = [told for told in shelf.events() if isinstance(told.data, CaseOpened)]
    await handle(received(*opened))
    ours = shelf.decided()[-1].case
    assert ours is not None
    made = settled(
        shelf.decided()[0].customer_id,
        channel="ticket",
        target="helpdesk",
        reference="4711",
        case_id=ours.case_id,
    )
    await handle(received(made))
    await handle(received(case("resolved", "helpdesk/4711", email=None, at=day(0.5))))
    solved = shelf.decided()[-1]
    assert solved.customer_id == shelf.decided()[0].customer_id
    assert solved.case is not None
    assert (solved.case.case_id, solved.case.reference) == (ours.case_id, "4711")
    assert "open_case" not in holds(solved)


@pytest.mark.parametrize("named", [False, True], ids=["by nobody's name", "of somebody else"])
async def test_a_step_that_came_before_the_number_is_found_by_it(
    engine: AsyncEngine, named: bool
) -> None:
    """Told of nobody, the step is hers; told of somebody else, two people stay two."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(answered("r1", 3)))
    she = shelf.decided()[0].customer_id
    first = case("opened", "helpdesk/4711", email=BEN if named else None)
    await handle(received(first))
    told = settled(she, channel="ticket", target="helpdesk", reference="4711", case_id="nps/1")
    await handle(received(told))
    await handle(received(case("resolved", "helpdesk/4711", email=None, at=day(0.5))))
    assert shelf.merged() == []
    assert (shelf.decided()[-1].customer_id == she) is not named


async def test_a_case_told_before_its_customer_waits_for_her(engine: AsyncEngine) -> None:
    """Steps in the wrong order end as in the right one, silently while nobody is known."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(case("reopened", email=None, at=day(0.5))))
    assert shelf.messages == []
    await handle(received(case("resolved", at=day(0.2))))
    (found,) = shelf.decided()
    assert found.cause.late
    assert "open_case" in holds(found)


async def test_a_case_hold_ends_by_itself_in_the_end(engine: AsyncEngine) -> None:
    """A case that nobody closes arms the timer of the hold's end."""
    await handler(engine, Shelf())(received(case("opened")))
    async with engine.connect() as connection:
        query = "SELECT due_at, state FROM timers WHERE kind = 'hold_end'"
        rows = await connection.execute(text(query))
        assert [tuple(row) for row in rows] == [(day(90), "open")]


async def test_what_she_completed_is_found_by_our_delivery(engine: AsyncEngine) -> None:
    """A platform that echoes only the delivery id tells enough."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(answered("r1", 9)))
    customer = shelf.decided()[0].customer_id
    await handle(received(settled(customer, "d1")))
    await handle(received(completed("review_left", None, delivery="d1")))
    last = shelf.decided()[-1]
    assert (last.customer_id, last.cause.what) == (customer, "review_left")
    assert last.cause.triggers == ("action_completed",)


async def test_an_import_of_what_was_told_live_changes_nothing(engine: AsyncEngine) -> None:
    """It is the same message: the reaction stands, and none is added."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    live = answered("r1", 3)
    imported = answered("r1", 3, received=day(0.9), history=True)
    assert live.id == imported.id
    await handle(received(live, imported))
    await handle(received(imported))
    assert shelf.decided()[0].cause.triggers == ("received", "settled")
    assert [decided.version for decided in shelf.decided()] == [1, 1]


async def test_what_was_told_live_before_its_import_is_live(engine: AsyncEngine) -> None:
    """An import that overtakes the spooled message does not swallow the reaction."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(answered("r1", 3, received=day(0.9), history=True)))
    await handle(received(answered("r1", 3, received=NOON + timedelta(minutes=1))))
    imported, live = shelf.decided()
    assert (imported.cause.triggers, live.cause.triggers) == ((), ("received", "settled"))
    assert live.identifiers[0].value == ANNA
