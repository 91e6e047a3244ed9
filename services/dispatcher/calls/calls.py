"""What a lane asks of a campaign platform, and what it gets back: values, and one port.

`platforms` implements the port for every preset; `lanes` owns and uses it. The verdict's vocabulary
is closed: `judge` (pure) turns it into the next state of a delivery or a profile push.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

from shared.events.outcomes import MessageState
from shared.events.vocabulary import Channel, Identifier, Value

#: `ok`: done · `accepted`: the platform took it and will act · `suppressed`: the platform's own
#: consent data forbids it · `throttle`: slow down, `wait` if it said how long · `retry`: nothing
#: happened, try again · `in_doubt`: bytes left, no answer: it may have happened · `park`: a person
#: must look (e.g. several profiles match) · `reject`: never possible · `disable_target`:
#: credentials or account wrong, the whole target waits · `shadow`: nothing was sent, as the target
#: is only rehearsed.
Outcome = Literal[
    "ok",
    "accepted",
    "suppressed",
    "throttle",
    "retry",
    "in_doubt",
    "park",
    "reject",
    "disable_target",
    "shadow",
]


#: What a refusal is about, on a platform: one channel, or any.
Scope = Channel | Literal["any"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a platform showed of her consent by the way.

    `by`: whose word it is, as the platform was asked. `refused` has each channel (or `any`) that
    was spoken of, with the field that refuses it; None where none does.
    """

    by: Identifier = field(repr=False)
    refused: Mapping[Scope, str | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one call. `reason` is stored and shown: nothing personal in it.

    `shown`: what the call saw of her consent, whatever became of the call itself.
    """

    outcome: Outcome
    reason: str
    wait: timedelta | None = None
    reference: str | None = None
    shown: Shown | None = None


#: What a target that is only rehearsed answers once all is written.
SHADOWED: Final = Verdict("shadow", "shadow: would have been sent")


@dataclass(frozen=True, slots=True)
class ProfilePush:
    """Write these attributes (canonical names; None clears) on the platform's profile."""

    customer_id: UUID
    identifiers: tuple[Identifier, ...]
    version: int
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Correction:
    """What an alert had said that is wrong now; `reference` is the platform's own name of it."""

    reference: str | None
    was: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class ActionCall:
    """Perform one action towards one customer. `delivery_id` is the idempotency key on the wire.

    `attributes` are the canonical profile attributes (a platform may carry them in the message);
    `context` the play's own variables (`signed_by`, …).
    """

    delivery_id: UUID
    customer_id: UUID
    identifiers: tuple[Identifier, ...]
    play: str
    action: str
    variant: str
    template: str
    channel: Channel
    contact_class: str
    deadline: datetime
    attributes: Mapping[str, Value]
    context: Mapping[str, Value] = field(default_factory=dict)
    #: Set where it takes the place of an alert that was sent before.
    corrects: Correction | None = None
    #: Title and text, where it is about no single customer.
    notice: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """Delete what the platform keeps of one person, by these names.

    `message_id` is the same for every try of one deletion by one naming.
    """

    message_id: str
    customer_id: UUID
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question what became of a message that the platform took.

    `reference` is the platform's own name of it; `accepted_at` when it took it.
    """

    delivery_id: UUID
    reference: str | None
    channel: Channel
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a question: the verdict on the call, and what the answer says of the message.

    `message` None: nothing is known of it yet; `at`: when that happened, where the platform says;
    `last`: nothing more will come.
    """

    verdict: Verdict
    message: MessageState | None = None
    at: datetime | None = None
    last: bool = False


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Whether repeating an action is harmless: never (`none`), or while its key is remembered.

    `look`: it looks first whether it was done, which an unanswered call shows only after `shows`.
    """

    kind: Literal["none", "key", "look"]
    remembered: timedelta | None = None
    shows: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Partly(Verdict):
    """A request for several that was taken; `own` are verdicts by place in it.

    Of those that failed, and of those whose consent the answer shows.
    """

    own: Mapping[int, Verdict] = field(default_factory=dict)


class Carrier(Protocol):
    """One target, ready to be called. A call ends within `budget` and never raises but for bugs.

    `budget` covers sign-in, all steps and the quick retries (tenacity) of this call together, so
    that it always ends before the claim's lease.
    """

    name: str
    action_idempotency: Idempotency

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: datetime) -> Verdict:
        """Bring the platform's profile to the wanted attributes (safe to repeat)."""

    async def push_profiles(
        self, pushes: Sequence[ProfilePush], *, budget: timedelta, now: datetime
    ) -> list[Verdict]:
        """Push those of several customers, in one request where the platform has a batch for it.

        Returns one verdict per push, in their order.
        """

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Trigger the action once; `in_doubt` when bytes left and no answer came."""

    async def erase(self, deletion: Deletion, *, budget: timedelta, now: datetime) -> Verdict:
        """Delete a person; `ok` also when the platform knows nobody by these names."""

    async def inquire(self, inquiry: Inquiry, *, budget: timedelta, now: datetime) -> Heard:
        """Ask what became of a message; changes nothing there, so it is safe to repeat."""
