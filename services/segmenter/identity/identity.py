"""Who an event is about. Pure.

In: events in order, the keys already known and their customers. Out: the customer of each event,
the keys to add, and which customers an event shows to be one. Keys are never moved to another
customer: customers become aliases of a survivor instead, so that it can be undone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.segmenter.profile.facts import Key


@dataclass(frozen=True, slots=True)
class Subject:
    """How one event names its customer: keys in order, and an id of ours where it carries one."""

    event_id: UUID
    keys: tuple[Key, ...]
    customer_id: UUID | None = None


@dataclass(slots=True)
class Assignment:
    """The customers of a batch, before any alias.

    `owner` is the customer under whom an event's fact is kept, `linked` all that it names, `keys`
    whose every key is.
    """

    owner: dict[UUID, UUID] = field(default_factory=dict)
    linked: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    added: dict[Key, UUID] = field(default_factory=dict)
    created: list[UUID] = field(default_factory=list)
    keys: dict[Key, UUID] = field(default_factory=dict)


def assign(
    subjects: Sequence[Subject],
    known: Mapping[Key, UUID],
    customers: Iterable[UUID],
    new_id: Callable[[], UUID],
) -> Assignment:
    """Find or make the customer of each event, in the order given.

    `customers` are those ids carried by events that exist; another id is not believed.
    """
    result = Assignment()
    existing = set(customers)
    owners = result.keys
    owners.update(known)
    for subject in subjects:
        named = [owners[key] for key in subject.keys if key in owners]
        if subject.customer_id in existing and subject.customer_id is not None:
            # Whose it is says the event itself: a key of it that is new is hers.
            named.insert(0, subject.customer_id)
        if not named:
            named = [new_id()]
            result.created.append(named[0])
        for key in subject.keys:
            if key not in owners:
                owners[key] = result.added[key] = named[0]
        result.owner[subject.event_id] = owners[subject.keys[0]] if subject.keys else named[0]
        result.linked[subject.event_id] = tuple(dict.fromkeys(named))
    return result


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of several customers that turned out to be one."""

    customer_id: UUID
    known: bool
    created_at: datetime


def survivor(candidates: Iterable[Candidate]) -> UUID:
    """Choose whose id stays: somebody known before an anonymous answer, then the older."""
    chosen = min(candidates, key=lambda c: (not c.known, c.created_at, c.customer_id))
    return chosen.customer_id
