"""A segmenter that keeps its tables in memory.

Around the pure core it gathers and writes as the store does, so that thousands of histories can be
tried in a minute; `tests/contracts/test_segmenter_machine.py` shows that both end in the same rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Protocol
from uuid import UUID

from services.segmenter.batch.deciding import decide_batch, in_order
from services.segmenter.decide.decide import Due, Rulebook
from services.segmenter.decide.looking import policy_due
from services.segmenter.erase import erasure
from services.segmenter.erase.erasure import NOBODY, Erasure
from services.segmenter.identity.identity import Assignment, Subject, assign
from services.segmenter.identity.merges import Apart, Command, Reason, Undoing, own, reply_id
from services.segmenter.profile.facts import Fact, Key, fact_of, make
from services.segmenter.profile.profile import trim
from services.segmenter.profile.state import Profile, dump, load
from services.segmenter.store.pruning import KEPT
from services.segmenter.store.rows import PRUNED, Changes, Customer, Gathered, Timer, TimerKey
from shared.events import feedback, ids, outcomes
from shared.events.envelope import Event
from tests.builders.segmenter_forgetting import History, dropped, forget
from tests.builders.segmenter_tables import Rows

Told = Fact | Due | Command | Erasure


class Segmenter(Protocol):
    """A segmenter that a history is told to."""

    def handle(self, events: Sequence[Event], now: datetime) -> list[list[str]]:
        """Handle one batch; list what each decision publishes, line by line, in order."""

    def ring(self, now: datetime, *, close: bool) -> list[Event]:
        """Tell what is due at `now`; not `close`: killed before the rows are closed."""

    def prune(self, now: datetime) -> None:
        """Let go of what is past its time."""

    def use(self, rulebook: Rulebook) -> None:
        """Decide by another policy from now on."""

    def rows(self) -> Rows:
        """Read what is kept."""


def told_of(event: Event) -> Told:
    """Read an event as the handler does."""
    if isinstance(event.data, feedback.TimerDue):
        return Due(event.id, event.data)
    if isinstance(event.data, feedback.MergeCommand):
        return Command(event.id, event.data)
    if isinstance(event.data, feedback.ErasureRequested):
        return Erasure(event.id, event.data)
    return fact_of(event)


def due_event(timer: Timer, now: datetime) -> Event:
    """Make the event of a due timer, as the loop does."""
    data = feedback.TimerDue(
        kind=timer.kind,
        customer_id=timer.customer_id,
        subject=timer.subject,
        arm=timer.arm,
        due_at=timer.due_at,
    )
    name = ids.timer_event(data.kind, data.customer_id, data.subject, data.arm)
    return Event(id=name, source="nps/segmenter", time=now, data=data)


def due_of_policy(row: Customer, rulebook: Rulebook, now: datetime) -> Event:
    """Make the event that asks to decide about her by this policy, as the recomputing does."""
    due = policy_due(rulebook, now, customer_id=row.customer_id, version=row.version)
    return Event(id=due.event_id, source="nps/segmenter", time=now, data=due.data)


@dataclass
class Memory:
    """A segmenter in memory."""

    rulebook: Rulebook
    kept: Rows = field(default_factory=Rows)
    #: Who is kept apart from whom, from either side; who was merged into whom, and when, still open
    #: or not; the latest of all these moments by customer.
    apart: dict[tuple[UUID, UUID], Reason] = field(default_factory=dict)
    into: dict[UUID, UUID] = field(default_factory=dict)
    merged: dict[UUID, datetime] = field(default_factory=dict)
    history: History = field(default_factory=History)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def rows(self) -> Rows:
        """Give the rows themselves."""
        return self.kept

    def handle(self, events: Sequence[Event], now: datetime) -> list[list[str]]:
        """Handle one batch: facts and timers together, then each command alone."""
        told = [told_of(event) for event in events]
        commands = {one.event_id: one for one in told if isinstance(one, Command | Erasure)}
        together = in_order(one for one in told if not isinstance(one, Command | Erasure))
        groups: list[Sequence[Told]] = [together] if together else []
        published = []
        for group in (*groups, *([command] for command in commands.values())):
            changes = self._decided(group, now)
            self._save(changes, group[0].event_id)
            ordered = sorted(changes.answers.values(), key=lambda one: one.version)
            published += [one.payload.split("\n") for one in ordered if one.payload]
        return published

    def ring(self, now: datetime, *, close: bool) -> list[Event]:
        """Tell what is due."""
        due = [one for one in self.kept.timers.values() if one.open and one.due_at <= now]
        if close:
            self.kept.timers.update((one.key, replace(one, open=False)) for one in due)
        return [due_event(one, now) for one in sorted(due, key=lambda one: (one.due_at, one.key))]

    def prune(self, now: datetime) -> None:
        """Empty and delete as the broom does."""
        before = now - KEPT
        rows = self.kept
        for one in list(rows.decisions.values()):
            if one.payload is not None and one.decided_at < before:
                rows.decisions[one.event_id] = replace(one, payload=None, note=PRUNED)
        rows.timers = {
            key: one
            for key, one in rows.timers.items()
            if one.open or one.kind != "settle" or one.due_at >= before
        }

    def use(self, rulebook: Rulebook) -> None:
        """Decide by another policy from now on."""
        self.rulebook = rulebook

    def _erased(self, command: Erasure, now: datetime) -> Changes:
        changes = Changes(merged_at=now)
        told = forget(self.kept, self.history, self.apart, command, now)
        changes.answers[command.event_id] = told
        known = self.kept.customers
        # Whoever was apart from her stays so from nobody: what she was known by is not his.
        pairs = ((one, other if other in known else NOBODY) for one, other in self.apart)
        self.apart = {
            pair: why
            for pair, why in zip(pairs, self.apart.values(), strict=True)
            if pair[0] in known
        }
        self.into = {one: kept for one, kept in self.into.items() if one in known}
        self.merged = {one: at for one, at in self.merged.items() if one in known}
        return changes

    def _decided(self, events: Sequence[Told], now: datetime) -> Changes:
        first = events[0]
        if isinstance(first, Erasure):
            return self._erased(first, now)
        facts = [one for one in events if isinstance(one, Fact)]
        gone = dropped(self.kept, facts)
        kept = [one for one in events if not isinstance(one, Erasure) and one.event_id not in gone]
        changes = self._kept(kept, now) if kept else Changes(merged_at=now)
        for fact in facts:
            if fact.event_id in gone:
                known = self.kept.decisions.get(fact.event_id)
                changes.answers[fact.event_id] = known or erasure.note(fact, now)
                if known is None:
                    changes.decisions.append(changes.answers[fact.event_id])
        return changes

    def _kept(self, events: Sequence[Fact | Due | Command], now: datetime) -> Changes:
        if isinstance(events[0], Command):
            return decide_batch(
                events, Assignment(), self._for_command(events[0]), self.rulebook, now
            )
        assigned, gathered = self._for_batch(events, now)
        return decide_batch(events, assigned, gathered, self.rulebook, now)

    def _for_batch(
        self, events: Sequence[Fact | Due | Command], now: datetime
    ) -> tuple[Assignment, Gathered]:
        rows = self.kept
        named = {one for event in events if (one := _named(event)) is not None}
        existing = named & rows.customers.keys()
        subjects = [Subject(e.event_id, e.keys, _named(e)) for e in events if isinstance(e, Fact)]
        asked = {key for subject in subjects for key in subject.keys}
        known = {key: rows.keys[key] for key in asked if key in rows.keys}
        assigned = assign(subjects, known, existing, lambda: UUID(int=next(self.numbers)))
        rows.keys.update(assigned.added)
        for one in assigned.created:
            rows.customers[one] = Customer(one, now, 0, Profile())
        touched = {one for linked in assigned.linked.values() for one in linked} | existing
        survivors = {one: rows.root(one) for one in touched}
        gathered = self._gathered(set(survivors.values()), survivors, [e.event_id for e in events])
        gathered.timers = self._timers({*gathered.customers, *existing})
        gathered.apart, gathered.latest = self._between(gathered.customers)
        if self.apart or self.rulebook.policy.merges.consent == "refuse":
            gathered.owners = self._owners()
        return assigned, gathered

    def _for_command(self, command: Command) -> Gathered:
        rows, data = self.kept, command.data
        named = {data.customer_id}
        if isinstance(data, feedback.MergeRequested):
            named.add(data.other_id)
        asked = [command.event_id, reply_id(command.event_id, data.customer_id)]
        if not named <= rows.customers.keys():
            gathered = self._gathered(set(), {}, asked)
            gathered.idle = "no customer has this id"
            return gathered
        survivors = {one: rows.root(one) for one in named}
        roots = set(survivors.values())
        if isinstance(data, feedback.MergeRequested):
            gathered = self._gathered(roots, survivors, asked)
            gathered.idle = "they are one customer already" if len(roots) < 2 else None
            gathered.latest, gathered.owners = self._latest(roots), self._owners()
        else:
            gone, kept = data.customer_id, survivors[data.customer_id]
            gathered = self._gathered({gone, kept}, {gone: gone, kept: kept}, asked)
            gathered.idle = "she is merged into nobody" if gone == kept else None
            if gathered.idle is None:
                gathered.undoing = Undoing(gone, kept, self._members(gone))
                gathered.facts = self._split(gathered.undoing)
                gathered.latest = self._latest([gone])
        gathered.timers = self._timers(gathered.customers)
        return gathered

    def _gathered(
        self, roots: set[UUID], survivors: Mapping[UUID, UUID], event_ids: Iterable[UUID]
    ) -> Gathered:
        rows = self.kept
        done = {one: rows.decisions[one] for one in event_ids if one in rows.decisions}
        return Gathered(
            customers={one: rows.customers[one] for one in sorted(roots)},
            survivors=dict(survivors),
            done=done,
            copies={one: rows.facts[one][1].copy_place for one in done if one in rows.facts},
            facts={one: self._facts(one) for one in sorted(roots)},
            timers={},
        )

    def _facts(self, root: UUID) -> list[Fact]:
        """Read as the store does: all keys are hers unless she is kept apart from somebody."""
        rows = self.kept
        found = [fact for owner, fact in rows.facts.values() if rows.root(owner) == root]
        if root not in {rows.root(one) for one, _ in self.apart}:
            return found
        return [own(fact, self._owners(), root) for fact in found]

    def _owners(self) -> dict[Key, UUID]:
        return {key: self.kept.root(owner) for key, owner in self.kept.keys.items()}

    def _split(self, undoing: Undoing) -> dict[UUID, list[Fact]]:
        rows, gone, kept = self.kept, undoing.customer_id, undoing.survivor_id
        then = {
            key: gone if owner in undoing.members else rows.root(owner)
            for key, owner in rows.keys.items()
        }
        facts: dict[UUID, list[Fact]] = {gone: [], kept: []}
        for owner, fact in rows.facts.values():
            if rows.root(owner) == kept:
                side = gone if owner in undoing.members else kept
                facts[side].append(own(fact, then, side))
        return facts

    def _members(self, gone: UUID) -> frozenset[UUID]:
        found = {gone}
        while more := {one for one, kept in self.into.items() if kept in found} - found:
            found |= more
        return frozenset(found)

    def _timers(self, of: Iterable[UUID]) -> dict[TimerKey, Timer]:
        wanted = set(of)
        return {key: one for key, one in self.kept.timers.items() if one.customer_id in wanted}

    def _between(self, roots: Iterable[UUID]) -> tuple[Apart, datetime | None]:
        found: dict[frozenset[UUID], Reason] = {}
        wanted = set(roots)
        for (one, other), reason in self.apart.items():
            pair = frozenset((self.kept.root(one), self.kept.root(other)))
            if len(pair) == 2 and pair <= wanted and found.get(pair) != "person":
                found[pair] = reason
        return found, self._latest(wanted)

    def _latest(self, customers: Iterable[UUID]) -> datetime | None:
        return max((self.merged[one] for one in customers if one in self.merged), default=None)

    def _save(self, changes: Changes, event_id: UUID) -> None:
        rows = self.kept
        for owner, fact in changes.facts:
            first = rows.facts[fact.event_id][0] if fact.event_id in rows.facts else owner
            whole = make(fact.event_id, fact.data, fact.received_at, fact.source)
            rows.facts[fact.event_id] = first, whole
        for gone, kept, _ in changes.aliases:
            rows.aliases = {one: kept if to == gone else to for one, to in rows.aliases.items()}
            rows.aliases[gone] = self.into[gone] = kept
            self.merged[gone] = changes.merged_at
            self.history.merged(gone, kept, changes.merged_at)
            self.apart = {
                pair: reason
                for pair, reason in self.apart.items()
                if not all(rows.root(one) == kept for one in pair)
            }
        if changes.undone is not None:
            self._undo(changes.undone, changes.merged_at)
            self.history.undone(changes.undone.customer_id, changes.merged_at, event_id)
        for left in changes.left:
            if left.reason == "consent":
                self._keep_apart(left.customer_id, left.other_id, "consent")
        for one, row in changes.customers.items():
            kept_row = replace(row, profile=load(dump(trim(row.profile))))
            rows.customers[one] = replace(kept_row, created_at=rows.customers[one].created_at)
        rows.decisions.update((one.event_id, one) for one in changes.decisions)
        rows.timers.update(changes.timers)

    def _undo(self, undone: Undoing, at: datetime) -> None:
        rows, gone, kept = self.kept, undone.customer_id, undone.survivor_id
        self.merged[gone] = at
        del self.into[gone]
        del rows.aliases[gone]
        rows.aliases.update(dict.fromkeys(undone.members - {gone}, gone))
        for (one, other), reason in list(self.apart.items()):
            if rows.root(one) in (gone, kept) and rows.root(other) not in (gone, kept):
                for half in (gone, kept):
                    self.apart.setdefault((half, other), reason)
                    self.apart.setdefault((other, half), reason)
        self._keep_apart(gone, kept, "person")

    def _keep_apart(self, one: UUID, other: UUID, reason: Reason) -> None:
        for pair in ((one, other), (other, one)):
            if self.apart.get(pair) != "person":
                self.apart[pair] = reason


def _named(event: Fact | Due | Command) -> UUID | None:
    if isinstance(event, Due):
        return event.data.customer_id
    return event.data.customer_id if isinstance(event.data, outcomes.DeliverySettled) else None
