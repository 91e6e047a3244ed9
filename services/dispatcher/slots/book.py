"""The contacts of some customers and their groups, while one transaction takes more slots. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.dispatcher.delivery import Contact, Delivery
from services.dispatcher.slots.slots import Taken
from shared.events.decisions import Budget

#: When others contacted somebody, by the group budget that counts it.
Foreign = Mapping[str, tuple[datetime, ...]]


@dataclass
class Book:
    """The contacts that hold slots, kept up to date while a batch takes more of them.

    `shadows`: targets that are only rehearsed. What would have been sent there counts as if it had
    been, for them; a message that is really sent is held back by none of it.
    `foreign`: of each member, what others' contacts use of her group's budgets.
    """

    contacts: dict[UUID, dict[UUID, Contact]] = field(default_factory=dict)
    members: dict[str, set[UUID]] = field(default_factory=dict)
    shadows: frozenset[str] = frozenset()
    foreign: dict[UUID, Foreign] = field(default_factory=dict)

    def add(self, contact: Contact) -> None:
        """Count one more contact."""
        self.contacts.setdefault(contact.customer_id, {})[contact.delivery_id] = contact

    def hear(self, customer: UUID, budgets: Iterable[Budget]) -> None:
        """Take what a newer state of hers says of others' contacts."""
        self.foreign[customer] = foreign_of(budgets)

    def drop(self, delivery: Delivery) -> None:
        """Release a slot."""
        self.contacts.get(delivery.customer_id, {}).pop(delivery.id, None)

    def history(self, customer: UUID) -> tuple[Contact, ...]:
        """Return one customer's contacts."""
        return tuple(self.contacts.get(customer, {}).values())

    def taken(self, customer: UUID, group: str | None, target: str) -> Taken:
        """Return the contacts that her budgets count for a delivery to this target."""
        others = self.members.get(group, set()) if group else set()
        return Taken(
            person=self._counting(customer, target),
            group=tuple(
                c for member in {customer, *others} for c in self._counting(member, target)
            ),
            foreign=self._of_others(others - {customer}),
        )

    def _of_others(self, members: set[UUID]) -> Foreign:
        found: dict[str, tuple[datetime, ...]] = {}
        for member in members:
            for name, times in self.foreign.get(member, {}).items():
                found[name] = found.get(name, ()) + times
        return found

    def _counting(self, customer: UUID, target: str) -> tuple[Contact, ...]:
        return tuple(c for c in self.history(customer) if c.counts_for(target, self.shadows))


def foreign_of(budgets: Iterable[Budget]) -> Foreign:
    """Tell what others' contacts with one customer use of her group's budgets."""
    return {one.name: one.foreign for one in budgets if one.scope == "group" and one.foreign}


def contact_of(delivery: Delivery) -> Contact:
    """Return a delivery as far as counting goes."""
    return Contact(
        delivery_id=delivery.id,
        customer_id=delivery.customer_id,
        at=delivery.moment,
        action=delivery.action,
        play=delivery.play,
        channel=delivery.channel,
        contact_class=delivery.contact_class,
        state=delivery.state,
        unanswered=delivery.unanswered_since is not None,
        target=delivery.target,
    )
