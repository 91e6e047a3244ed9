"""How calls end: with an answer that is recorded, or with a lease that lapsed.

Both remove the row in `calls` first; whoever finds it gone has lost the lease and writes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.brakes import tallies
from services.dispatcher.brakes.breaker import Kind, Tally
from services.dispatcher.calls.calls import Idempotency, Verdict
from services.dispatcher.calls.judge import PushNext, judge
from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger import deletions, ledger, pushes
from services.dispatcher.ledger.deletion import DeletionNext
from services.dispatcher.ledger.desk import ClaimedDeletion, ClaimedDelivery, ClaimedPush, Desk
from services.dispatcher.status import inquiries

_END = text("DELETE FROM calls WHERE token = ANY(CAST(:tokens AS uuid[])) RETURNING token")
_LAPSED = text("""
    DELETE FROM calls WHERE token IN (
        SELECT token FROM calls WHERE target = :target AND lease_until < now()
        ORDER BY token LIMIT 100 FOR UPDATE SKIP LOCKED
    ) RETURNING customer_id, delivery_id
""")


class Finished(NamedTuple):
    """What was written.

    `seconds` that each recorded push took since it was wanted, by customer; ids of the recorded
    deliveries; tokens that were still ours; why a breaker opened, if one did.
    """

    seconds: dict[UUID, float]
    moved: set[UUID]
    ours: set[UUID]
    opened: str | None


async def finish(
    desk: Desk,
    pushed: Sequence[tuple[ClaimedPush, PushNext, datetime]],
    acted: Sequence[tuple[ClaimedDelivery, Delivery]],
    deleted: Sequence[tuple[ClaimedDeletion, DeletionNext]],
    now: datetime,
    *,
    heard: Mapping[Kind, Tally],
) -> Finished:
    """Record how calls ended, in one transaction; what lost its lease is left out.

    `heard` counts them for the breakers, lease or no lease: the target failed us all the same.
    """
    tokens = [claimed.token for claimed, _, _ in pushed]
    tokens += [claimed.token for claimed, _ in acted] + [claimed.token for claimed, _ in deleted]
    async with desk.engine.begin() as connection:
        ours = set((await connection.scalars(_END, {"tokens": tokens})).all())
        await deletions.done(
            connection, desk.rules.name, [one for one in deleted if one[0].token in ours], now
        )
        seconds = await pushes.done(
            connection, [(c.wanted, after, at) for c, after, at in pushed if c.token in ours]
        )
        after = [after for claimed, after in acted if claimed.token in ours]
        moved = await ledger.move(connection, after, by="lane", now=now)
        begun = [one for one in after if one.id in moved]
        await inquiries.begin(connection, desk.rules.name, desk.rules.status, begun, now)
        opened = await tallies.count(connection, desk.rules.name, desk.rules.breaker, heard, now)
        return Finished(seconds, moved, ours, opened)


async def take_back(
    engine: AsyncEngine, target: str, idempotency: Idempotency, now: datetime
) -> tuple[Delivery, ...]:
    """End lapsed leases: a call whose worker was lost is a call without an answer."""
    lost = Verdict("in_doubt", "no answer: the worker was lost during the call")
    async with engine.begin() as connection:
        rows = (await connection.execute(_LAPSED, {"target": target})).all()
        if not rows:
            return ()
        # She who is erased has deletions, and no pushes any more; nobody else has deletions.
        pushed = [row.customer_id for row in rows if row.delivery_id is None]
        await deletions.lapsed(connection, target, pushed, now)
        await pushes.lapsed(connection, target, pushed, now)
        ids = [row.delivery_id for row in rows if row.delivery_id is not None]
        after = [
            judge(delivery, lost, idempotency, now)
            for delivery in await ledger.read(connection, ids)
            if delivery.state == "sending"
        ]
        await ledger.move(connection, after, by="lease", now=now)
        return tuple(after)
