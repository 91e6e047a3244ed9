"""Forgetting a person: her rows emptied, what waits for her ended, the platforms asked to delete.

In: `customer.erased`, all ids that ever stood for her. Out: rows that hold ids and times only, and
`deletions`, which the lanes work off. Told again it changes nothing; whatever is told of her ids
later, by a redelivery or a replay, is dropped where it comes in.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.consent import store as consent
from services.dispatcher.consume import forgetting
from services.dispatcher.consume.merge import one_at_a_time, regroup
from services.dispatcher.delivery import TargetRules
from services.dispatcher.ledger import deletions, store
from services.dispatcher.ledger.links import roots
from services.dispatcher.ledger.recipients import Recipient
from shared.events.decisions import CustomerErased

_NOTE = text("""
    INSERT INTO erasures (erasure_id, customer_id, erased_at, handled_at, counts)
    VALUES (:erasure, :customer, :at, :now, '{}') ON CONFLICT DO NOTHING
""")
_COUNT = text("UPDATE erasures SET counts = CAST(:counts AS jsonb) WHERE erasure_id = :erasure")
# Told again because somebody missed our word that it is done: it is given again.
_AGAIN = text("""
    UPDATE erasures SET told = 'nothing' WHERE erasure_id = :erasure RETURNING true
""")


async def erase_customer(
    engine: AsyncEngine, rules: Mapping[str, TargetRules], event: CustomerErased, now: datetime
) -> Mapping[str, int] | None:
    """Forget her in one transaction; returns counts of rows, None if this was done before.

    One erasure may be told by several events, which differ in what only others need. Where nobody
    was known there is a receipt all the same.
    """
    ids = set(event.customer_ids)
    async with engine.begin() as connection:
        await one_at_a_time(connection)
        recipients = await store.lock(connection, ids | await store.together(connection, ids))
        noted = {
            "erasure": event.erasure_id,
            "customer": event.customer_id,
            "at": event.erased_at,
            "now": now,
        }
        hers = {one: recipients[one] for one in ids if not recipients[one].erased}
        if not hers and await connection.scalar(_AGAIN, {"erasure": event.erasure_id}):
            return None
        await connection.execute(_NOTE, noted)
        groups = {r.group for r in recipients.values() if r.group and not r.erased}
        await store.lock_groups(connection, groups)
        await _part(connection, recipients, hers, now)
        named = [i for r in hers.values() for i in (r.state.identifiers if r.state else ())]
        asked = deletions.ask(
            await forgetting.reached(connection, hers),
            rules,
            sorted(hers, key=lambda one: (one != event.customer_id, one)),
            named,
        )
        await consent.forget(connection, hers, named)
        counts = await forgetting.empty(connection, event.customer_id, hers, event.erased_at, now)
        await forgetting.leave_groups(connection, groups)
        await deletions.add(connection, event.erasure_id, event.customer_id, asked, now)
        told = {**counts, "deletions": len(asked)}
        values = {"erasure": event.erasure_id, "counts": orjson.dumps(told).decode()}
        await connection.execute(_COUNT, values)
        return told


async def _part(
    connection: AsyncConnection,
    recipients: Mapping[UUID, Recipient],
    hers: Mapping[UUID, Recipient],
    now: datetime,
) -> None:
    """Leave apart from her whoever lives, and herself from whoever does.

    The event names all that she is. That somebody else is no part of her any more may not have been
    heard of yet: then her deliveries come back to her, and those of the others to them.
    """
    links = (await store.links(connection, recipients.keys())).values()
    cut = [link if link.into not in hers else replace(link, into=None) for link in links]
    after = roots(recipients, [link for link in cut if link.customer_id not in hers])
    if any(one not in hers for one in recipients):
        await regroup(connection, recipients, after, (), now)
    await forgetting.unlink(connection, hers, recipients)
