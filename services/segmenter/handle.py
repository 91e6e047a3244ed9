"""The segmenter's entry: a batch of events becomes facts, customers and decisions.

Gather (rows, locked) → decide (pure) → apply (one transaction) → publish what is stored. Promised:
an event is decided once; told again, its stored decision is published again, byte by byte; nothing
is published before it is durable.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.segmenter.batch.deciding import deciding, in_order
from services.segmenter.decide.decide import Due, Rulebook
from services.segmenter.erase import store as erase_store
from services.segmenter.erase import tombstones
from services.segmenter.erase import waiting as erase_open
from services.segmenter.erase.erasure import ERASED, Erasure
from services.segmenter.identity.identity import Assignment, Subject, assign
from services.segmenter.identity.merges import Command
from services.segmenter.metrics import Metrics
from services.segmenter.profile.facts import Fact, fact_of
from services.segmenter.recorded import recorded
from services.segmenter.store import key_owners, merge_store, saving, store
from services.segmenter.store.rows import Changes, Decision, Gathered
from services.segmenter.traced import BatchSpans
from shared import identifiers
from shared.audit.trail import Trail
from shared.bus.consume import Received, Rejected
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.errors import DependencyAway, Unprocessable
from shared.events import feedback, outcomes
from shared.events.envelope import DECISIONS, topic_of
from shared.events.outcomes import ErasureConfirmed as Confirmed
from shared.observe import Lines
from shared.traces.traces import Traces

#: What a batch holds.
Told = Fact | Due | Command | Erasure

_log = Lines(__name__)

#: After so many events, some milliseconds, everything else in the process has its turn: who asks
#: "may she be asked?" must not wait for a whole batch.
_BREATH = 8
#: How often a batch is repeated at once because identities moved under it; each time somebody else
#: got ahead, so more than a few in a row mean that something else is wrong.
_TRIES = 20


class _Moved(Exception):
    """Another handler created or merged one of our customers meanwhile: gather again."""


class _Forgotten(Exception):
    """These events were handled and then erased with their customer: drop them, gather again."""

    def __init__(self, events: set[UUID]) -> None:
        super().__init__(len(events))
        self.events = events


class Handler:
    """Handles batches. `new_id` names new customers; `clock` tells aware times.

    `route_key` is the key of the HMACs under which people forgotten are known. What a person asked
    for is written into `trail` in the transaction that does it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        rulebook: Rulebook,
        policy_text: str,
        *,
        clock: Callable[[], datetime],
        metrics: Metrics,
        route_key: bytes,
        trail: Trail,
        new_id: Callable[[], UUID] = uuid4,
        traces: Traces | None = None,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._rulebook = rulebook
        self._policy_text = policy_text
        self._policy_kept = False
        self._clock = clock
        self._metrics = metrics
        self._route_key = route_key
        self._trail = trail
        self._new_id = new_id
        self._traces = traces

    async def __call__(self, batch: Sequence[Received]) -> Sequence[Rejected]:
        """Handle a batch wholly; return what can never be handled. Raises `DependencyAway`."""
        started = time.perf_counter()
        spans = None if self._traces is None else BatchSpans(self._traces, batch)
        confirmed = [e.event.data for e in batch if isinstance(e.event.data, Confirmed)]
        await erase_open.confirm(self._engine, confirmed)
        groups, rejected = _read([e for e in batch if not isinstance(e.event.data, Confirmed)])
        for events in groups:
            changes = await self._decided(events)
            await self._publisher.publish(_messages(changes, spans))
            self._tell(changes, events, time.perf_counter() - started)
            if spans is not None:
                spans.tell(changes, [event.event_id for event in events], self._rulebook.version)
        if spans is not None:
            spans.tell_batch()
        self._metrics.refused(len(rejected))
        return rejected

    async def _decided(self, events: Sequence[Told]) -> Changes:
        """Repeat the transaction until nobody got ahead of it."""
        forgotten: set[UUID] = set()
        for _ in range(_TRIES):
            try:
                with away_as_dependency(), _refusals():
                    async with self._engine.begin() as connection:
                        changes = await self._once(connection, events, forgotten)
            except _Moved:
                self._metrics.moved()
            except _Forgotten as found:
                forgotten |= found.events
            except DependencyAway as error:
                if not _rolled_back(error):
                    raise
                self._metrics.moved()
            else:
                self._policy_kept = True
                return changes
        raise DependencyAway("database: identities keep moving")

    async def _once(
        self, connection: AsyncConnection, events: Sequence[Told], forgotten: set[UUID]
    ) -> Changes:
        now, first = self._clock(), events[0]
        # Before anything else: who waits for it must not hold what another waits for.
        await tombstones.lock(connection, alone=isinstance(first, Erasure))
        if not self._policy_kept:
            await saving.keep_policy(connection, self._rulebook.version, self._policy_text, now)
        if isinstance(first, Erasure):
            changes = await erase_store.erase(connection, first, self._route_key, now)
        else:
            changes = await self._changes(connection, events, forgotten, now)
        await saving.save(connection, changes, self._rulebook.version)
        if isinstance(first, Command | Erasure):
            await recorded(connection, self._trail, first, changes, now)
        return changes

    async def _changes(
        self,
        connection: AsyncConnection,
        events: Sequence[Told],
        forgotten: set[UUID],
        now: datetime,
    ) -> Changes:
        """Decide what is told of people who are not forgotten; note the rest."""
        facts = [event for event in events if isinstance(event, Fact)]
        gone = await tombstones.dropped(connection, facts, self._route_key, forgotten, now)
        kept = [e for e in events if not isinstance(e, Erasure) and e.event_id not in gone]
        changes = Changes(merged_at=now)
        if kept:
            assigned, gathered = await self._gathered(connection, kept, now)
            steps = deciding(kept, assigned, gathered, self._rulebook, now)
            for number, so_far in enumerate(steps, 1):
                changes = so_far
                if number % _BREATH == 0:
                    await asyncio.sleep(0)
        if gone:
            await tombstones.note(connection, gone.values(), changes, now)
        return changes

    async def _gathered(
        self, connection: AsyncConnection, events: Sequence[Fact | Due | Command], now: datetime
    ) -> tuple[Assignment, Gathered]:
        command = events[0]
        if not isinstance(command, Command):
            return await self._gather(connection, events, now)
        found = await merge_store.gather(connection, command)
        if found is None:
            raise _Moved
        return Assignment(), found

    async def _gather(
        self, connection: AsyncConnection, events: Sequence[Fact | Due | Command], now: datetime
    ) -> tuple[Assignment, Gathered]:
        """Find or make the customers, lock them, and read what the decision needs.

        Keys are inserted before any customer is locked, both in order: so handlers never wait for
        each other in a ring. What was read before the locks is read again after them.
        """
        named = {customer_id for event in events if (customer_id := _named(event)) is not None}
        existing = await store.existing(connection, named)
        subjects = [
            Subject(event.event_id, event.keys, _named(event))
            for event in events
            if isinstance(event, Fact)
        ]
        keys = {key for subject in subjects for key in subject.keys}
        known = await store.customers_of(connection, keys)
        assigned = assign(subjects, known, existing, self._new_id)
        if not await store.add_keys(connection, assigned.added, assigned.created, now):
            raise _Moved
        touched = {c for linked in assigned.linked.values() for c in linked} | existing
        survivors = await store.survivors(connection, touched)
        customers = await store.lock(connection, survivors.values())
        if await store.survivors(connection, touched) != survivors:
            raise _Moved
        done, copies = await store.done(connection, [event.event_id for event in events])
        if erased := {one for one, decision in done.items() if decision.note == ERASED} & {
            subject.event_id for subject in subjects
        }:
            # Told again with a moment after the erasure: keys of theirs were just made anew.
            raise _Forgotten(erased)
        gathered = Gathered(
            customers=customers,
            survivors=survivors,
            done=done,
            copies=copies,
            facts={},
            timers=await store.timers(connection, {*customers, *existing}),
        )
        if several := _linked(events, assigned, gathered):
            gathered.apart, gathered.latest = await merge_store.between(connection, several)
        gathered.facts = await store.facts(connection, _to_rebuild(events, assigned, gathered))
        if gathered.apart or (several and self._rulebook.policy.merges.consent == "refuse"):
            told = [fact for facts in gathered.facts.values() for fact in facts]
            gathered.owners = await key_owners.survivors(connection, told)
        return assigned, gathered

    def _tell(self, changes: Changes, events: Sequence[Told], seconds: float) -> None:
        """Write one wide line per message, and count."""
        if isinstance(events[0], Erasure):
            identifiers.forget_hashed()
        fresh = {decision.event_id for decision in changes.decisions}
        self._metrics.batch(seconds, len(changes.aliases))
        self._metrics.kept_apart(left.reason for left in changes.left)
        counts: Counter[tuple[str, bool, bool]] = Counter()
        for event in events:
            decision = changes.answers[event.event_id]
            new = event.event_id in fresh
            counts[decision.kind, new, decision.payload is not None] += 1
            if decision.note == ERASED:
                self._metrics.kept_out()
            _log.info(
                "segmenter.handled",
                {
                    "event_id": str(event.event_id),
                    "type": decision.kind,
                    "customer_id": str(decision.customer_id),
                    "decision_id": str(decision.decision_id),
                    "version": decision.version,
                    "fate": "decided" if new else "published again",
                    "silent": decision.note,
                    "policy": self._rulebook.version,
                    "batch": len(events),
                    "seconds": round(seconds, 4),
                },
            )
        self._metrics.decided(counts)
        self._metrics.found(changes.decided.values())
        now = self._clock()
        for event in events:
            decided = changes.decided.get(event.event_id)
            if isinstance(event, Fact) and decided is not None:
                self._metrics.answered(event.event_id, event.data, decided, now)


def _named(event: Told) -> UUID | None:
    """Tell the customer id of ours that an event carries."""
    if isinstance(event, Due):
        return event.data.customer_id
    return event.data.customer_id if isinstance(event.data, outcomes.DeliverySettled) else None


def _linked(events: Sequence[Told], assigned: Assignment, gathered: Gathered) -> set[UUID]:
    """List the customers that are named by one event together with another."""
    found: set[UUID] = set()
    for event in events:
        named = {gathered.survivors[c] for c in assigned.linked.get(event.event_id, ())}
        if len(named) > 1:
            found |= named
    return found


def _to_rebuild(events: Sequence[Told], assigned: Assignment, gathered: Gathered) -> set[UUID]:
    """List the customers of whom a new fact alone may not tell the new state."""
    found = {
        customer.customer_id
        for customer in gathered.customers.values()
        if (forgotten := customer.profile.forgotten).responses
        or forgotten.deliveries
        or forgotten.cases
    }
    for event in events:
        if not isinstance(event, Fact):
            continue
        linked = {gathered.survivors[c] for c in assigned.linked[event.event_id]}
        earlier = gathered.copies.get(event.event_id, event.copy_place) > event.copy_place
        if len(linked) > 1 or earlier:
            found |= linked
    return found


def _read(batch: Sequence[Received]) -> tuple[list[Sequence[Told]], list[Rejected]]:
    """Read events: facts and timers, in order, are decided together, then each command alone.

    Refuse what is none of them.
    """
    events: list[Fact | Due] = []
    commands: dict[UUID, Command | Erasure] = {}
    rejected: list[Rejected] = []
    for received in batch:
        event = received.event
        try:
            if isinstance(event.data, feedback.TimerDue):
                events.append(Due(event.id, event.data))
            elif isinstance(event.data, feedback.MergeCommand):
                commands[event.id] = Command(event.id, event.data)
            elif isinstance(event.data, feedback.ErasureRequested):
                commands[event.id] = Erasure(event.id, event.data)
            else:
                events.append(fact_of(event))
        except Unprocessable as error:
            rejected.append(Rejected(received.record, str(error)))
    together: list[Sequence[Told]] = [in_order(events)] if events else []
    return [*together, *([command] for command in commands.values())], rejected


def _messages(changes: Changes, spans: BatchSpans | None) -> list[Message]:
    """Make the records to publish, each customer's in the order of her versions."""
    return [
        Message(
            topic=topic,
            key=str(decision.customer_id),
            value=line.encode(),
            headers=() if spans is None else spans.headers(decision.event_id),
        )
        for decision in sorted(changes.answers.values(), key=_version)
        if decision.payload
        for topic, line in _lines(decision.payload)
    ]


def _lines(payload: str) -> Iterator[tuple[str, str]]:
    """Tell each stored event and its topic; the last one is the decision itself."""
    *others, decided = payload.split("\n")
    for line in others:
        yield topic_of(line), line
    yield DECISIONS, decided


def _version(decision: Decision) -> int:
    return decision.version


def _rolled_back(error: DependencyAway) -> bool:
    """Tell whether the server only ended a deadlock or a lost race."""
    state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
    return state in {"40P01", "40001"}


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn data that PostgreSQL cannot store (class 22) into `Unprocessable`."""
    try:
        yield
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if state.startswith("22"):
            raise Unprocessable(f"the database cannot store it: {state}") from None
        raise
