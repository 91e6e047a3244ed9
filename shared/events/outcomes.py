"""Topic `nps.outcomes`: what became of deliveries and erasures, what platforms report."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, model_validator

from shared.events.vocabulary import Channel, ContactClass, Fact, Identifier, Moment

DeliveryState = Literal[
    "planned",
    "waiting",
    "sending",
    "accepted",
    "in_doubt",
    "suppressed",
    "superseded",
    "expired",
    "rejected",
    "parked",
    "shadowed",
]
#: States nothing leaves by itself; each one, and `in_doubt`, is told on `nps.outcomes`.
SETTLED_STATES: frozenset[DeliveryState] = frozenset(
    {"accepted", "suppressed", "superseded", "expired", "rejected", "shadowed"}
)
#: `failed`: the platform could not send or deliver it, which says nothing against the address.
MessageState = Literal["none", "sent", "failed", "delivered", "opened", "bounced", "unsubscribed"]


class DeliverySettled(Fact):
    """A delivery reached a state worth telling; `change` counts the changes of this delivery.

    `shadowed`: its target is only rehearsed, and it would have been sent; nothing reached her.

    `reference` is the id that the target gave to what it made of it (a ticket's number), and
    `case_id` the case that the delivery was about.
    """

    TYPE: ClassVar[str] = "delivery.settled"
    VERSION: ClassVar[str] = "1.3"

    delivery_id: UUID
    change: int
    customer_id: UUID
    cause_id: UUID
    play: str
    action: str
    channel: Channel
    contact_class: ContactClass
    target: str
    state: DeliveryState
    message: MessageState
    reason: str
    at: Moment
    reference: str | None = None
    case_id: str | None = None


class _MessageReported(Fact):
    """A platform's report about one message: ours (by `delivery_id`) or anybody's (identifiers)."""

    VERSION: ClassVar[str] = "1.0"

    identifiers: tuple[Identifier, ...] = ()
    delivery_id: UUID | None = None
    channel: Channel
    contact_class: ContactClass = "marketing"
    target: str | None = None
    occurred_at: Moment

    @model_validator(mode="after")
    def _is_about_someone(self) -> "_MessageReported":
        if not self.identifiers and self.delivery_id is None:
            raise ValueError("needs identifiers or a delivery_id")
        return self


class MessageSent(_MessageReported):
    """A message left the platform."""

    TYPE: ClassVar[str] = "message.sent"


class MessageDelivered(_MessageReported):
    """A message reached the mailbox or the phone."""

    TYPE: ClassVar[str] = "message.delivered"


class MessageBounced(_MessageReported):
    """A message could not be delivered for good: the channel is closed for this address."""

    TYPE: ClassVar[str] = "message.bounced"


class MessageOpened(_MessageReported):
    """A message was opened."""

    TYPE: ClassVar[str] = "message.opened"


class MessageUnsubscribed(_MessageReported):
    """The customer unsubscribed: an opt-out of marketing and surveys, in all tools.

    `everything`: she wants to hear nothing at all, not even service messages. `proof`: where her
    word is kept, such as the field of a platform's profile that showed it to us by the way;
    `occurred_at` is then when it was first seen.
    """

    TYPE: ClassVar[str] = "message.unsubscribed"
    VERSION: ClassVar[str] = "1.2"

    everything: bool = False
    proof: str | None = None


class ActionCompleted(Fact):
    """A customer did what an action asks for, or as much: a review, a referral, an order.

    `what` names it (`review_left`, `referral`, `purchase`), `delivery_id` our delivery that asked
    for it, `play` and `action` name it by the playbook where the platform echoes only these;
    `target` is who reports it.
    """

    TYPE: ClassVar[str] = "action.completed"
    VERSION: ClassVar[str] = "1.0"

    what: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    identifiers: tuple[Identifier, ...] = ()
    delivery_id: UUID | None = None
    play: str | None = None
    action: str | None = None
    target: str | None = None
    occurred_at: Moment

    @model_validator(mode="after")
    def _is_about_someone(self) -> "ActionCompleted":
        if not self.identifiers and self.delivery_id is None:
            raise ValueError("needs identifiers or a delivery_id")
        return self


class ErasureConfirmed(Fact):
    """A part of us has done what a `customer.erased` asks for; told again it is the same event.

    `platforms`: none is asked any more, each has deleted her or is left to a person. It says of the
    dispatcher, who asks them, that it is done, too.
    """

    TYPE: ClassVar[str] = "customer.erasure_confirmed"
    VERSION: ClassVar[str] = "1.0"

    erasure_id: UUID
    part: Literal["ingest", "dispatcher", "platforms"]
    at: Moment


MessageReport = (
    MessageSent | MessageDelivered | MessageBounced | MessageOpened | MessageUnsubscribed
)
OutcomeData = DeliverySettled | MessageReport | ActionCompleted | ErasureConfirmed
