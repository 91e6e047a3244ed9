"""The segmenter's tables as values."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.segmenter.identity.merges import own
from services.segmenter.profile.facts import Fact, Key
from services.segmenter.store.rows import Customer, Decision, Timer, TimerKey


@dataclass
class Rows:
    """What the tables hold."""

    customers: dict[UUID, Customer] = field(default_factory=dict)
    keys: dict[Key, UUID] = field(default_factory=dict)
    aliases: dict[UUID, UUID] = field(default_factory=dict)
    facts: dict[UUID, tuple[UUID, Fact]] = field(default_factory=dict)
    decisions: dict[UUID, Decision] = field(default_factory=dict)
    timers: dict[TimerKey, Timer] = field(default_factory=dict)
    stones: dict[str, datetime | None] = field(default_factory=dict)

    def root(self, customer_id: UUID) -> UUID:
        """Lead to the customer whose state counts."""
        return self.aliases.get(customer_id, customer_id)

    def roots(self) -> list[Customer]:
        """List the customers that are merged into nobody, the oldest first."""
        return [row for one, row in self.customers.items() if one not in self.aliases]

    def hers(self, customer_id: UUID) -> list[Fact]:
        """List the facts of one of them: whose first key is hers, and only her keys of each."""
        owners = {key: self.root(owner) for key, owner in self.keys.items()}
        return [
            own(fact, owners, customer_id)
            for _, fact in self.facts.values()
            if owners[fact.keys[0]] == customer_id
        ]
