"""`GET /v1/shadow`: what targets in shadow would have sent beside what the present tool sent.

Counts only: no customer, no address. The present tool's sends are those that its platforms report
(`message.sent` without a delivery of ours); what is not reported is not seen.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.ledger.recipients import read_identifiers
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.shadow import foreign
from services.dispatcher.shadow.pairs import NEAR, Compared, Ours, compare
from shared.database import away_as_dependency
from shared.events.vocabulary import Identifier
from shared.http.auth import Access
from shared.http.openapi import GUARDED

#: As many of either side are compared, the oldest first; more are said to be left out.
MOST: Final = 50_000
_WEEK: Final = timedelta(days=7)
#: Before this nothing was sent, and a day earlier is still a date.
_FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)

# Alerts reach colleagues: no platform reports them as sent to a customer.
_OURS = text("""
    SELECT d.play, d.template, d.target, d.channel, d.attempted_at AS at,
        r.state->'identifiers' AS identifiers
    FROM deliveries d JOIN recipients r ON r.customer_id = d.customer_id
    WHERE d.state = 'shadowed' AND d.attempted_at >= :since AND d.contact_class <> 'internal'
    ORDER BY d.attempted_at, d.id LIMIT :most
""")


class OursShown(BaseModel):
    """What one play would have sent by one template: how many the present tool sent, too."""

    play: str
    template: str
    target: str
    channel: str
    both: int
    only_ours: int


class TheirsShown(BaseModel):
    """What the present tool sent (`target`: by which platform, if its report says so)."""

    target: str | None
    channel: str
    contact_class: str
    both: int
    only_theirs: int


class Comparison(BaseModel):
    """Counts since a moment; `complete`: nothing was left out for being too much."""

    since: AwareDatetime
    shadows: list[str]
    both: int
    only_ours: int
    only_theirs: int
    complete: bool
    ours: list[OursShown]
    theirs: list[TheirsShown]


def build_shadow_router(
    engine: AsyncEngine,
    access: Access,
    rules: Rulebook,
    person: Callable[[Identifier], str] | None,
    clock: Callable[[], datetime],
) -> APIRouter:
    """Make the route; `person` makes an HMAC of an identifier (None: nothing is in shadow)."""
    router = APIRouter(tags=["shadow"], responses=GUARDED)
    read = access.require("read")

    @router.get("/v1/shadow", dependencies=[Depends(read)])
    async def shadow(since: Annotated[AwareDatetime | None, Query()] = None) -> Comparison:
        """Compare since a moment, by default the last seven days."""
        start = clock() - _WEEK if since is None else max(since, _FIRST)
        ours: list[Ours] = []
        theirs = []
        if person is not None:
            with away_as_dependency():
                async with engine.connect() as connection:
                    ours = await _ours(connection, start - NEAR, person)
                    theirs = await foreign.read(connection, start - NEAR, MOST)
        complete = max(len(ours), len(theirs)) < MOST
        return _shown(compare(ours, theirs, start), rules, start, complete=complete)

    return router


async def _ours(
    connection: AsyncConnection, since: datetime, person: Callable[[Identifier], str]
) -> list[Ours]:
    rows = await connection.execute(_OURS, {"since": since, "most": MOST})
    return [
        Ours(
            play=row.play,
            template=row.template,
            target=row.target,
            channel=row.channel,
            at=row.at,
            people=frozenset(person(one) for one in read_identifiers(row.identifiers or ())),
        )
        for row in rows
    ]


def _shown(found: Compared, rules: Rulebook, since: datetime, *, complete: bool) -> Comparison:
    ours = [
        OursShown(
            play=play,
            template=template,
            target=target,
            channel=channel,
            both=tally.both,
            only_ours=tally.alone,
        )
        for (play, template, target, channel), tally in sorted(found.ours.items())
    ]
    theirs = [
        TheirsShown(
            target=target,
            channel=channel,
            contact_class=kind,
            both=tally.both,
            only_theirs=tally.alone,
        )
        for (target, channel, kind), tally in sorted(
            found.theirs.items(), key=lambda item: (item[0][0] or "", *item[0][1:])
        )
    ]
    return Comparison(
        since=since,
        shadows=sorted(rules.shadows),
        both=sum(one.both for one in ours),
        only_ours=sum(one.only_ours for one in ours),
        only_theirs=sum(one.only_theirs for one in theirs),
        complete=complete,
        ours=ours,
        theirs=theirs,
    )
