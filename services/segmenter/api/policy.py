"""Another policy: what it would change, and telling what a policy in force changed.

In: bearer tokens with the scope `operate`; a policy's text, a cursor. Out: one page of counts, and
ids with what differs. `diff` writes nothing. `recompute` publishes, where it is asked to, an event
for each customer whose state the policy in force changed: she is decided about anew, and no play
looks at it.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide.decide import Due, Rulebook
from services.segmenter.decide.looking import policy_due
from services.segmenter.recompute.differing import Difference, Stand, counted, differences, stand
from services.segmenter.recompute.policy_store import Known, Rulebooks, customers
from shared.audit.trail import Trail
from shared.bus.port import Message, Publisher
from shared.errors import ConfigError
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.vocabulary import Value
from shared.http.auth import Access, Token
from shared.http.problems import Problem
from shared.http.routing import guarded

FIRST: Final = UUID(int=0)
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "The policy has mistakes; each is told with its line and fix"}
}
#: Twelve times the shipped policy.
_LONGEST: Final = 1_000_000


class _Page(BaseModel):
    """Which customers: `after` is `next` of the page before, `most` how many rows are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: UUID = FIRST
    most: Annotated[int, Field(ge=1, le=5000)] = 500


class Candidate(_Page):
    """Another policy, whole; `customers`: list those who differ, and how."""

    policy: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    customers: bool = False


class Recompute(_Page):
    """Whose state the policy in force changed; `apply`: have them decided about anew."""

    apply: bool = False


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Tally(_Shown):
    """How many customers are `before` under one policy and `after` under the other."""

    aspect: str
    before: str
    after: str
    customers: int


class AspectView(_Shown):
    """One thing that differs; both are null where the value may tell of a person."""

    aspect: str
    before: Value
    after: Value


class Changed(_Shown):
    """One customer who differs."""

    customer_id: UUID
    differences: tuple[AspectView, ...]


class Diff(_Shown):
    """One page: of `looked` customers `differ`. Add the pages up until `next` is null."""

    before: str
    after: str
    looked: int
    differ: int
    tallies: tuple[Tally, ...]
    customers: tuple[Changed, ...]
    next: UUID | None


class Recomputed(_Shown):
    """One page. `differ` are to be decided about anew, `told` were told so.

    `current` were decided about under this policy already; `unknown` under one that is not known
    any more, so they count as differing.
    """

    policy: str
    looked: int
    current: int
    unknown: int
    differ: int
    told: int
    next: UUID | None


def make_policy_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    publisher: Publisher,
    *,
    trail: Trail,
) -> APIRouter:
    """Build the routes below `/v1/policy`."""
    router = guarded(access, "operate", "policy", prefix="/v1/policy")
    books = Rulebooks(engine, rulebook)

    @router.post("/diff", responses=_ANSWERS)
    async def diff(asked: Candidate) -> Diff:
        """Show what another policy would change for one page of customers; nothing is written."""
        try:
            other = await books.of_text(asked.policy)
        except ConfigError as error:
            raise Problem(422, "invalid-policy", str(error)) from None
        now, tallies = clock(), Counter[tuple[str, str, str]]()
        looked, changed, end = 0, list[Changed](), None
        async for last, some in customers(engine, asked.after, asked.most):
            end = last
            looked += len(some)
            for one in some:
                before, after = (_stand(one, book, now) for book in (rulebook, other))
                tallies.update(_tallied(before, after))
                if found := list(differences(before, after)):
                    changed.append(_changed(one.customer_id, found))
        return Diff(
            before=rulebook.version,
            after=other.version,
            looked=looked,
            differ=len(changed),
            tallies=tuple(
                Tally(aspect=aspect, before=was, after=is_, customers=count)
                for (aspect, was, is_), count in sorted(tallies.items())
            ),
            customers=tuple(changed) if asked.customers else (),
            next=end,
        )

    @router.post("/recompute")
    async def recompute(
        asked: Recompute, token: Annotated[Token, Depends(access.require("operate"))]
    ) -> Recomputed:
        """Count, or tell, whose state the policy in force changed since her last decision."""
        now, found = clock(), Counter[str]()
        end = None
        if asked.apply:
            pen = trail.pen(token.name, now)
            version, after = rulebook.version, str(asked.after)
            await pen.ahead(engine, "policy.recompute_asked", version, after=after, most=asked.most)
        async for last, some in customers(engine, asked.after, asked.most):
            end = last
            dues = [
                policy_due(rulebook, now, customer_id=one.customer_id, version=one.version)
                for one in some
                if await _differs(one, now, found)
            ]
            if asked.apply and dues:
                await publisher.publish([_message(due) for due in dues])
                found["told"] += len(dues)
        return Recomputed(
            policy=rulebook.version,
            looked=found["looked"],
            current=found["current"],
            unknown=found["unknown"],
            differ=found["differ"],
            told=found["told"],
            next=end,
        )

    async def _differs(one: Known, now: datetime, found: Counter[str]) -> bool:
        found["looked"] += 1
        if one.policy == rulebook.version:
            found["current"] += 1
            return False
        book = await books.of_version(one.policy) if one.policy is not None else None
        if book is None:
            found["unknown"] += 1
        elif not any(differences(_stand(one, book, now), _stand(one, rulebook, now))):
            return False
        found["differ"] += 1
        return True

    return router


def _stand(one: Known, rulebook: Rulebook, now: datetime) -> Stand:
    return stand(one.profile, rulebook, now, customer_id=one.customer_id, version=one.version)


def _tallied(before: Stand, after: Stand) -> Iterable[tuple[str, str, str]]:
    return (
        (aspect, was, is_)
        for (aspect, was), (_, is_) in zip(counted(before), counted(after), strict=True)
    )


def _changed(customer_id: UUID, found: Iterable[Difference]) -> Changed:
    return Changed(
        customer_id=customer_id,
        differences=tuple(
            AspectView(aspect=one.aspect, before=one.before, after=one.after) for one in found
        ),
    )


def _message(due: Due) -> Message:
    event = Event(id=due.event_id, source="nps/segmenter", time=due.data.due_at, data=due.data)
    return Message(topic=FEEDBACK, key=str(due.data.customer_id), value=encode(event))
