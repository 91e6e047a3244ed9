"""Rows of sends that platforms reported and that are not ours, kept while a target is in shadow.

Nothing personal: who was written to stands there as HMACs under the route key, the same by which
an erasure names her. They are what the shadow report compares with, and go after five weeks.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.ledger.rows import as_json
from services.dispatcher.shadow.pairs import Theirs
from shared.events.outcomes import MessageSent
from shared.events.vocabulary import Identifier

#: A month can be compared, with some days to look at it.
KEPT: Final = timedelta(days=35)

_NOTE = text("""
    INSERT INTO foreign_sends (event_id, channel, contact_class, target, at, people)
    SELECT event_id, channel, contact_class, target, at, people
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(event_id uuid, channel text,
        contact_class text, target text, at timestamptz, people text[])
    ORDER BY event_id ON CONFLICT DO NOTHING
""")
_FORGET = text("DELETE FROM foreign_sends WHERE people && CAST(:people AS text[])")
_PRUNE = text("DELETE FROM foreign_sends WHERE at < :before")
_READ = text("""
    SELECT channel, contact_class, target, at, people FROM foreign_sends
    WHERE at >= :since ORDER BY at, event_id LIMIT :most
""")


async def note(
    connection: AsyncConnection,
    sent: Sequence[tuple[UUID, MessageSent]],
    person: Callable[[Identifier], str],
) -> None:
    """Keep reports (event id and report) once each; `person` makes an HMAC of an identifier."""
    rows = [
        {
            "event_id": event_id,
            "channel": report.channel,
            "contact_class": report.contact_class,
            "target": report.target,
            "at": report.occurred_at,
            "people": sorted({person(one) for one in report.identifiers}),
        }
        for event_id, report in sent
    ]
    if rows:
        await connection.execute(_NOTE, {"rows": as_json(rows)})


async def forget(connection: AsyncConnection, people: Collection[str]) -> None:
    """Delete what was sent to somebody who is erased."""
    if people:
        await connection.execute(_FORGET, {"people": sorted(people)})


async def prune(connection: AsyncConnection, now: datetime) -> None:
    """Delete what is older than five weeks."""
    await connection.execute(_PRUNE, {"before": now - KEPT})


async def read(connection: AsyncConnection, since: datetime, most: int) -> list[Theirs]:
    """Return what others sent since then, oldest first, at most so many."""
    rows = await connection.execute(_READ, {"since": since, "most": most})
    return [
        Theirs(row.channel, row.contact_class, row.target, row.at, frozenset(row.people))
        for row in rows
    ]
