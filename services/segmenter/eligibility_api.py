"""`POST /v1/survey-eligibility`: may these people be asked this survey, and what is known of them?

In: bearer tokens with the scope `read`; a survey and 1 to 1 000 people. Out: an answer for each, in
order; somebody nobody can be found by is an answer with an error, and the others have theirs.
Nothing is locked and nothing kept: whoever then asks her tells it (`survey.invitation.sent`).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter import clocks, eligibility, reading
from services.segmenter.decide import Rulebook
from services.segmenter.facts import Key
from services.segmenter.rows import Customer
from services.segmenter.state import Profile, Response, Seen
from services.segmenter.views import View
from shared import identifiers
from shared.database import away_as_dependency
from shared.events.vocabulary import Channel, Identifier, IdentifierKind, Moment, Value
from shared.http.auth import Access
from shared.http.openapi import GUARDED

_Text = Annotated[str, Field(min_length=1, max_length=512)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]
#: As of a fact: moments outside are mistakes, and inside no policy's days overflow the calendar.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)
#: How many are judged before others of this process have their turn: a few milliseconds' worth.
_AT_ONCE: Final = 50


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


class RefusalView(View):
    """One rule that refuses; `until` null: time alone does not change it."""

    rule: str
    reason: str
    until: Moment | None


class KnownAnswers(View):
    """Her newest answers to a survey of this family."""

    survey: str
    answered_at: Moment
    answers: dict[str, Value]


class Eligibility(View):
    """The answer about one person.

    `reason` is the first of `reasons`. `next_at`: from then on she may be asked, if nothing else
    happens; null where that is now, or never. `known_by` names the identifier that found her, which
    is the first in the order of id, email, phone; `disagreeing` those that lead to somebody else.
    `error` says what to correct where nobody can be looked for.
    """

    eligible: bool
    reason: RefusalView | None = None
    reasons: tuple[RefusalView, ...] = ()
    next_at: Moment | None = None
    customer_id: UUID | None = None
    known_by: IdentifierKind | None = None
    disagreeing: tuple[IdentifierKind, ...] = ()
    attributes: dict[str, Value] = Field(default_factory=dict)
    answered: KnownAnswers | None = None
    error: str | None = None


class Answer(View):
    """One answer per person, in the order asked. `family` is the survey's, by the policy."""

    survey: str
    family: str | None
    policy: str
    customers: tuple[Eligibility, ...]


def make_eligibility_router(
    engine: AsyncEngine, rulebook: Rulebook, access: Access, clock: Callable[[], datetime]
) -> APIRouter:
    """Build the route."""
    router = APIRouter(
        tags=["surveys"], dependencies=[Depends(access.require("read"))], responses=GUARDED
    )

    @router.post("/v1/survey-eligibility")
    async def survey_eligibility(asked: Survey) -> Answer:
        """Tell who may be asked this survey now, why not, when next, and what is known already."""
        people = [_read(person) for person in asked.customers]
        keys = set(chain.from_iterable(person.keys for person in people))
        found: dict[Key, Customer] = {}
        if keys:
            with away_as_dependency():
                async with engine.connect() as connection:
                    found = await reading.by_keys(connection, keys)
        now, answers = clock(), []
        for number, person in enumerate(people, 1):
            answers.append(_answer(person, asked, found, rulebook, now))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        family = clocks.family_of(asked.survey, rulebook.policy)
        return Answer(
            survey=asked.survey,
            family=family.name if family else None,
            policy=rulebook.version,
            customers=tuple(answers),
        )

    return router


@dataclass(frozen=True, slots=True)
class _Person:
    """One person as read: how to look for her, or what is wrong."""

    keys: tuple[Key, ...]
    experience: eligibility.Experience | None
    error: str | None


_MAKERS: Final[dict[str, Callable[[str], Identifier | None]]] = {
    "id": identifiers.external_id,
    "email": identifiers.email,
    "phone": identifiers.phone,
}


def _read(person: PersonAsked) -> _Person:
    """Normalise one person's identifiers, in the order in which they are believed."""
    keys: list[Key] = []
    for field, make in _MAKERS.items():
        raw = getattr(person, field)
        if raw is None:
            continue
        identifier = None if "\x00" in raw else make(raw)
        if identifier is None:
            return _Person((), None, f"correct `{field}`: it is no valid {field}")
        keys.append((identifier.kind, identifier.value))
    if not keys:
        return _Person((), None, "give id, email or phone (E.164)")
    told = person.experience
    if told is None:
        return _Person(tuple(keys), None, None)
    if not _FIRST <= told.at < _END:
        return _Person((), None, "correct `experience.at`: it lies before 1970 or after 2199")
    experience = eligibility.Experience(told.kind, told.at, told.value, told.id)
    return _Person(tuple(keys), experience, None)


def _answer(
    person: _Person,
    asked: Survey,
    found: dict[Key, Customer],
    rulebook: Rulebook,
    now: datetime,
) -> Eligibility:
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
    verdict = eligibility.judge(profile, question, rulebook.policy, now)
    reasons = [
        RefusalView(rule=refusal.rule, reason=refusal.reason, until=refusal.until)
        for refusal in verdict.refusals
    ]
    return Eligibility(
        eligible=not reasons,
        reason=reasons[0] if reasons else None,
        reasons=tuple(reasons),
        next_at=verdict.next_at,
        customer_id=customer.customer_id if customer else None,
        known_by=_kind(named[0][0]) if named else None,
        disagreeing=_others(named),
        attributes=eligibility.known_attributes(profile, asked.attributes),
        answered=_answered(eligibility.newest_response(profile, question, rulebook.policy)),
    )


def _stranger(keys: Sequence[Key], now: datetime) -> Profile:
    """Build the profile of somebody of whom nothing is known but how she was named."""
    return Profile(identifiers={":".join(key): Seen(now, now) for key in keys})


def _others(named: Sequence[tuple[Key, Customer]]) -> tuple[IdentifierKind, ...]:
    return tuple(
        _kind(key) for key, customer in named if customer.customer_id != named[0][1].customer_id
    )


def _kind(key: Key) -> IdentifierKind:
    return Identifier.model_validate({"kind": key[0], "value": key[1]}).kind


def _answered(response: Response | None) -> KnownAnswers | None:
    if response is None:
        return None
    answers = {name: answer.value for name, answer in response.answers.items()}
    return KnownAnswers(
        survey=response.survey,
        answered_at=response.answered_at,
        answers={name: value for name, value in answers.items() if value is not None},
    )
