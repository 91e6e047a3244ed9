"""A delivery: one action towards one customer, as a value.

Every pure module of the dispatcher takes and returns this image of a ledger row; only `ledger`
reads and writes it. `moment` is the time that its slot counts at: planned, later the real sending.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from services.dispatcher.brakes.breaker import BreakerRule
from services.dispatcher.brakes.rates import AtOnce, Rate
from services.dispatcher.status.inquiry import StatusRule
from services.dispatcher.targets.alert_settings import AlertSettings
from shared.events.outcomes import SETTLED_STATES, DeliveryState
from shared.events.vocabulary import Channel, ContactClass, IdentifierKind, Segment, Value

OnUnknown = Literal["hold", "retry"]
ProfileLate = Literal["send", "park"]

#: States that keep their slot: whatever was sent, may have been, or still may be.
SLOT_STATES: Final[frozenset[DeliveryState]] = frozenset(
    {"planned", "waiting", "sending", "accepted", "in_doubt", "parked", "shadowed"}
)
#: Changes into these are told on `nps.outcomes`.
TOLD_STATES: Final[frozenset[DeliveryState]] = SETTLED_STATES | {"in_doubt", "parked"}
#: The reason of whatever a forgotten customer leaves behind.
ERASED: Final = "she was erased"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the ledger.

    `segments`: she must still be in one of them when it is sent (empty: any). `until`: when the
    reason ends, the next eligible time of a refusal. `due`: when a lane looks at it next.
    `unanswered_since`: the first attempt that may have taken effect without our knowing. `arm`: of
    the play's experiment, None where there is none or she was not drawn for it.
    """

    id: UUID
    customer_id: UUID
    decision_id: UUID
    event_id: UUID
    cause_id: UUID
    play: str
    action: str
    variant: str
    template: str
    channel: Channel
    contact_class: ContactClass
    legal_basis: str | None
    target: str
    context: Mapping[str, Value]
    segments: tuple[Segment, ...]
    on_unknown: OnUnknown
    profile_late: ProfileLate
    playbook: str
    planned_at: datetime
    send_at: datetime
    moment: datetime
    deadline: datetime
    state: DeliveryState
    reason: str
    until: datetime | None = None
    due: datetime | None = None
    attempts: int = 0
    attempted_at: datetime | None = None
    unanswered_since: datetime | None = None
    reference: str | None = None
    message: str = "none"
    arm: str | None = None
    change: int = field(default=1)

    @property
    def customer_facing(self) -> bool:
        """Whether a person outside the company is reached."""
        return self.contact_class != "internal"

    def to(
        self,
        state: DeliveryState,
        reason: str,
        *,
        until: datetime | None = None,
        due: datetime | None = None,
    ) -> "Delivery":
        """Return the same delivery in another state; `due` only where a lane shall look again."""
        return replace(self, state=state, reason=reason, until=until, due=due)

    def waiting(self, reason: str, until: datetime) -> "Delivery":
        """Return it waiting for a moment, at which a lane looks again."""
        return self.to("waiting", reason, until=until, due=until)


@dataclass(frozen=True, slots=True)
class Contact:
    """A delivery that holds a slot, as far as counting goes.

    `unanswered`: an attempt may have reached her, though the delivery waits to be repeated.
    """

    delivery_id: UUID
    customer_id: UUID
    at: datetime
    action: str
    play: str
    channel: Channel
    contact_class: ContactClass
    state: DeliveryState
    unanswered: bool = False
    target: str = ""

    @property
    def pending(self) -> bool:
        """Whether nothing was sent yet, so that its own turn to be judged will come."""
        return self.state in {"planned", "waiting"} and not self.unanswered

    def counts_for(self, target: str, shadows: Collection[str]) -> bool:
        """Tell whether a delivery to this target must see it; `shadows` are only rehearsed.

        What would have been sent counts there as if it had been, and holds back no real message.
        Once its target is live, what still waits is real.
        """
        if target in shadows:
            return True
        return self.state != "shadowed" and not (self.pending and self.target in shadows)


@dataclass(frozen=True, slots=True)
class TargetRules:
    """What planning and sending must know of a target.

    `attributes` are the canonical names that its profiles take, `in_messages` its messages.
    `skip_delay_and_quiet_hours` is for targets that reach nobody (a sandbox): plays act at once.
    `sandbox`: it takes what test respondents lead to, which no other target hears of. `classes` and
    `channels` are those it can carry (None: all). `erased_by`: what its deletion of a person must
    name (empty: our id is enough; None: it takes no deletion).
    """

    name: str
    concurrency: int
    attributes: tuple[str, ...] = ()
    in_messages: tuple[str, ...] = ()
    on_unknown: OnUnknown | None = None
    skip_delay_and_quiet_hours: bool = False
    sandbox: bool = False
    classes: tuple[ContactClass, ...] | None = None
    channels: tuple[Channel, ...] | None = None
    erased_by: tuple[IdentifierKind, ...] | None = None
    #: Whether a message that was sent can be shown anew; else a correction is another message.
    updates: bool = False
    #: It is rehearsed and never called; its contacts count against each other alone.
    shadow: bool = False
    #: How the colleagues who read it are alerted; None: they do not.
    alerts: AlertSettings | None = None
    #: How many calls its platform grants, over all replicas.
    rates: tuple[Rate, ...] = ()
    #: Of its `concurrency` at most so many calls of one kind.
    at_once: AtOnce = field(default_factory=AtOnce)
    #: How many profile pushes one request takes; 1: each has its own.
    batch: int = 1
    breaker: BreakerRule = field(default_factory=BreakerRule)
    #: How it is asked what became of messages; None: it is not.
    status: StatusRule | None = None
