"""Two handlers at one customer: whoever comes second sees what the first one did."""

import asyncio
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.builders.facts import ANNA, BEN, NOON, Shelf, answered, day, handler, received
from tests.builders.waiting import eventually


async def somebody_waits(engine: AsyncEngine) -> bool:
    """Tell whether a statement waits for somebody's transaction."""
    # Activity of another session user is hidden from the service's role; locks are not.
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with engine.connect() as connection:
        return bool(await connection.scalar(query))


async def test_an_address_created_meanwhile_makes_one_customer(engine: AsyncEngine) -> None:
    """A handler that loses the race for a new address joins the customer of the winner."""
    winner, shelf = uuid4(), Shelf()
    async with engine.connect() as other:
        await other.execute(
            text("INSERT INTO profiles (customer_id, created_at) VALUES (:id, :now)"),
            {"id": winner, "now": NOON},
        )
        await other.execute(
            text("INSERT INTO identifiers VALUES ('email', :email, :id)"),
            {"email": ANNA, "id": winner},
        )
        work = asyncio.create_task(handler(engine, shelf)(received(answered("r1", 9))))
        await eventually(lambda: somebody_waits(engine), what="the handler at the address")
        await other.commit()
    await work
    assert [decided.customer_id for decided in shelf.decided()] == [winner]
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM profiles")) == 1


async def test_a_merge_made_meanwhile_is_obeyed(engine: AsyncEngine) -> None:
    """A handler that waited for a customer who was merged goes on with the survivor."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 9)))
    await handler(engine, shelf)(received(answered("r2", 3, email=BEN)))
    anna, ben = (decided.customer_id for decided in shelf.decided())
    async with engine.connect() as other:
        await other.execute(
            text("SELECT 1 FROM profiles WHERE customer_id = :ben FOR UPDATE"), {"ben": ben}
        )
        told = answered("r3", 8, email=BEN, at=day(1))
        work = asyncio.create_task(handler(engine, shelf, now=day(1))(received(told)))
        await eventually(lambda: somebody_waits(engine), what="the handler at the customer")
        await other.execute(
            text("INSERT INTO aliases VALUES (:ben, :anna, :now, :event)"),
            {"ben": ben, "anna": anna, "now": day(1), "event": uuid4()},
        )
        await other.commit()
    await work
    assert shelf.decided()[-1].customer_id == anna
