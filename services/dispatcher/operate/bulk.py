"""Changing many deliveries at a person's word: chosen by a filter, in batches under locks.

Locks as planning has them: recipients in the order of their ids, then groups. A delivery that
somebody else holds is left, so that no lane ever waits for this.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.delivery import SLOT_STATES, Delivery
from services.dispatcher.ledger import ledger, store
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.operate.redrive import Ask, Change, Known, in_short
from services.dispatcher.plan import following, parking_store
from services.dispatcher.plan.following import Followed
from services.dispatcher.plan.parking import Places
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.slots.book import Book, contact_of
from shared.audit.actions import Action
from shared.audit.chain import Value
from shared.audit.trail import Trail
from shared.times import iso

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
#: Filters whose values are names of the configuration.
_TOLD_FILTERS: Final = frozenset({"target", "play"})
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

    @property
    def reasons(self) -> dict[str, dict[str, int]]:
        """Count what changed by state and by reason, its times left out."""
        found: dict[str, Counter[str]] = {}
        for delivery in self.changed:
            found.setdefault(delivery.state, Counter())[in_short(delivery)] += 1
        return {state: dict(why) for state, why in found.items()}


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done to deliveries in some states, at whose word, and how it is recorded.

    `places`: what a dry run has given away of what plays are granted; None: it is no dry run.
    """

    rules: Rulebook
    change: Change
    ask: Ask
    states: tuple[str, ...]
    trail: Trail
    action: Action
    places: Places | None = None


async def change_many(
    engine: AsyncEngine, work: Work, filters: Mapping[str, Any], *, most: int, dry_run: bool
) -> Done:
    """Change what the filters choose, at most so many; `filters` by the names of `_FILTERS`."""
    where = " AND ".join(_FILTERS[name] for name in sorted(filters)) or "true"
    values = {**filters, "states": list(work.states), "most": most + 1}
    work = replace(work, places=Places() if dry_run else None)
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
                await _record(connection, work, filters, after)
        done.changed.extend(after)
    return done


async def _record(
    connection: AsyncConnection,
    work: Work,
    filters: Mapping[str, Any],
    after: Sequence[Delivery],
) -> None:
    """Write down which deliveries a person changed, and by what they were chosen.

    Texts are left out, by which she searched or with which she cancelled: they may name somebody.
    """
    if not after:
        return
    chosen: dict[str, Value] = {
        name: str(value) for name, value in filters.items() if name in _TOLD_FILTERS
    }
    chosen |= {name: iso(filters[name]) for name in ("since", "until") if name in filters}
    await work.trail.pen(work.ask.by, work.ask.now).note(
        connection,
        work.action,
        f"{len(after)} deliveries",
        from_states=sorted(work.states),
        became=dict[str, Value](Counter(str(delivery.state) for delivery in after)),
        chosen_by=sorted(filters),
        chosen=chosen,
        deliveries=sorted(str(delivery.id) for delivery in after),
    )


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
    followed = await following.gather(connection, recipients, work.rules.playbook)
    if work.places is not None:
        # What a dry run would have sent on counts for the others of a group, as if it were.
        _remember(book, done.changed)
    wanted = [one for ids in hers.values() for one in ids]
    rows = await connection.execute(_TAKE, {"ids": wanted, "states": list(work.states)})
    found = [ledger.delivery(row) for row in rows]
    done.left.update(["changes just now"] * (len(wanted) - len(found)))
    changed: dict[UUID, Delivery] = {}
    before = {delivery.id: delivery for delivery in found}
    for delivery in sorted(found, key=lambda one: (one.planned_at, one.id)):
        recipient = recipients.get(delivery.customer_id)
        if recipient is None:
            done.left["changes just now"] += 1
            continue
        after = work.change(
            delivery, _known(book, recipient, delivery.target, followed), work.rules, work.ask
        )
        if isinstance(after, str):
            done.left[after] += 1
            continue
        changed[after.id] = after
        _remember(book, [after])
    for parked in await _braked(connection, work, changed.values()):
        if before[parked.id].state == parked.state:
            del changed[parked.id]
            done.left[f"still parked: {parked.reason}"] += 1
        else:
            changed[parked.id] = parked
    return list(changed.values())


async def _braked(
    connection: AsyncConnection, work: Work, going: Iterable[Delivery]
) -> list[Delivery]:
    """Return what is sent on too fast, or of a changed play, parked with the slot it took."""
    now = work.ask.now
    if work.ask.looked:
        return []
    if work.places is None:
        return await parking_store.park(connection, going, work.rules, now)
    return await parking_store.would_park(connection, going, work.rules, now, work.places)


def _remember(book: Book, after: Iterable[Delivery]) -> None:
    for delivery in after:
        book.drop(delivery)
        if delivery.state in SLOT_STATES:
            book.add(contact_of(delivery))


def _known(book: Book, recipient: Recipient, target: str, followed: Followed) -> Known:
    customer = recipient.customer_id
    taken = book.taken(customer, recipient.group, target)
    done = frozenset(followed.done.get(customer, ()))
    return Known(recipient, taken, done, followed.arms.get(customer, {}))
