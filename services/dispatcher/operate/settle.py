"""Ending a doubt by a person: the delivery was sent, or shall be tried again."""

from dataclasses import replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.delivery import ERASED, Delivery
from services.dispatcher.ledger import ledger, store
from shared.audit.trail import Pen

Settlement = Literal["sent", "again"]


def settled(
    delivery: Delivery, outcome: Settlement, caller: str, now: datetime, *, erased: bool = False
) -> Delivery | None:
    """Return the delivery after a person's word; None: it is not in doubt. Pure.

    `again` makes it due with its gates asked anew; its slot stays. Nothing is sent again to her who
    is `erased`.
    """
    if delivery.state != "in_doubt":
        return None
    known = replace(delivery, unanswered_since=None)
    if erased and outcome == "again":
        return known.to("superseded", ERASED)
    reason = f"settled as {outcome} by {caller}"
    return (
        known.to("accepted", reason) if outcome == "sent" else known.to("planned", reason, due=now)
    )


async def settle(
    engine: AsyncEngine, delivery_id: UUID, outcome: Settlement, pen: Pen
) -> tuple[Delivery | None, bool]:
    """Settle a delivery in doubt; returns it as it is then (None: unknown), and whether it moved.

    The pen is of the token that asked: its name is kept with the change.
    """
    async with engine.begin() as connection:
        found = await ledger.read(connection, [delivery_id])
        if not found:
            return None, False
        gone = bool(await store.erased(connection, [found[0].customer_id]))
        after = settled(found[0], outcome, pen.actor, pen.at, erased=gone)
        if after is None:
            return found[0], False
        await ledger.move(connection, [after], by=pen.actor, now=pen.at)
        await pen.note(connection, "delivery.settled", str(delivery_id), outcome=outcome)
        return replace(after, change=after.change + 1), True
