"""What a batch of decisions leads to while it is worked out: rows as read, what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from services.dispatcher.alerts.alerting import Alert
from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.plan.following import Followed
from services.dispatcher.slots.book import Book
from shared.events.decisions import CustomerDecided
from shared.events.vocabulary import Value


@dataclass(frozen=True, slots=True)
class Told:
    """A decision and the event that told it."""

    event_id: UUID
    decision: CustomerDecided


@dataclass
class Plans:
    """What a batch leads to."""

    recipients: dict[UUID, Recipient]
    book: Book
    pending: dict[UUID, list[Delivery]]
    existing: set[UUID]
    changed: set[UUID] = field(default_factory=set)
    created: dict[UUID, Delivery] = field(default_factory=dict)
    ended: dict[UUID, Delivery] = field(default_factory=dict)
    #: What ended before this batch without a call, of what its decisions could plan.
    unsent: dict[UUID, Delivery] = field(default_factory=dict)
    #: Which of `created` have a row already, as they ended before and are right again.
    renewed: set[UUID] = field(default_factory=set)
    #: Of each cause what was told of it, with corrections made here (`corrections` by their id).
    alerts: dict[UUID, list[Alert]] = field(default_factory=dict)
    corrections: dict[UUID, Alert] = field(default_factory=dict)
    #: What digests shall say now, by the alert.
    retold: dict[UUID, Mapping[str, Value]] = field(default_factory=dict)
    followed: Followed = field(default_factory=Followed)

    def by_kind(self) -> tuple[list[Delivery], list[Delivery]]:
        """Return the new deliveries, and those that are written anew over the end they had."""
        new = [d for d in self.created.values() if d.id not in self.renewed]
        return new, [d for d in self.created.values() if d.id in self.renewed]


def survivor(recipients: dict[UUID, Recipient], customer: UUID) -> UUID:
    """Return whom a customer was merged into, or herself."""
    return recipients[customer].merged_into or customer
