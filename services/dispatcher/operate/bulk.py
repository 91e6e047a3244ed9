"""Changing many deliveries at a person's word: chosen by a filter, in batches under locks.

Locks as planning has them: recipients in the order of their ids, then groups. A delivery that
somebody else holds is left, so that no lane ever waits for this.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.delivery import SLOT_STATES, Delivery
from services.dispatcher.ledger import ledger, store
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.operate.redrive import Ask, Change, Known
from services.dispatcher.plan import completed
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.slots.book import Book, contact_of

#: Customers whose rows are held at a time: some tens of milliseconds.
_BATCH: Final = 200
_AT: Final = """(SELECT c.at FROM delivery_changes c
                 WHERE c.delivery_id = d.id AND c.change = d.change)"""
_FILTERS: Final = {
    "ids": "d.id = ANY(CAST(:ids AS uuid[]))",
    "target": "d.target = :target",
    "play": "d.play = :play",
    "reason_contains": "position(:reason_contains IN d.reason) > 0",
    "since": f"{_AT} >= :since",
    "until": f"{_AT} < :until",
}
_CHOOSE: Final = """
    SELECT d.id, d.customer_id FROM deliveries d
    WHERE d.state = ANY(CAST(:states AS text[])) AND {where}
    ORDER BY d.customer_id, d.id LIMIT :most
"""
_TAKE = text(f"""
    SELECT {ledger.COLUMNS} FROM deliveries d
    WHERE d.id = ANY(CAST(:ids AS uuid[])) AND d.state = ANY(CAST(:states AS text[]))
    ORDER BY d.id FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - names of columns


@dataclass
class Done:
    """What became, or with a dry run would become, of what was chosen.

    `changed` holds the deliveries in their new states, `left` counts the others by reason; `more`:
    there are more than were asked for.
    """

    changed: list[Delivery] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    more: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done to deliveries in some states, at whose word."""

    rules: Rulebook
    change: Change
    ask: Ask
    states: tuple[str, ...]


async def change_many(
    engine: AsyncEngine, work: Work, filters: Mapping[str, Any], *, most: int, dry_run: bool
) -> Done:
    """Change what the filters choose, at most so many; `filters` by the names of `_FILTERS`."""
    where = " AND ".join(_FILTERS[name] for name in sorted(filters)) or "true"
    values = {**filters, "states": list(work.states), "most": most + 1}
    async with engine.connect() as connection:
        statement = text(_CHOOSE.format(where=where))
        chosen = (await connection.execute(statement, values)).all()
    done = Done(more=len(chosen) > most)
    hers: dict[UUID, list[UUID]] = {}
    for row in chosen[:most]:
        hers.setdefault(row.customer_id, []).append(row.id)
    for customers in _batches(sorted(hers)):
        async with engine.begin() as connection:
            ids = {one: hers[one] for one in customers}
            after = await _batch(connection, work, ids, done)
            if not dry_run:
                await ledger.move(connection, after, by=work.ask.by, now=work.ask.now)
        done.changed.extend(after)
    return done


def _batches(customers: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    return (customers[at : at + _BATCH] for at in range(0, len(customers), _BATCH))


async def _batch(
    connection: AsyncConnection, work: Work, hers: Mapping[UUID, Sequence[UUID]], done: Done
) -> list[Delivery]:
    """Decide on some customers' deliveries, one after the other; returns those that change."""
    recipients = await store.lock(connection, hers)
    groups = {r.group for r in recipients.values() if r.group}
    await store.lock_groups(connection, groups)
    book = Book(
        members=await store.members(connection, groups),
        shadows=work.rules.shadows,
        foreign=await store.foreign(connection, groups),
    )
    for contact in await ledger.contacts(connection, set(recipients).union(*book.members.values())):
        book.add(contact)
    finished = await completed.read(connection, recipients)
    wanted = [one for ids in hers.values() for one in ids]
    rows = await connection.execute(_TAKE, {"ids": wanted, "states": list(work.states)})
    found = [ledger.delivery(row) for row in rows]
    done.left.update(["changes just now"] * (len(wanted) - len(found)))
    changed = []
    for delivery in sorted(found, key=lambda one: (one.planned_at, one.id)):
        recipient = recipients.get(delivery.customer_id)
        if recipient is None:
            done.left["changes just now"] += 1
            continue
        after = work.change(
            delivery, _known(book, recipient, delivery.target, finished), work.rules, work.ask
        )
        if isinstance(after, str):
            done.left[after] += 1
            continue
        changed.append(after)
        book.drop(delivery)
        if after.state in SLOT_STATES:
            book.add(contact_of(after))
    return changed


def _known(
    book: Book, recipient: Recipient, target: str, finished: Mapping[UUID, set[str]]
) -> Known:
    customer = recipient.customer_id
    taken = book.taken(customer, recipient.group, target)
    return Known(recipient, taken, frozenset(finished.get(customer, ())))
