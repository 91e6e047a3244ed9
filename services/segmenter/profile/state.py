"""The profile: everything that the facts about one customer add up to, as values. Pure.

Each part is a join: adding a fact twice, or facts in another order, gives the same value. Nothing
here depends on the policy or on the time, so neither ever makes a stored profile wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, wraps
from typing import Annotated, Any, Final, Literal, TypeVar, cast, get_args

from pydantic import BeforeValidator, GetPydanticSchema, TypeAdapter
from pydantic_core.core_schema import no_info_plain_validator_function

from shared.events.feedback import Metric, TimeOrigin
from shared.events.vocabulary import Channel, ContactClass, Segment, Value

#: A moment as it is stored. Read by Python itself it is in `UTC`, as those of clock and wire
#: are: to compare two whose zones are not one object takes 20 times as long.
Moment = Annotated[
    datetime,
    GetPydanticSchema(
        lambda _type, _next: no_info_plain_validator_function(datetime.fromisoformat)
    ),
]
#: Place among the messages of one response: revision (-1: none), receipt, event id.
Revision = tuple[int, Moment, str]
#: The steps of a case, as they follow each other.
Step = Literal["opened", "resolved", "reopened"]
_STEPS: Final = get_args(Step)
#: How she was asked. `answered` is kept here of answers that were trimmed; `asked` is what older
#: versions stored, which did not keep the ways apart: it stands for each of them.
Asking = Literal["sent", "shown", "declined", "answered", "asked"]
#: Place of a fact among all: see `facts.Fact.order`.
Order = tuple[Moment, str, int, Moment, str]
_Rule = TypeVar("_Rule", bound=Callable[..., Any])
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a response, and by which message it was said."""

    revision: Revision
    value: Value


#: Kept among the answers: what its source calls the place of a score on a scale of its own. No
#: survey can ask for it, since names of answers have no space.
BAND: Final = "score band"


@dataclass(frozen=True, slots=True)
class Response:
    """One answered survey: all messages about it, merged field by field in revision order.

    `platform` is the newest revision's time by the platform, `earliest` the least of all times
    told, with its origin; `receipts` are the first and the last message's. `history`: every message
    about it was imported.
    """

    source: str
    survey: str
    response_id: str
    earliest: tuple[Moment, TimeOrigin]
    platform: tuple[Revision, Moment] | None
    complete: bool
    answers: dict[str, Answer]
    #: Long ago: an answer stored before these were kept has settled.
    receipts: tuple[Moment, Moment] = (_LONG_AGO, _LONG_AGO + timedelta(days=1))
    metric: Metric = "nps"
    history: bool = False

    @property
    def band(self) -> Segment | None:
        """Where a score of another metric stands, by the bands of its source."""
        said = self.said(BAND) if self.metric != "nps" else None
        return next((segment for segment in get_args(Segment) if segment == said), None)

    @property
    def identity(self) -> str:
        """Name it as its facts do."""
        return f"{self.source}/{self.survey}/{self.response_id}"

    @property
    def answered_at(self) -> datetime:
        """The platform's time; where it gave none (that is possible), the earliest receipt."""
        return self.platform[1] if self.platform else self.earliest[0]

    @property
    def origin(self) -> TimeOrigin:
        """Where `answered_at` comes from."""
        return "platform" if self.platform else self.earliest[1]

    @property
    def place(self) -> tuple[datetime, str]:
        """Place among the customer's responses."""
        return self.answered_at, self.identity

    @property
    def values(self) -> dict[str, Value]:
        """What she answered, by name."""
        return {name: answer.value for name, answer in self.answers.items() if name != BAND}

    def said(self, name: str) -> Value:
        """One answer's value; None: not said, or cleared."""
        answer = self.answers.get(name)
        return answer.value if answer else None

    @property
    def score(self) -> int | None:
        """The score of NPS from 0 to 10; anything else, and that of another metric, is none."""
        answer = self.answers.get("score")
        if answer is None or self.metric != "nps":
            return None
        value = answer.value
        if type(value) is int:  # nearly each; a decision asks some twenty times
            return value if 0 <= value <= 10 else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # The range first: infinity has no whole number.
        return int(value) if 0 <= value <= 10 and value == int(value) else None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A customer attribute, the fact that said it last, and who told that fact."""

    order: Order
    value: Value
    source: str | None = None

    @property
    def at(self) -> datetime:
        """When it was said."""
        return self.order[0]


@dataclass(frozen=True, slots=True)
class Seen:
    """When an identifier was first and last named."""

    first: Moment
    last: Moment


@dataclass(frozen=True, slots=True)
class Statement:
    """A consent or a refusal. `keys` are all the identifiers of the event that told it.

    `source` told it, `text_version` names what she read, `proof` where her word is kept.
    """

    said_at: Moment
    granted: bool
    event_id: str
    keys: tuple[str, ...]
    source: str | None = None
    text_version: str | None = None
    proof: str | None = None

    @property
    def rank(self) -> tuple[datetime, bool, str]:
        """The newer wins; said at one moment, the stricter."""
        return self.said_at, not self.granted, self.event_id


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact, ours or not."""

    at: Moment
    channel: Channel
    contact_class: ContactClass
    target: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """A case as its last step left it; a case resolved is over.

    `first_at` is the time of its first step; `about` the answer that it is about (its identity), by
    the first step that names one, with that step's time and event.
    """

    at: Moment
    step: Step
    event_id: str
    first_at: Moment | None = None
    about: tuple[Moment, str, str] | None = None

    @property
    def open(self) -> bool:
        """Tell whether somebody still works on it."""
        return self.step != "resolved"

    @property
    def opened_at(self) -> datetime:
        """Since when it is known."""
        return self.at if self.first_at is None else self.first_at

    @property
    def answer(self) -> str | None:
        """The identity of the answer that it is about."""
        return self.about[2] if self.about else None

    @property
    def rank(self) -> tuple[datetime, int, str]:
        """The later step wins; of one moment (helpdesks often know seconds only) the open one."""
        return self.at, _STEPS.index(self.step), self.event_id

    def joined(self, other: "Case") -> "Case":
        """Join the steps of two accounts of one case."""
        links = [case.about for case in (self, other) if case.about is not None]
        return replace(
            max(self, other, key=lambda case: case.rank),
            first_at=min(self.opened_at, other.opened_at),
            about=min(links, default=None),
        )


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """The ticket that was made for a case of ours: since when, which case, its number there."""

    at: Moment
    case_id: str
    reference: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was left out to keep the stored profile small; `facts` still has it."""

    responses: int = 0
    scored: int = 0
    first_answered_at: Moment | None = None
    deliveries: bool = False
    cases: bool = False


def _by_way(asked: object) -> object:
    """Read also what older versions stored: survey → when she was last asked, in whichever way."""
    if not isinstance(asked, dict):
        return asked
    return {
        survey: ways if isinstance(ways, dict) else {"asked": ways}
        for survey, ways in asked.items()
    }


@dataclass(frozen=True)
class Profile:
    """The fold of a customer's facts."""

    #: By identity (`source/survey/response id`).
    responses: dict[str, Response] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    #: `kind:value` → when it was named; personal identifiers only.
    identifiers: dict[str, Seen] = field(default_factory=dict)
    #: `channel|purpose|kind:value` → the newest statement about it by this identifier.
    consents: dict[str, Statement] = field(default_factory=dict)
    #: `channel|kind:value`, or `channel|` where the report named no address → the newest bounce.
    bounces: dict[str, Moment] = field(default_factory=dict)
    #: Likewise → the newest message that arrived or was opened: after a bounce, it works again.
    arrivals: dict[str, Moment] = field(default_factory=dict)
    #: Survey → how she was asked → when last.
    asked: Annotated[dict[str, dict[Asking, Moment]], BeforeValidator(_by_way)] = field(
        default_factory=dict
    )
    #: Delivery id → our own contact.
    own: dict[str, Contact] = field(default_factory=dict)
    #: Event id → a send that a platform reported without a delivery id of ours.
    reported: dict[str, Contact] = field(default_factory=dict)
    #: Case id → its last step.
    cases: dict[str, Case] = field(default_factory=dict)
    #: A helpdesk's case id → the case of ours that it is, told with the delivery that made it.
    tickets: dict[str, Ticket] = field(default_factory=dict)
    #: What she completed (a review, a referral) → when last.
    completed: dict[str, Moment] = field(default_factory=dict)
    forgotten: Forgotten = Forgotten()

    @cached_property
    def scored(self) -> tuple[Response, ...]:
        """Responses with a score, the newest last."""
        found = [response for response in self.responses.values() if response.score is not None]
        return tuple(sorted(found, key=lambda response: response.place))

    @cached_property
    def found(self) -> dict[object, Any]:
        """What was found out about this very profile: see `once`."""
        return {}

    @property
    def known(self) -> bool:
        """Whether a personal identifier makes a customer of this."""
        return bool(self.identifiers)

    def attribute(self, name: str) -> Value:
        """One attribute's value; None: never said, or cleared."""
        found = self.attributes.get(name)
        return found.value if found else None


def once(rule: _Rule) -> _Rule:
    """Let a rule look at one profile once, though decision, timers and rows all ask it.

    A profile never changes, so what was found stays true for it, and goes with it. What else the
    rule is asked with must be hashable, such as the policy; what it finds must not be changed.
    """

    @wraps(rule)
    def asked(profile: Profile, *under: object) -> object:
        found, key = profile.found, (rule, under)
        if key not in found:
            found[key] = rule(profile, *under)
        return found[key]

    return cast(_Rule, asked)


_ADAPTER: Final = TypeAdapter(Profile)


def dump(profile: Profile) -> str:
    """Write a profile as JSON for the database."""
    return _ADAPTER.dump_json(profile, exclude_defaults=True).decode()


def load(text: str | bytes) -> Profile:
    """Read what `dump` wrote."""
    return _ADAPTER.validate_json(text)
