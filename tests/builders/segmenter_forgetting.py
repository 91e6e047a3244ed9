"""Forgetting somebody in memory, as the store does: a part of the segmenter that has no database.

Around the pure core: what is deleted, what is emptied, what is kept out from then on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.segmenter.erase import erasure
from services.segmenter.erase.erasure import ERASED, Erasure, Group
from services.segmenter.profile.facts import PERSONAL, Fact, Key, make
from services.segmenter.store.rows import Decision
from shared.identifiers import hashed_name
from tests.builders.facts import ROUTE_KEY
from tests.builders.segmenter_tables import Rows

SHARED = "erased with somebody who was one with her then"


@dataclass(frozen=True)
class Merge:
    """A row of `merges`."""

    customer_id: UUID
    survivor_id: UUID
    merged_at: datetime
    undone_at: datetime | None = None
    undone_by: UUID | None = None


@dataclass
class History:
    """What is kept of merges beside the tables that count: who, into whom, when, and undone."""

    merges: list[Merge] = field(default_factory=list)

    def merged(self, gone: UUID, kept: UUID, at: datetime) -> None:
        """Note a merge."""
        self.merges.append(Merge(gone, kept, at))

    def undone(self, gone: UUID, at: datetime, by: UUID) -> None:
        """Note that the open one of hers is undone."""
        self.merges = [
            replace(one, undone_at=at, undone_by=by)
            if one.customer_id == gone and one.undone_at is None
            else one
            for one in self.merges
        ]

    def near(self, ids: set[UUID]) -> set[UUID]:
        """Find everybody who was ever one with them, directly or by others."""
        found = set(ids)
        while more := {
            other
            for one in self.merges
            for here, other in (
                (one.customer_id, one.survivor_id),
                (one.survivor_id, one.customer_id),
            )
            if here in found and other not in found
        }:
            found |= more
        return found

    def told_of_both(self, decision: Decision, everybody: set[UUID]) -> bool:
        """Tell whether a decision was made while its customer was one with another of them."""
        return any(
            one.customer_id in everybody
            and one.undone_at is not None
            and decision.event_id != one.undone_by
            and one.merged_at - timedelta(hours=1) <= decision.decided_at <= one.undone_at
            for one in self.merges
        )


def group(rows: Rows, customer_ids: Sequence[UUID]) -> Group:
    """Find all that stand for a person, in the order in which they are told."""
    named = {one for one in customer_ids if one in rows.customers}
    roots = sorted({rows.root(one) for one in named})
    members = {one for one, kept in rows.aliases.items() if kept in roots}
    ids = (*roots, *sorted((members | named | {*customer_ids}) - {*roots}))
    return Group(ids, tuple(sorted(key for key, owner in rows.keys.items() if owner in ids)))


def forget(
    rows: Rows,
    history: History,
    apart: Iterable[tuple[UUID, UUID]],
    command: Erasure,
    now: datetime,
) -> Decision:
    """Delete all that is hers; returns what is told of it, noted or made now."""
    if command.event_id in rows.decisions:
        return rows.decisions[command.event_id]
    found = group(rows, command.data.customer_ids)
    ids = set(found.customer_ids)
    _strike_out(rows, {one for one, other in apart if other in ids}, found)
    everybody = history.near(ids)
    for decision in list(rows.decisions.values()):
        if decision.version and decision.customer_id in ids:
            rows.decisions[decision.event_id] = replace(decision, payload=None, note=ERASED)
        elif (
            decision.version
            and decision.payload is not None
            and decision.customer_id in everybody
            and history.told_of_both(decision, everybody)
        ):
            rows.decisions[decision.event_id] = replace(decision, payload=None, note=SHARED)
    rows.facts = {one: kept for one, kept in rows.facts.items() if kept[0] not in ids}
    rows.keys = {key: owner for key, owner in rows.keys.items() if owner not in ids}
    rows.timers = {key: one for key, one in rows.timers.items() if one.customer_id not in ids}
    rows.aliases = {one: kept for one, kept in rows.aliases.items() if one not in ids}
    rows.customers = {one: row for one, row in rows.customers.items() if one not in ids}
    history.merges = [one for one in history.merges if one.customer_id not in ids]
    add(rows, erasure.tombstones(found, command.data, ROUTE_KEY))
    told = erasure.told(command, found, now, ROUTE_KEY)
    rows.decisions[told.event_id] = told
    return told


def _strike_out(rows: Rows, apart: set[UUID], found: Group) -> None:
    """Take her addresses out of the facts of those who are kept apart from her."""
    hers = {key for key in found.keys if key[0] in PERSONAL}
    roots = {rows.root(one) for one in apart}
    others = apart | roots | {one for one, kept in rows.aliases.items() if kept in roots}
    for event_id, (owner, fact) in list(rows.facts.items()):
        named: Sequence[object] = getattr(fact.data, "identifiers", ())
        if owner in others and any(_key(one) in hers for one in named):
            left = tuple(one for one in named if _key(one) not in hers)
            data = fact.data.model_copy(update={"identifiers": left})
            rows.facts[event_id] = owner, make(event_id, data, fact.received_at, fact.source)


def _key(identifier: object) -> Key:
    return getattr(identifier, "kind"), getattr(identifier, "value")  # noqa: B009


def add(rows: Rows, stones: erasure.Tombstones) -> None:
    """Write tombstones: for ever is later than any moment."""
    for person, until in stones.items():
        known = rows.stones.get(person, until)
        rows.stones[person] = None if known is None or until is None else max(known, until)


def dropped(rows: Rows, facts: Sequence[Fact]) -> set[UUID]:
    """Tell which facts are of people forgotten, and keep out what else they name for ever."""
    names = [erasure.named(fact, ROUTE_KEY) for fact in facts]
    known = {
        one: rows.stones[one]
        for fact in names
        for one in (*fact.people, *fact.things)
        if one in rows.stones
    }
    forgotten = {
        fact.event_id
        for fact in facts
        if (stored := rows.decisions.get(fact.event_id)) is not None and stored.note == ERASED
    }
    with_address = {rows.root(owner) for key, owner in rows.keys.items() if key[0] in PERSONAL}
    living = {
        hashed_name(ROUTE_KEY, *key)
        for fact in facts
        for key in fact.keys
        if key[0] not in PERSONAL and key in rows.keys and rows.root(rows.keys[key]) in with_address
    }
    gone, further = erasure.dropped(names, known, forgotten=forgotten, living=living)
    add(rows, dict.fromkeys(further - known.keys()))
    return gone
