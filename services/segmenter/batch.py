"""One batch decided: from what was gathered to what is to be written. Pure.

In: events in order, and the rows they touch. Out: the rows to write and the events to publish. Each
event gets one decision; each customer is written once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.segmenter.cases import opening
from services.segmenter.decide import moments
from services.segmenter.decide.decide import Due, Rulebook, decide, silence
from services.segmenter.identity import merges
from services.segmenter.identity.identity import Assignment
from services.segmenter.identity.merges import Command, LeftOut, Undoing
from services.segmenter.profile.facts import Fact, Key
from services.segmenter.profile.profile import rebuild, step
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Changes, Customer, Decision, Gathered, Timer
from shared.events import ids
from shared.events.decisions import (
    CustomerMerged,
    CustomerUnmerged,
    DecisionData,
    TraceLine,
)
from shared.events.envelope import Event, encode
from shared.events.outcomes import DeliverySettled

_SOURCE = "nps/segmenter"


def in_order(events: Iterable[Fact | Due]) -> list[Fact | Due]:
    """Sort a batch as facts are, timers last; of copies keep the one received first."""
    facts: dict[UUID, Fact] = {}
    dues: dict[UUID, Due] = {}
    for event in events:
        if isinstance(event, Due):
            dues[event.event_id] = event
        elif event.event_id not in facts or event.order < facts[event.event_id].order:
            facts[event.event_id] = event
    return [*sorted(facts.values(), key=lambda fact: fact.order), *dues.values()]


def decide_batch(
    events: Sequence[Fact | Due | Command],
    assigned: Assignment,
    gathered: Gathered,
    rulebook: Rulebook,
    now: datetime,
) -> Changes:
    """Decide every event of a batch that `in_order` sorted; a command comes alone."""
    *_, changes = deciding(events, assigned, gathered, rulebook, now)
    return changes


def deciding(
    events: Sequence[Fact | Due | Command],
    assigned: Assignment,
    gathered: Gathered,
    rulebook: Rulebook,
    now: datetime,
) -> Iterator[Changes]:
    """Decide a batch event by event, so that others may have a turn between two.

    The changes grow with each; what comes last is all of them, with the timers.
    """
    work = _Work(assigned, gathered, rulebook, now)
    for event in events:
        if isinstance(event, Due):
            work.due(event)
        elif isinstance(event, Command):
            work.command(event)
        else:
            work.fact(event)
        yield work.changes
    work.set_timers()
    yield work.changes


class _Work:
    """The state between two events of one batch."""

    def __init__(
        self, assigned: Assignment, gathered: Gathered, rulebook: Rulebook, now: datetime
    ) -> None:
        self._assigned = assigned
        self._customers = dict(gathered.customers)
        self._survivors = {**{one: one for one in gathered.customers}, **gathered.survivors}
        self._gathered = gathered
        self._facts = {customer: list(facts) for customer, facts in gathered.facts.items()}
        self._rulebook = rulebook
        self._now = now
        self._touched: dict[UUID, datetime] = {}
        self._gone: set[UUID] = set()
        #: Touched by nothing but a change of the policy.
        self._calm: set[UUID] = set()
        self._apart = gathered.apart
        self.changes = Changes(merged_at=merges.moment(now, gathered.latest))

    def fact(self, fact: Fact) -> None:
        """Handle one fact: new, known, or known by a copy that was received later."""
        stored = self._gathered.done.get(fact.event_id)
        owner = self._assigned.owner[fact.event_id]
        if stored is not None:
            self._again(fact, owner, stored)
            return
        linked = self._linked(fact, owner)
        before = self._customers[self._survivor(owner)].profile
        merged, left = self._link(linked, fact.event_id) if len(linked) > 1 else ((), {})
        customer = self._customers[self._survivor(owner)]
        if left:
            owners = {key: self._survivor(self._assigned.keys[key]) for key in fact.keys}
            fact = merges.own(fact, owners, customer.customer_id)
        known = self._facts.get(customer.customer_id)
        if known is not None:
            known.append(fact)
        after = step(customer.profile, fact)
        if after is None:
            after = rebuild(self._facts[customer.customer_id])
        self.changes.facts.append((owner, fact))
        also = merges.left_lines(left) if left else ()
        self._decide(customer, before, after, fact, merged, also=also)

    def _linked(self, fact: Fact, owner: UUID) -> tuple[UUID, ...]:
        """List the customers that a fact shows to be one, whose it is first."""
        found = [self._survivor(c) for c in (owner, *self._assigned.linked[fact.event_id])]
        if not isinstance(fact.data, DeliverySettled):
            return tuple(dict.fromkeys(found))
        hers = (found[0], self._survivor(fact.data.customer_id))
        known = {one: self._customers[one].profile.known for one in found}
        return merges.by_number(found, hers, known)

    def _again(self, fact: Fact, owner: UUID, stored: Decision) -> None:
        """Publish what is stored; a copy received earlier is the fact, and may change the state."""
        known = self._gathered.received.get(fact.event_id)
        self.changes.answers[fact.event_id] = stored
        if known is None or known <= fact.received_at:
            return
        customer = self._customers[self._survivor(owner)]
        facts = self._facts[customer.customer_id]
        if all(one.event_id != fact.event_id for one in facts):
            # Somebody gave one id to two events about two people: the first one stands.
            return
        before = rebuild(facts)
        facts[:] = [
            replace(fact, keys=one.keys) if one.event_id == fact.event_id else one for one in facts
        ]
        after = rebuild(facts)
        self.changes.facts.append((owner, fact))
        if after != before:
            self._decide(customer, before, after, fact)

    def due(self, due: Due) -> None:
        """Handle one timer: the newest arm decides anew, an older one is only noted."""
        stored = self._gathered.done.get(due.event_id)
        if stored is not None:
            self.changes.answers[due.event_id] = stored
            return
        named = due.data.customer_id
        customer = self._customers.get(self._survivor(named))
        if customer is None:
            self._note(due, "no customer has this id")
            return
        if due.data.kind == "policy":
            self._policy(customer, due)
            return
        timer = self._gathered.timers.get((due.data.kind, named, due.data.subject))
        if timer is None or timer.arm != due.data.arm or self._rings_for(customer, due):
            self._keep(customer, due, None, "stale: this timer was set anew meanwhile")
            return
        if not moments.stands(customer.profile, self._rulebook.policy, due.data):
            self._keep(customer, due, None, "stale: what this timer waited for has changed")
            return
        self._touch(customer.customer_id, max(self._now, due.data.due_at))
        self._decide(customer, customer.profile, customer.profile, due)

    def _rings_for(self, customer: Customer, due: Due) -> bool:
        """Tell whether what rang of her who was merged away rings anew of the survivor.

        It was told before the merge and comes after it: then nobody but this timer tells of it.
        """
        if due.data.customer_id == customer.customer_id:
            return False
        hers = self._gathered.timers.get((due.data.kind, customer.customer_id, due.data.subject))
        set_anew = hers is not None and hers.open and hers.due_at == due.data.due_at
        return set_anew or moments.by_now(due.data.kind)

    def _policy(self, customer: Customer, due: Due) -> None:
        """Decide anew because another policy is in force: nobody reacts, and nothing rings late."""
        if due.data.customer_id != customer.customer_id:
            self._keep(customer, due, None, "stale: she was merged meanwhile")
            return
        if due.data.subject != self._rulebook.version:
            self._keep(customer, due, None, "stale: this policy is not in force here")
            return
        if customer.customer_id not in self._touched:
            self._calm.add(customer.customer_id)
        self._decide(customer, customer.profile, customer.profile, due)

    def set_timers(self) -> None:
        """Let the timers of every customer touched ring when time brings something to her."""
        known: dict[UUID, list[Timer]] = {}
        for timer in self._gathered.timers.values():
            known.setdefault(timer.customer_id, []).append(timer)
        for customer_id, now in self._touched.items():
            profile = self._customers[customer_id].profile
            ahead = moments.ahead(profile, self._rulebook.policy, now)
            before = known.get(customer_id, ())
            owed = self._owed(customer_id, known, ahead)
            changed = moments.changed(customer_id, before, ahead, now, owed)
            if customer_id in self._calm:
                changed = moments.calm(changed, before, now)
            self.changes.timers.update((timer.key, timer) for timer in changed)
        for customer_id in self._gone:
            changed = moments.changed(customer_id, known.get(customer_id, ()), {}, self._now)
            self.changes.timers.update((timer.key, timer) for timer in changed)

    def _owed(
        self, customer_id: UUID, known: Mapping[UUID, Sequence[Timer]], ahead: moments.Moments
    ) -> set[moments.Owed]:
        """List what was set for those merged or parted and may not have been told yet.

        Of a window it is not known after an undoing whether the survivor was told its end: told
        twice it is one cause, on which no play acts twice.
        """
        undone = self.changes.undone
        others = self._gone if undone is None else {undone.survivor_id}
        owed = {
            (timer.kind, timer.subject, timer.due_at)
            for other in others
            for timer in known.get(other, ())
            if timer.open
        }
        if undone is not None and customer_id in (undone.customer_id, undone.survivor_id):
            since = self._now - moments.LATEST
            owed |= {
                (kind, name, at)
                for (kind, name), at in ahead.items()
                if kind == "settle" and at > since
            }
        return owed

    def command(self, command: Command) -> None:
        """Merge two customers, or undo it, because a person said so."""
        if command.event_id in self._gathered.done:
            # An undoing has two decisions, one about each.
            self.changes.answers.update(self._gathered.done)
            return
        if self._gathered.idle is not None:
            self._note(command, self._gathered.idle)
            return
        lines = merges.command_lines(command)
        if self._gathered.undoing is not None:
            self._undo(command, self._gathered.undoing, lines)
            return
        profiles = {one: row.profile for one, row in self._customers.items()}
        kept, told = self._merge(tuple(self._customers), command.event_id)
        customer = self._customers[kept]
        self._decide(customer, profiles[kept], customer.profile, command, told, also=lines)

    def _undo(self, command: Command, undoing: Undoing, lines: tuple[TraceLine, ...]) -> None:
        """Let a customer be somebody of her own again; one decision about each of the two."""
        gone, kept = undoing.customer_id, undoing.survivor_id
        profiles = {one: rebuild(facts) for one, facts in self._facts.items()}
        told = CustomerUnmerged(
            customer_id=gone,
            survivor_id=kept,
            unmerged_at=self.changes.merged_at,
            causes=merges.causes(self._facts[gone]),
        )
        # Told before the state of either: a reader of one customer alone must know it, too.
        first = (told,) if profiles[gone].known else ()
        before = self._customers[kept].profile
        self._decide(self._customers[kept], before, profiles[kept], command, first, also=lines)
        reply = replace(command, event_id=merges.reply_id(command.event_id, gone))
        self._decide(
            self._customers[gone], profiles[gone], profiles[gone], reply, first, also=lines
        )
        self.changes.undone = undoing

    def _link(
        self, linked: tuple[UUID, ...], event_id: UUID
    ) -> tuple[tuple[CustomerMerged, ...], dict[UUID, merges.Reason]]:
        """Merge those of several customers that may be merged; the first one's event it is."""
        profiles = {one: self._customers[one].profile for one in linked}
        together, left = merges.joined(linked, self._apart, profiles, self._rulebook.policy.merges)
        self.changes.left += [
            LeftOut(linked[0], other, reason, event_id) for other, reason in left.items()
        ]
        return (self._merge(together, event_id)[1] if len(together) > 1 else ()), left

    def _merge(
        self, linked: tuple[UUID, ...], event_id: UUID
    ) -> tuple[UUID, tuple[CustomerMerged, ...]]:
        """Make several customers one; return who stays, and what the world must be told."""
        rows = [self._customers[customer_id] for customer_id in linked]
        kept = merges.kept_of((row.customer_id, row.profile, row.created_at) for row in rows)
        gone = sorted((row for row in rows if row.customer_id != kept), key=lambda c: c.created_at)
        for named, found in self._survivors.items():
            if found in linked:
                self._survivors[named] = kept
        merged = [row.customer_id for row in gone]
        profile = merges.united(kept, self._facts, merged, self._owners())
        self._customers[kept] = replace(
            self._customers[kept], version=max(row.version for row in rows), profile=profile
        )
        for row in gone:
            self.changes.aliases.append((row.customer_id, kept, event_id))
            self.changes.customers[row.customer_id] = replace(row, profile=Profile())
            self._gone.add(row.customer_id)
            self._touched.pop(row.customer_id, None)
            self._apart = merges.renamed(self._apart, row.customer_id, kept)
            del self._customers[row.customer_id]
        told = (
            CustomerMerged(
                customer_id=kept, merged_id=row.customer_id, merged_at=self.changes.merged_at
            )
            for row in gone
            if row.profile.known
        )
        return kept, tuple(told)

    def _owners(self) -> dict[Key, UUID]:
        """Tell whose the keys of facts are now; empty where nobody is kept apart."""
        if not self._gathered.owners:
            return {}
        found = {**self._assigned.keys, **self._gathered.owners}
        return {key: self._survivor(owner) for key, owner in found.items()}

    def _decide(
        self,
        customer: Customer,
        before: Profile,
        after: Profile,
        event: Fact | Due | Command,
        first: Sequence[CustomerMerged | CustomerUnmerged] = (),
        *,
        also: tuple[TraceLine, ...] = (),
    ) -> None:
        """Decide about one customer; `first` is told before, `also` stands in the trace."""
        changed = Customer(customer.customer_id, customer.created_at, customer.version, after)
        note = silence(before, after, event, merged=bool(first))
        if note is not None:
            self._keep(changed, event, None, note)
            return
        decided = decide(
            before,
            after,
            event,
            self._rulebook,
            self._now,
            customer_id=customer.customer_id,
            version=customer.version + 1,
            merged=bool(first),
            also=also,
        )
        told = [self._event(merges.told_id(one, event.event_id), one) for one in first]
        opened = opening.event(decided, after)
        if opened is not None:
            told.append(opened)
        told.append(self._event(decided.decision_id, decided))
        payload = "\n".join(encode(one).decode() for one in told)
        self._keep(changed, event, payload, None, decided.decision_id)

    def _event(self, event_id: UUID, data: DecisionData) -> Event:
        return Event(id=event_id, source=_SOURCE, time=self._now, data=data)

    def _keep(
        self,
        customer: Customer,
        event: Fact | Due | Command,
        payload: str | None,
        note: str | None,
        decision_id: UUID | None = None,
    ) -> None:
        version = customer.version + 1
        named = decision_id or ids.name_id(
            "decision", event.event_id, customer.customer_id, version
        )
        kept = Customer(customer.customer_id, customer.created_at, version, customer.profile)
        self._customers[customer.customer_id] = self.changes.customers[kept.customer_id] = kept
        self._touch(customer.customer_id, self._now)
        self._record(
            Decision(
                event_id=event.event_id,
                decision_id=named,
                customer_id=customer.customer_id,
                version=version,
                kind=event.kind if isinstance(event, Fact) else event.data.TYPE,
                decided_at=self._now,
                payload=payload,
                note=note,
            )
        )

    def _note(self, event: Due | Command, note: str) -> None:
        """Keep a timer or command that changes nobody, so that it stays handled."""
        self._record(
            Decision(
                event_id=event.event_id,
                decision_id=ids.name_id("decision", event.event_id),
                customer_id=event.data.customer_id,
                version=0,
                kind=event.data.TYPE,
                decided_at=self._now,
                payload=None,
                note=note,
            )
        )

    def _record(self, decision: Decision) -> None:
        self.changes.decisions.append(decision)
        self.changes.answers[decision.event_id] = decision

    def _touch(self, customer_id: UUID, now: datetime) -> None:
        self._touched[customer_id] = max(now, self._touched.get(customer_id, now))

    def _survivor(self, customer_id: UUID) -> UUID:
        return self._survivors.get(customer_id, customer_id)
