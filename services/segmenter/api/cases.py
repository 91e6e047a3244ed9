"""Cases by a person: opening one, saying that it is resolved, or that it is not after all.

In: bearer tokens with the scope `operate`; the customer by her id, the case by its own in the body.
Out: the id of the event that tells it (202); it is a fact like a helpdesk's a moment later.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.cases import cases
from services.segmenter.decide import snapshot
from services.segmenter.decide.decide import Rulebook
from services.segmenter.policy.whole import Policy
from services.segmenter.store import reading
from services.segmenter.store.rows import Customer
from shared.audit.actions import Action
from shared.audit.trail import Trail
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.events import ids
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import (
    CaseOpened,
    CaseReopened,
    CaseResolved,
    CaseStep,
    ResponseLink,
)
from shared.http.auth import Access, Token
from shared.http.problems import Problem
from shared.http.routing import guarded

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "No customer has this id, or she has no such case"},
    409: {"description": "It is so already"},
}


class NewCase(BaseModel):
    """A case to open; `response`: the answer that it is about, if it is about one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    response: ResponseLink | None = None


class NamedCase(BaseModel):
    """One of her cases, by the id that the customer shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case_id: Annotated[str, Field(min_length=3, max_length=512)]


class ToldCase(BaseModel):
    """The step is told, and known in a moment. Asked twice, it is the same event."""

    event_id: UUID
    case_id: str


def make_case_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    publisher: Publisher,
    *,
    trail: Trail,
) -> APIRouter:
    """Build the routes below `/v1/customers/{customer_id}/cases`."""
    router = guarded(
        access,
        "operate",
        "customers",
        prefix="/v1/customers/{customer_id}/cases",
        responses=_ANSWERS,
    )
    caller = Depends(access.require("operate"))

    async def noted(token: Token, action: Action, customer: Customer, event_id: UUID) -> None:
        """Write down the asking; a case's id may come from a helpdesk, so the event's stands."""
        pen, she = trail.pen(token.name, clock()), str(customer.customer_id)
        await pen.ahead(engine, action, she, event=str(event_id))

    @router.post("", status_code=202)
    async def open_case(
        customer_id: UUID, wish: NewCase, token: Annotated[Token, caller]
    ) -> ToldCase:
        """Open a case: while it is open, she is neither asked nor sold to."""
        customer = await _customer(engine, customer_id)
        case_id = _new_id(customer, wish.response)
        known = wish.response is not None and _known(customer, rulebook.policy, wish.response)
        if known or case_id in customer.profile.cases:
            raise Problem(
                409,
                "known-case",
                "this answer has a case already, which the customer shows: reopen that if need be",
            )
        data = CaseOpened(
            case_id=case_id,
            identifiers=snapshot.identifiers(customer.profile)[:1],
            occurred_at=clock(),
            response=wish.response,
        )
        event_id = cases.opened_event(case_id)
        await noted(token, "case.open_asked", customer, event_id)
        return await _told(publisher, customer, data, event_id)

    @router.post("/resolve", status_code=202)
    async def resolve(
        customer_id: UUID, named: NamedCase, token: Annotated[Token, caller]
    ) -> ToldCase:
        """Resolve a case; if it is about an answer, she is asked some days later how it went."""
        customer = await _customer(engine, customer_id)
        data = CaseResolved(case_id=named.case_id, occurred_at=clock())
        event_id = _step(customer, data, wanted=True)
        await noted(token, "case.resolve_asked", customer, event_id)
        return await _told(publisher, customer, data, event_id)

    @router.post("/reopen", status_code=202)
    async def reopen(
        customer_id: UUID, named: NamedCase, token: Annotated[Token, caller]
    ) -> ToldCase:
        """Open a case again that was resolved."""
        customer = await _customer(engine, customer_id)
        data = CaseReopened(case_id=named.case_id, occurred_at=clock())
        event_id = _step(customer, data, wanted=False)
        await noted(token, "case.reopen_asked", customer, event_id)
        return await _told(publisher, customer, data, event_id)

    return router


async def _customer(engine: AsyncEngine, customer_id: UUID) -> Customer:
    with away_as_dependency():
        async with engine.connect() as connection:
            found = await reading.customer(connection, customer_id)
    if found is None or not found.customer.profile.known:
        raise Problem(404, "unknown-customer", "no customer has this id")
    return found.customer


def _new_id(customer: Customer, response: ResponseLink | None) -> str:
    """Name a case by its answer, else by how many she had: told twice, it is one case."""
    if response is None:
        had = customer.profile.cases
        numbered = (
            f"{cases.OURS}{ids.name_id('case', customer.customer_id, number)}"
            for number in count(len(had))
        )
        # Of many cases not all are kept, and some leave with who is parted from her.
        return next(case_id for case_id in numbered if case_id not in had)
    if _identity(response) not in customer.profile.responses:
        raise Problem(404, "unknown-response", "she gave no such answer: correct `response`")
    cause = ids.response_cause(response.source, response.survey, response.response_id)
    # Not the policy's: a person's case stands whatever becomes of the score.
    return f"{cases.OURS}{ids.name_id('case', 'person', cause)}"


def _known(customer: Customer, policy: Policy, response: ResponseLink) -> bool:
    """Tell whether a case about an answer says how it stands: nobody should have to close two.

    A helpdesk's does so also when it is over; one of ours no more then, nor once the policy would
    not open it for the answer as it was corrected.
    """
    return any(
        case.answer == _identity(response) and (case.open or not case_id.startswith(cases.OURS))
        for case_id, case in cases.problems(customer.profile, policy)
    )


def _identity(response: ResponseLink) -> str:
    return f"{response.source}/{response.survey}/{response.response_id}"


def _step(customer: Customer, data: CaseResolved | CaseReopened, *, wanted: bool) -> UUID:
    """Name a further step of a case that is open now (`wanted`), or resolved."""
    profile = customer.profile
    known = cases.known(profile).get(cases.named(profile, data.case_id))
    if known is None:
        raise Problem(404, "unknown-case", "she has no such case: take a `case_id` of hers")
    if known.open != wanted:
        state = "open" if known.open else "resolved"
        raise Problem(409, "nothing-to-do", f"the case is {state} already")
    # Named by the step before it, so that a second click is the same event.
    return ids.name_id(data.TYPE, data.case_id, known.event_id)


async def _told(
    publisher: Publisher, customer: Customer, data: CaseStep, event_id: UUID
) -> ToldCase:
    event = Event(event_id, "nps/segmenter", data.occurred_at, data)
    key = str(customer.customer_id)
    await publisher.publish([Message(topic=FEEDBACK, key=key, value=encode(event))])
    return ToldCase(event_id=event_id, case_id=data.case_id)
