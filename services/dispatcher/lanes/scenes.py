"""Gathering what the gates look at, for a claim's customers, whose rows it has locked."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.consume import progress
from services.dispatcher.gates.gates import Scene
from services.dispatcher.ledger import ledger, pushes, store
from services.dispatcher.ledger.desk import Desk
from services.dispatcher.ledger.recipients import PushState, Recipient
from services.dispatcher.slots.book import Book
from services.dispatcher.slots.slots import reach


@dataclass(frozen=True, slots=True)
class Scenes:
    """What the gates look at, for customers whose rows are locked."""

    desk: Desk
    now: datetime
    book: Book
    groups: set[str]
    pushes: dict[UUID, PushState]
    stale: str | None

    def knows(self, recipient: Recipient) -> bool:
        """Tell whether her group's contacts are ours to count; else it is for the next round."""
        return not _counts_group(recipient) or recipient.group in self.groups

    def of(self, recipient: Recipient) -> Scene:
        """Return what the gates look at for one customer, as it is by now."""
        return Scene(
            now=self.now,
            recipient=recipient,
            taken=self.book.taken(recipient.customer_id, recipient.group, self.desk.rules.name),
            push=self.pushes.get(recipient.customer_id, PushState()),
            stale=self.stale,
            rules=self.desk.rules,
            playbook=self.desk.playbook,
            idempotency=self.desk.idempotency,
        )


def _counts_group(recipient: Recipient) -> bool:
    state = recipient.state
    return bool(
        recipient.group and state and any(budget.scope == "group" for budget in state.budgets)
    )


async def gather(
    connection: AsyncConnection, desk: Desk, recipients: dict[UUID, Recipient], now: datetime
) -> Scenes:
    """Read contacts, profile pushes and staleness; groups that are busy are left out."""
    wanted = {r.group for r in recipients.values() if r.group and _counts_group(r)}
    groups = await store.lock_free_groups(connection, wanted)
    book = Book(
        members=await store.members(connection, groups),
        shadows=desk.shadows,
        foreign=await store.foreign(connection, groups),
    )
    others = set[UUID]().union(*book.members.values()).difference(recipients)
    # Of the rest of an account only what a window of its budgets reaches counts; there may be many.
    since = now - reach(b for r in recipients.values() if r.state for b in r.state.budgets)
    for contact in (
        *await ledger.contacts(connection, recipients),
        *await ledger.contacts(connection, others, since=since),
    ):
        book.add(contact)
    reaches = await progress.read(connection)
    return Scenes(
        desk=desk,
        now=now,
        book=book,
        groups=groups,
        pushes=await pushes.states(connection, desk.rules.name, recipients),
        stale=progress.stale(reaches, now, desk.playbook.max_staleness),
    )
