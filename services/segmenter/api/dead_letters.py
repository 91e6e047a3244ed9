"""Dead letters: what was refused for good, why, and telling it again once that is mended.

In: bearer tokens; a topic, which of its letters. Out: counts by reason (never content); a letter's
content to whoever may operate; letters told again on the topic they came from, which every consumer
bears. Of all topics: the segmenter alone reads and writes each of them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, get_args

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit.trail import Trail
from shared.bus.letter_box import Group, LetterBox, Lying, Wanted
from shared.bus.port import Bus
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.times import iso

Topic = Literal["nps.feedback", "nps.decisions", "nps.outcomes"]
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)
#: A reason that names what it met may come in thousands of forms.
_MOST_GROUPS: Final = 200
#: Of one call: each is read and told while the caller waits.
_MOST_TOLD: Final = 500
_MOST_SHOWN: Final = 50
_SHOWN_BYTES: Final = 64 << 10

Reason = Annotated[str, Field(max_length=500, description="a part of the reason, in any case")]
Since = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]
After = Annotated[int, Field(ge=-1, lt=2**63)]


class DeadLetterGroup(BaseModel):
    """Letters of one topic and reason: how many wait and were told again, from when to when."""

    topic: Topic
    reason: str
    waiting: int
    told: int
    oldest: str
    newest: str


class DeadLetterGroups(BaseModel):
    """The most frequent first; `more`: groups that are left out."""

    groups: list[DeadLetterGroup]
    more: int


class DeadLetterShown(BaseModel):
    """One letter. `value` is its text as far as it is one and fits; `bytes` its whole length."""

    place: int
    topic: Topic
    partition: int
    offset: int
    reason: str
    at: str
    dead_at: str
    told: bool
    value: str
    bytes: int


class DeadLetterPage(BaseModel):
    """Some letters, oldest first; `next` goes into `after` for more (null: these are all)."""

    letters: list[DeadLetterShown]
    next: int | None


class TellAgain(BaseModel):
    """Which letters of the topic, oldest first, behind place `after`; at most `limit` of them.

    `again`: also those that were told already. `dry_run` (the default) counts and tells nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason = ""
    since: Since | None = None
    after: After = -1
    again: bool = False
    limit: Annotated[int, Field(ge=1, le=_MOST_TOLD)] = 10
    dry_run: bool = True


class ToldAgain(BaseModel):
    """How many were told, or would be; `left`: more like them; `last` goes into `after`."""

    topic: Topic
    dry_run: bool
    told: int
    left: int
    last: int | None


def make_dead_letter_router(
    engine: AsyncEngine,
    access: Access,
    clock: Callable[[], datetime],
    bus: Bus,
    *,
    trail: Trail,
) -> APIRouter:
    """Build the routes below `/v1/dead-letters`."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], responses=GUARDED)
    may_look, may_operate = Depends(access.require("read")), Depends(access.require("operate"))
    box = LetterBox(bus, clock=clock)

    @router.get("", dependencies=[may_look])
    async def count(
        topic: Annotated[Topic | None, Query()] = None,
        reason: Annotated[Reason, Query()] = "",
        since: Annotated[Since | None, Query()] = None,
    ) -> DeadLetterGroups:
        """Count dead letters by topic and reason: never what they hold."""
        wanted = Wanted(reason, since)
        found = [
            _group(name, group)
            for name in TOPICS
            if topic in (None, name)
            for group in await box.groups(name, wanted)
        ]
        return DeadLetterGroups(groups=found[:_MOST_GROUPS], more=max(0, len(found) - _MOST_GROUPS))

    @router.get("/{topic}", dependencies=[may_operate])
    async def show(
        topic: Topic,
        reason: Annotated[Reason, Query()] = "",
        since: Annotated[Since | None, Query()] = None,
        after: Annotated[After, Query()] = -1,
        limit: Annotated[int, Query(ge=1, le=_MOST_SHOWN)] = 20,
    ) -> DeadLetterPage:
        """Show dead letters with what they hold: it may be a customer's words and addresses."""
        found = await box.letters(topic, Wanted(reason, since), after, limit + 1)
        shown = [_shown(topic, one) for one in found[:limit]]
        return DeadLetterPage(letters=shown, next=shown[-1].place if len(found) > limit else None)

    @router.post("/{topic}/replay")
    async def replay(
        topic: Topic, wish: TellAgain, token: Annotated[Token, may_operate]
    ) -> ToldAgain:
        """Tell dead letters again, on the topic they came from; told twice, they act once."""
        chosen = await box.choose(
            topic,
            Wanted(wish.reason, wish.since),
            after=wish.after,
            most=wish.limit,
            again=wish.again,
        )
        told = len(chosen.places)
        if told and not wish.dry_run:
            first, last = chosen.places[0], chosen.places[-1]
            pen = trail.pen(token.name, clock())
            await pen.ahead(
                engine, "dead_letters.replay_asked", topic, letters=told, first=first, last=last
            )
            told = await box.tell(chosen)
        return ToldAgain(
            topic=topic,
            dry_run=wish.dry_run,
            told=told,
            left=chosen.left,
            last=chosen.places[-1] if chosen.places else None,
        )

    return router


def _group(topic: Topic, group: Group) -> DeadLetterGroup:
    return DeadLetterGroup(
        topic=topic,
        reason=group.reason,
        waiting=group.waiting,
        told=group.told,
        oldest=iso(group.oldest),
        newest=iso(group.newest),
    )


def _shown(topic: Topic, lying: Lying) -> DeadLetterShown:
    letter, value = lying.letter, lying.letter.message.value
    return DeadLetterShown(
        place=lying.place,
        topic=topic,
        partition=letter.origin.number,
        offset=letter.offset,
        reason=letter.reason,
        at=iso(letter.at),
        dead_at=iso(letter.dead_at),
        told=lying.told,
        value=value[:_SHOWN_BYTES].decode("utf-8", "replace"),
        bytes=len(value),
    )
