"""What a lane works with: its desk, and what is claimed from the queues, as values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.brakes.breaker import Kind
from services.dispatcher.calls.calls import Correction, Deletion, Idempotency
from services.dispatcher.delivery import Delivery, TargetRules
from services.dispatcher.ledger.pushes import Wanted
from services.dispatcher.ledger.recipients import State
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.status.inquiries import ClaimedInquiry
from shared.events.vocabulary import Identifier


@dataclass(frozen=True, slots=True)
class Desk:
    """What claiming for one target needs to know; `version` is the playbook's."""

    engine: AsyncEngine
    rules: TargetRules
    playbook: Playbook
    version: str
    idempotency: Idempotency
    lease: timedelta
    #: All targets that are rehearsed and never called.
    shadows: frozenset[str] = frozenset()
    #: Whether a claim reads, of each push, what it is about.
    traced: bool = False


@dataclass(frozen=True, slots=True)
class ClaimedPush:
    """A profile push that is ours until its lease ends. `attempt` counts from 1.

    `cause`, `decision_id`: of her newest decision, where the desk is traced.
    """

    token: UUID
    wanted: Wanted
    identifiers: tuple[Identifier, ...]
    attempt: int
    cause: UUID | None = None
    decision_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that is ours until its lease ends, in state `sending`, attempt counted."""

    token: UUID
    delivery: Delivery
    state: State
    corrects: Correction | None = None


@dataclass(frozen=True, slots=True)
class ClaimedDeletion:
    """A deletion that is ours until its lease ends. `attempt` counts from 1."""

    token: UUID
    customer_id: UUID
    part: int
    call: Deletion
    attempt: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What one round brought.

    `pushes`: in groups, each of which is one call.
    `turned`: deliveries that a gate kept from being sent; `put_off`: how many wait on for the same
    reason; `lost`: deliveries whose worker was lost during the call; `probing`: kinds of which one
    call finds out whether the target works again; `left`: something is due that
    a rate or another's lock left for soon; `next_due`: when the next comes that is not due yet.
    """

    deletions: tuple[ClaimedDeletion, ...] = ()
    pushes: tuple[tuple[ClaimedPush, ...], ...] = ()
    deliveries: tuple[ClaimedDelivery, ...] = ()
    inquiries: tuple[ClaimedInquiry, ...] = ()
    turned: tuple[Delivery, ...] = ()
    put_off: int = 0
    lost: tuple[Delivery, ...] = ()
    paused: bool = False
    probing: frozenset[Kind] = frozenset()
    left: bool = False
    next_due: datetime | None = None

    @property
    def seen(self) -> int:
        """How much it found, also what is not called now."""
        return self.calls + len(self.turned) + self.put_off

    @property
    def calls(self) -> int:
        """How many calls it begins."""
        sent = len(self.deletions) + len(self.pushes) + len(self.deliveries)
        return sent + len(self.inquiries)
