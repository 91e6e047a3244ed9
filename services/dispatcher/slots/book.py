"""The contacts of some customers and their groups, while one transaction takes more slots. Pure."""

from dataclasses import dataclass, field
from uuid import UUID

from services.dispatcher.delivery import Contact, Delivery
from services.dispatcher.slots.slots import Taken


@dataclass
class Book:
    """The contacts that hold slots, kept up to date while a batch takes more of them.

    `shadows`: targets that are only rehearsed. What would have been sent there counts as if it had
    been, for them; a message that is really sent is held back by none of it.
    """

    contacts: dict[UUID, dict[UUID, Contact]] = field(default_factory=dict)
    members: dict[str, set[UUID]] = field(default_factory=dict)
    shadows: frozenset[str] = frozenset()

    def add(self, contact: Contact) -> None:
        """Count one more contact."""
        self.contacts.setdefault(contact.customer_id, {})[contact.delivery_id] = contact

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
        )

    def _counting(self, customer: UUID, target: str) -> tuple[Contact, ...]:
        return tuple(c for c in self.history(customer) if c.counts_for(target, self.shadows))


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
