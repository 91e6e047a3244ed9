"""The question "may they be asked?" as it is sent and answered: values, and their reading. Pure.

In: one person as asked about, and the customer found. Out: the keys to look for her by, and the
answer about her. What cannot be read is an answer with an error, so that the others have theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from services.segmenter.decide import clocks
from services.segmenter.decide.decide import Rulebook
from services.segmenter.eligibility import eligibility
from services.segmenter.profile.facts import Key
from services.segmenter.profile.state import Profile, Response, Seen
from services.segmenter.store.rows import Customer
from shared.events.vocabulary import Channel, IdentifierKind, Moment, Value
from shared.identifiers import Rules

_Text = Annotated[str, Field(min_length=1, max_length=512)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]
#: As of a fact: moments outside are mistakes, and inside no policy's days overflow the calendar.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)


class Question(BaseModel):
    """Base of what is asked: frozen, and a misspelt field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExperienceAsked(Question):
    """What she would be asked about: its kind and moment; value and id where they are known."""

    kind: Annotated[str, Field(min_length=1, max_length=64)]
    at: AwareDatetime
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    id: _Text | None = None


class PersonAsked(Question):
    """Who would be asked. Of several identifiers `id` (external id) wins over email over phone."""

    id: _Text | None = None
    email: _Text | None = None
    phone: _Text | None = None
    experience: ExperienceAsked | None = None


class Survey(Question):
    """What would be asked of whom; `attributes` are those that the survey could prefill or skip.

    Without a `channel` the question is whether any is open to surveys.
    """

    survey: _Name
    channel: Channel | None = None
    attributes: Annotated[tuple[_Name, ...], Field(max_length=50)] = ()
    customers: Annotated[tuple[PersonAsked, ...], Field(min_length=1, max_length=1000)]


# What is answered is made here and nowhere else, so nothing of it is checked again: as models that
# check themselves, a thousand answers took three times as long to build and write.
@dataclass(frozen=True, slots=True)
class RefusalView:
    """One rule that refuses; `until` null: time alone does not change it."""

    rule: str
    reason: str
    until: Moment | None


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """Her newest answers to a survey of this family."""

    survey: str
    answered_at: Moment
    answers: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The answer about one person.

    `reason` is the first of `reasons`. `exempt` says why rules that would refuse do not: the survey
    asks how her case went. `next_at`: from then on she may be asked, if nothing else
    happens; null where that is now, or never. `known_by` names the identifier that found her, the
    first in the order of id, email, phone; `disagreeing` those that lead to somebody else, whose
    reasons count, too. `error` says what to correct where nobody can be looked for.
    """

    eligible: bool
    exempt: str | None = None
    reason: RefusalView | None = None
    reasons: tuple[RefusalView, ...] = ()
    next_at: Moment | None = None
    customer_id: UUID | None = None
    known_by: IdentifierKind | None = None
    disagreeing: tuple[IdentifierKind, ...] = ()
    attributes: dict[str, Value] = field(default_factory=dict)
    answered: KnownAnswers | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer per person, in the order asked. `family` is the survey's, by the policy."""

    survey: str
    family: str | None
    policy: str
    customers: tuple[Eligibility, ...]


_ANSWER: Final = TypeAdapter(Answer)
_PEOPLE: Final = TypeAdapter(tuple[Eligibility, ...])


def written(people: Sequence[Eligibility]) -> bytes:
    """Write some people's answers as JSON: the inside of a list."""
    return _PEOPLE.dump_json(tuple(people))[1:-1]


def whole(asked: Survey, rulebook: Rulebook, people: Sequence[bytes]) -> bytes:
    """Write an `Answer` as JSON, around the answers about everybody as `written` wrote them."""
    family = clocks.family_of(asked.survey, rulebook.policy)
    nobody = Answer(asked.survey, family.name if family else None, rulebook.version, ())
    end = b"]}"
    return _ANSWER.dump_json(nobody).removesuffix(end) + b",".join(people) + end


@dataclass(frozen=True, slots=True)
class Person:
    """One person as read: how to look for her, or what is wrong."""

    keys: tuple[tuple[IdentifierKind, str], ...]
    experience: eligibility.Experience | None
    error: str | None


_KINDS: Final[dict[str, IdentifierKind]] = {
    "id": "external_id",
    "email": "email",
    "phone": "phone",
}


def read(person: PersonAsked, rules: Rules) -> Person:
    """Normalise one person's identifiers, in the order in which they are believed."""
    keys: list[tuple[IdentifierKind, str]] = []
    for name, kind in _KINDS.items():
        raw: str | None = getattr(person, name)
        if raw is None:
            continue
        # Also as it was written before the plus policy changed: what is kept keeps its key.
        spellings = () if "\x00" in raw else rules.spellings(kind, raw)
        if not spellings:
            return Person((), None, f"correct `{name}`: it is no valid {name}")
        keys += [(identifier.kind, identifier.value) for identifier in spellings]
    if not keys:
        return Person((), None, "give id, email or phone")
    if person.experience is None:
        return Person(tuple(keys), None, None)
    experience = read_experience(person.experience)
    if experience is None:
        return Person((), None, "correct `experience.at`: it lies before 1970 or after 2199")
    return Person(tuple(keys), experience, None)


def read_experience(told: ExperienceAsked) -> eligibility.Experience | None:
    """Read what she would be asked about; None: its moment is none that a fact could have."""
    if not _FIRST <= told.at < _END:
        return None
    return eligibility.Experience(told.kind, told.at, told.value, told.id)


def answer(
    person: Person,
    asked: Survey,
    found: Mapping[Key, Customer],
    rulebook: Rulebook,
    now: datetime,
) -> Eligibility:
    """Answer about one person; `found` holds whom the keys of all persons lead to."""
    if person.error is not None:
        return Eligibility(eligible=False, error=person.error)
    named = [(key, found[key]) for key in person.keys if key in found]
    customer = named[0][1] if named else None
    profile = customer.profile if customer else _stranger(person.keys, now)
    question = eligibility.Asked(
        survey=asked.survey,
        family=clocks.family_of(asked.survey, rulebook.policy),
        who=str(customer.customer_id) if customer else ":".join(person.keys[0]),
        channel=asked.channel,
        experience=person.experience,
    )
    others = [one.profile for _, one in named[1:] if one.customer_id != named[0][1].customer_id]
    verdict = eligibility.judge(profile, question, rulebook.policy, now, others)
    reasons = tuple(RefusalView(one.rule, one.reason, one.until) for one in verdict.refusals)
    return Eligibility(
        eligible=not reasons,
        reason=reasons[0] if reasons else None,
        reasons=reasons,
        exempt=verdict.exempt,
        next_at=verdict.next_at,
        customer_id=customer.customer_id if customer else None,
        known_by=named[0][0][0] if named else None,
        disagreeing=_others(named),
        attributes=eligibility.known_attributes(profile, rulebook.policy, asked.attributes),
        answered=_answered(eligibility.newest_response(profile, question, rulebook.policy)),
    )


def _stranger(keys: Sequence[Key], now: datetime) -> Profile:
    """Build the profile of somebody of whom nothing is known but how she was named."""
    return Profile(identifiers={":".join(key): Seen(now, now) for key in keys})


def _others(
    named: Sequence[tuple[tuple[IdentifierKind, str], Customer]],
) -> tuple[IdentifierKind, ...]:
    first = named[0][1].customer_id if named else None
    kinds = [kind for (kind, _), customer in named if customer.customer_id != first]
    return tuple(dict.fromkeys(kinds))


def _answered(response: Response | None) -> KnownAnswers | None:
    if response is None:
        return None
    answers = response.values
    return KnownAnswers(
        survey=response.survey,
        answered_at=response.answered_at,
        answers={name: value for name, value in answers.items() if value is not None},
    )
