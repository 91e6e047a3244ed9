"""Forgetting a person: what is not taken in because of it, and what is told. Pure.

In: facts and what is known of people forgotten (HMACs, never an address); a command with whom it
found. Out: which facts are dropped whole, and the decisions that note it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.segmenter.profile.facts import PERSONAL, Fact
from services.segmenter.store.rows import Decision
from shared.events import feedback, ids, outcomes
from shared.events.decisions import CustomerErased
from shared.events.envelope import Event, encode
from shared.identifiers import hashed_name

#: Why a stored decision has no body any more, and why a fact was not taken in.
ERASED: Final = "erased"
#: Whom a decision is about that is about nobody.
NOBODY: Final = UUID(int=0)
#: How many HMACs one event tells: some 350 kB, and a record takes 1 MiB. Only an address that
#: thousands of answers were given under (a kiosk's, a tester's) needs more than one.
_MOST_PEOPLE: Final = 5000

#: HMAC → up to when what names it is dropped; None: for ever.
Tombstones = Mapping[str, datetime | None]


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person who is to be forgotten."""

    event_id: UUID
    data: feedback.ErasureRequested


@dataclass(frozen=True, slots=True)
class Named:
    """What one fact names, as HMACs: people, and things that are one person's for ever.

    `told_at` is the earlier of its moment and its receipt: a platform's clock may be ahead of ours,
    and what we had when she asked to be forgotten is hers whatever that clock said.
    """

    event_id: UUID
    told_at: datetime
    people: tuple[str, ...]
    things: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Who was found: every id that stands for her, the last one first; and all her keys."""

    customer_ids: tuple[UUID, ...]
    keys: tuple[tuple[str, str], ...]


def named(fact: Fact, route_key: bytes) -> Named:
    """Hash what a fact names."""
    people: list[str] = []
    things: list[str] = []
    for kind, value in fact.keys:
        (people if kind in PERSONAL else things).append(hashed_name(route_key, kind, value))
    if isinstance(fact.data, outcomes.DeliverySettled):
        things.append(customer_hash(fact.data.customer_id, route_key))
    told_at = min(fact.occurred_at, fact.received_at)
    return Named(fact.event_id, told_at, tuple(people), tuple(things))


def customer_hash(customer_id: UUID, route_key: bytes) -> str:
    """Hash an id of ours."""
    return hashed_name(route_key, "customer", str(customer_id))


def dropped(
    facts: Sequence[Named],
    known: Tombstones,
    *,
    forgotten: Collection[UUID] = (),
    living: Collection[str] = (),
) -> tuple[set[UUID], set[str]]:
    """Tell which facts are hers who was forgotten, and what else they name for ever.

    An answer dropped for its address is hers in every later message that names the answer alone;
    unless it is somebody else's (`living`), who is kept apart from her. `forgotten` are events of
    whom that is known already.
    """
    gone: set[UUID] = set()
    further: set[str] = set()
    grows = bool(known or forgotten)
    while grows:
        found = [
            fact
            for fact in facts
            if fact.event_id not in gone
            and (fact.event_id in forgotten or _is_hers(fact, known) or further & {*fact.things})
        ]
        gone.update(fact.event_id for fact in found)
        further.update(thing for fact in found for thing in fact.things if thing not in living)
        grows = bool(found)
    return gone, further


def _is_hers(fact: Named, known: Tombstones) -> bool:
    if any(thing in known for thing in fact.things):
        return True
    return any(
        person in known and ((until := known[person]) is None or fact.told_at <= until)
        for person in fact.people
    )


def tombstones(group: Group, data: feedback.ErasureRequested, route_key: bytes) -> Tombstones:
    """List what stops her data: her addresses up to that moment, all that is hers alone for ever.

    `data.people` are those she was asked to be forgotten by: also of one nobody knows an import may
    be under way.
    """
    found: dict[str, datetime | None] = dict.fromkeys(data.people, data.erased_before)
    for kind, value in group.keys:
        until = data.erased_before if kind in PERSONAL else None
        found[hashed_name(route_key, kind, value)] = until
    for customer_id in group.customer_ids:
        found[customer_hash(customer_id, route_key)] = None
    return found


def note(fact: Fact, now: datetime) -> Decision:
    """Remember of a dropped fact that it was handled, and nothing else."""
    return Decision(
        event_id=fact.event_id,
        decision_id=ids.name_id("decision", fact.event_id),
        customer_id=NOBODY,
        version=0,
        kind=fact.kind,
        decided_at=now,
        payload=None,
        note=ERASED,
    )


def told(erasure: Erasure, group: Group, now: datetime, route_key: bytes) -> Decision:
    """Tell everybody that she is forgotten, in as many events as needed: ids and HMACs only.

    Where nobody was known it is told all the same, under the erasure's own id: another service may
    keep something that never came here.
    """
    data = erasure.data
    people = {hashed_name(route_key, kind, value) for kind, value in _wire(group.keys)}
    ordered = sorted(people | {*data.people})
    last = group.customer_ids[0] if group.customer_ids else data.erasure_id
    places = range(0, max(len(ordered), 1), _MOST_PEOPLE)
    events = [
        CustomerErased(
            erasure_id=data.erasure_id,
            customer_id=last,
            customer_ids=group.customer_ids,
            people=tuple(ordered[place : place + _MOST_PEOPLE]),
            erased_before=data.erased_before,
            erased_at=now,
            last=place == places[-1],
        )
        for place in places
    ]
    return Decision(
        event_id=erasure.event_id,
        decision_id=ids.name_id("decision", erasure.event_id),
        customer_id=last,
        # Versions are a customer's; she is none any more.
        version=0,
        kind=data.TYPE,
        decided_at=now,
        payload="\n".join(_line(erasure, number, one) for number, one in enumerate(events)),
        note=None,
    )


def _line(erasure: Erasure, number: int, data: CustomerErased) -> str:
    event_id = ids.name_id(data.TYPE, erasure.event_id, number)
    event = Event(id=event_id, source="nps/segmenter", time=data.erased_at, data=data)
    return encode(event).decode()


def _wire(keys: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Keep those keys that other services know, too."""
    return (key for key in keys if key[0] in PERSONAL or key[0] == "response")
