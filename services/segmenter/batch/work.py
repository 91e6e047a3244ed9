"""What a batch has come to so far: who is who, what is to be written, who was touched. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.segmenter.cases import opening
from services.segmenter.decide.decide import Due, Rulebook, decide, silence
from services.segmenter.identity import merges
from services.segmenter.identity.identity import Assignment
from services.segmenter.identity.merges import Command
from services.segmenter.profile.facts import Fact
from services.segmenter.profile.profile import trim
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Changes, Customer, Decision, Gathered
from shared.events import ids
from shared.events.decisions import CustomerMerged, CustomerUnmerged, DecisionData, TraceLine
from shared.events.envelope import Event, encode

_SOURCE = "nps/segmenter"


class Work:
    """The state between two events of one batch; the steps beside this file change it."""

    def __init__(
        self, assigned: Assignment, gathered: Gathered, rulebook: Rulebook, now: datetime
    ) -> None:
        self.assigned = assigned
        self.customers = dict(gathered.customers)
        self.survivors = {**{one: one for one in gathered.customers}, **gathered.survivors}
        self.gathered = gathered
        self.facts = {customer: list(facts) for customer, facts in gathered.facts.items()}
        self.rulebook = rulebook
        self.now = now
        self.touched: dict[UUID, datetime] = {}
        self.gone: set[UUID] = set()
        #: Touched by nothing but a change of the policy.
        self.calm: set[UUID] = set()
        self.apart = gathered.apart
        self.changes = Changes(merged_at=merges.moment(now, gathered.latest))

    def decide(
        self,
        customer: Customer,
        before: Profile,
        after: Profile,
        event: Fact | Due | Command,
        first: Sequence[CustomerMerged | CustomerUnmerged] = (),
        *,
        also: tuple[TraceLine, ...] = (),
        joined: bool = False,
    ) -> None:
        """Decide about one customer; `first` is told before, `also` stands in the trace.

        `joined`: the event made somebody one with her, whether or not that is told.
        """
        changed = Customer(customer.customer_id, customer.created_at, customer.version, after)
        # By what is stored of her: so a timer, which reads that, tells of her the same as an answer
        # for which all her facts were folded.
        before, seen = trim(before), trim(after)
        note = silence(before, seen, event, merged=joined or bool(first))
        if note is not None:
            self.keep(changed, event, None, note)
            return
        decided = decide(
            before,
            seen,
            event,
            self.rulebook,
            self.now,
            customer_id=customer.customer_id,
            version=customer.version + 1,
            merged=bool(first),
            also=also,
            whole=after,
        )
        told = [self._event(merges.told_id(one, event.event_id), one) for one in first]
        opened = opening.event(decided, seen)
        if opened is not None:
            told.append(opened)
        told.append(self._event(decided.decision_id, decided))
        payload = "\n".join(encode(one).decode() for one in told)
        self.changes.decided[event.event_id] = decided
        self.keep(changed, event, payload, None, decided.decision_id)

    def _event(self, event_id: UUID, data: DecisionData) -> Event:
        return Event(id=event_id, source=_SOURCE, time=self.now, data=data)

    def keep(
        self,
        customer: Customer,
        event: Fact | Due | Command,
        payload: str | None,
        note: str | None,
        decision_id: UUID | None = None,
    ) -> None:
        """Write her down at her next version, with the decision; `note` says why it has none."""
        version = customer.version + 1
        named = decision_id or ids.name_id(
            "decision", event.event_id, customer.customer_id, version
        )
        kept = Customer(customer.customer_id, customer.created_at, version, customer.profile)
        self.customers[customer.customer_id] = self.changes.customers[kept.customer_id] = kept
        self.touch(customer.customer_id, self.now)
        self._record(
            Decision(
                event_id=event.event_id,
                decision_id=named,
                customer_id=customer.customer_id,
                version=version,
                kind=event.kind if isinstance(event, Fact) else event.data.TYPE,
                decided_at=self.now,
                payload=payload,
                note=note,
            )
        )

    def note(self, event: Due | Command, note: str) -> None:
        """Keep a timer or command that changes nobody, so that it stays handled."""
        self._record(
            Decision(
                event_id=event.event_id,
                decision_id=ids.name_id("decision", event.event_id),
                customer_id=event.data.customer_id,
                version=0,
                kind=event.data.TYPE,
                decided_at=self.now,
                payload=None,
                note=note,
            )
        )

    def _record(self, decision: Decision) -> None:
        self.changes.decisions.append(decision)
        self.changes.answers[decision.event_id] = decision

    def touch(self, customer_id: UUID, now: datetime) -> None:
        """Note that her timers are to be looked at, as of the latest moment told."""
        self.touched[customer_id] = max(now, self.touched.get(customer_id, now))

    def survivor(self, customer_id: UUID) -> UUID:
        """Name the customer who stands for this one now."""
        return self.survivors.get(customer_id, customer_id)
