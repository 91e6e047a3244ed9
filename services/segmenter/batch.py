"""One batch decided: from what was gathered to what is to be written. Pure.

In: events in order, and the rows they touch. Out: the rows to write and the events to publish. Each
event gets one decision; each customer is written once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.segmenter import moments, opening
from services.segmenter.decide import Due, Rulebook, decide, silence
from services.segmenter.facts import Fact
from services.segmenter.identity import Assignment, Candidate, survivor
from services.segmenter.profile import rebuild, step
from services.segmenter.rows import Changes, Customer, Decision, Gathered, Timer
from services.segmenter.state import Profile
from shared.events import ids
from shared.events.decisions import CustomerMerged
from shared.events.envelope import Event, encode

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
    events: Sequence[Fact | Due],
    assigned: Assignment,
    gathered: Gathered,
    rulebook: Rulebook,
    now: datetime,
) -> Changes:
    """Decide every event of a batch that `in_order` sorted."""
    work = _Work(assigned, gathered, rulebook, now)
    for event in events:
        if isinstance(event, Due):
            work.due(event)
        else:
            work.fact(event)
    work.set_timers()
    return work.changes


class _Work:
    """The state between two events of one batch."""

    def __init__(
        self, assigned: Assignment, gathered: Gathered, rulebook: Rulebook, now: datetime
    ) -> None:
        self._assigned = assigned
        self._customers = dict(gathered.customers)
        self._survivors = dict(gathered.survivors)
        self._gathered = gathered
        self._facts = {customer: list(facts) for customer, facts in gathered.facts.items()}
        self._rulebook = rulebook
        self._now = now
        self._touched: dict[UUID, datetime] = {}
        self._gone: set[UUID] = set()
        self.changes = Changes()

    def fact(self, fact: Fact) -> None:
        """Handle one fact: new, known, or known by a copy that was received later."""
        stored = self._gathered.done.get(fact.event_id)
        owner = self._assigned.owner[fact.event_id]
        if stored is not None:
            self._again(fact, owner, stored)
            return
        linked = {self._survivor(c) for c in self._assigned.linked[fact.event_id]}
        before = self._customers[self._survivor(owner)].profile
        merged = self._merge(linked, fact.event_id) if len(linked) > 1 else ()
        customer = self._customers[self._survivor(owner)]
        known = self._facts.get(customer.customer_id)
        if known is not None:
            known.append(fact)
        after = step(customer.profile, fact)
        if after is None:
            after = rebuild(self._facts[customer.customer_id])
        self.changes.facts.append((owner, fact))
        self._decide(customer, before, after, fact, merged)

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
        facts[:] = [fact if one.event_id == fact.event_id else one for one in facts]
        after = rebuild(facts)
        self.changes.facts.append((owner, fact))
        if after != before:
            self._decide(customer, before, after, fact, ())

    def due(self, due: Due) -> None:
        """Handle one timer: the newest arm decides anew, an older one is only noted."""
        stored = self._gathered.done.get(due.event_id)
        if stored is not None:
            self.changes.answers[due.event_id] = stored
            return
        named = due.data.customer_id
        customer = self._customers.get(self._survivor(named))
        if customer is None:
            self._note_unknown(due)
            return
        timer = self._gathered.timers.get((due.data.kind, named, due.data.subject))
        if named != customer.customer_id or timer is None or timer.arm != due.data.arm:
            self._keep(customer, due, None, "stale: this timer was set anew meanwhile")
            return
        if not moments.stands(customer.profile, self._rulebook.policy, due.data):
            self._keep(customer, due, None, "stale: what this timer waited for has changed")
            return
        self._touch(customer.customer_id, max(self._now, due.data.due_at))
        self._decide(customer, customer.profile, customer.profile, due, ())

    def set_timers(self) -> None:
        """Let the timers of every customer touched ring when time brings something to her."""
        known: dict[UUID, list[Timer]] = {}
        for timer in self._gathered.timers.values():
            known.setdefault(timer.customer_id, []).append(timer)
        for customer_id, now in self._touched.items():
            profile = self._customers[customer_id].profile
            ahead = moments.ahead(profile, self._rulebook.policy, now)
            changed = moments.changed(customer_id, known.get(customer_id, ()), ahead, now)
            self.changes.timers.update((timer.key, timer) for timer in changed)
        for customer_id in self._gone:
            changed = moments.changed(customer_id, known.get(customer_id, ()), {}, self._now)
            self.changes.timers.update((timer.key, timer) for timer in changed)

    def _merge(self, linked: set[UUID], event_id: UUID) -> tuple[UUID, ...]:
        """Make several customers one; return those whose end the world must be told."""
        candidates = [self._customers[customer_id] for customer_id in linked]
        kept = survivor(Candidate(c.customer_id, c.profile.known, c.created_at) for c in candidates)
        gone = sorted((c for c in candidates if c.customer_id != kept), key=lambda c: c.created_at)
        facts = self._facts[kept]
        for customer in gone:
            facts.extend(self._facts.pop(customer.customer_id))
            self.changes.aliases.append((customer.customer_id, kept, event_id))
            self.changes.customers[customer.customer_id] = Customer(
                customer.customer_id, customer.created_at, customer.version, Profile()
            )
            self._gone.add(customer.customer_id)
            self._touched.pop(customer.customer_id, None)
            del self._customers[customer.customer_id]
        for named, found in self._survivors.items():
            if found in linked:
                self._survivors[named] = kept
        survivor_row = next(c for c in candidates if c.customer_id == kept)
        self._customers[kept] = Customer(
            kept,
            survivor_row.created_at,
            max(customer.version for customer in candidates),
            rebuild(facts),
        )
        return tuple(customer.customer_id for customer in gone if customer.profile.known)

    def _decide(
        self,
        customer: Customer,
        before: Profile,
        after: Profile,
        event: Fact | Due,
        merged: tuple[UUID, ...],
    ) -> None:
        changed = Customer(customer.customer_id, customer.created_at, customer.version, after)
        note = silence(before, after, event, merged=bool(merged))
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
            merged=bool(merged),
        )
        told = [
            Event(
                id=ids.name_id("customer.merged", customer.customer_id, gone, event.event_id),
                source=_SOURCE,
                time=self._now,
                data=CustomerMerged(
                    customer_id=customer.customer_id, merged_id=gone, merged_at=self._now
                ),
            )
            for gone in merged
        ]
        opened = opening.event(decided, after)
        if opened is not None:
            told.append(opened)
        told.append(Event(id=decided.decision_id, source=_SOURCE, time=self._now, data=decided))
        payload = "\n".join(encode(one).decode() for one in told)
        self._keep(changed, event, payload, None)

    def _keep(
        self, customer: Customer, event: Fact | Due, payload: str | None, note: str | None
    ) -> None:
        version = customer.version + 1
        kept = Customer(customer.customer_id, customer.created_at, version, customer.profile)
        self._customers[customer.customer_id] = self.changes.customers[kept.customer_id] = kept
        self._touch(customer.customer_id, self._now)
        self._record(
            Decision(
                event_id=event.event_id,
                decision_id=ids.name_id("decision", event.event_id, customer.customer_id, version),
                customer_id=customer.customer_id,
                version=version,
                kind=event.kind if isinstance(event, Fact) else event.data.TYPE,
                decided_at=self._now,
                payload=payload,
                note=note,
            )
        )

    def _note_unknown(self, due: Due) -> None:
        """Keep a timer that names nobody, so that it stays handled."""
        self._record(
            Decision(
                event_id=due.event_id,
                decision_id=ids.name_id("decision", due.event_id),
                customer_id=due.data.customer_id,
                version=0,
                kind=due.data.TYPE,
                decided_at=self._now,
                payload=None,
                note="no customer has this id",
            )
        )

    def _record(self, decision: Decision) -> None:
        self.changes.decisions.append(decision)
        self.changes.answers[decision.event_id] = decision

    def _touch(self, customer_id: UUID, now: datetime) -> None:
        self._touched[customer_id] = max(now, self._touched.get(customer_id, now))

    def _survivor(self, customer_id: UUID) -> UUID:
        return self._survivors.get(customer_id, customer_id)
