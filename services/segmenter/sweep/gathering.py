"""Gathering all that is read of some customers: one statement per kind of thing."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.history import Given
from services.segmenter.store import store

#: What reaches a customer because of what she said: no offer, no further survey.
_CARE: Final = ["service", "asked_for"]
_STATES: Final = text("""
    SELECT customer_id, CAST(state AS text) AS state FROM profiles
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
_MEMBERS: Final = """
    members AS (
        SELECT id AS person, id AS customer_id FROM unnest(CAST(:ids AS uuid[])) AS ids (id)
        UNION ALL
        SELECT survivor_id, customer_id FROM aliases WHERE survivor_id = ANY(CAST(:ids AS uuid[]))
    )
"""
_ANSWERS: Final = text(f"""
    WITH {_MEMBERS}
    SELECT m.person, a.source, a.survey, a.response_id, a.answered_at, a.score
    FROM members m JOIN answers a ON a.customer_id = m.customer_id
""")  # noqa: S608 - a text of ours
_CONTACTS: Final = text(f"""
    WITH {_MEMBERS}
    SELECT m.person, f.kind, f.occurred_at, f.body->>'survey' AS survey
    FROM members m JOIN facts f ON f.customer_id = m.customer_id
    WHERE f.kind = 'survey.invitation.sent'
       OR (f.kind = 'delivery.settled' AND f.body->>'state' = 'accepted'
           OR f.kind = 'message.sent') AND f.body->>'contact_class' = ANY(CAST(:care AS text[]))
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known, by customer; `states` are profiles as they are stored.

    `gone` were merged into others, or are no customers any more.
    """

    states: dict[UUID, str]
    gone: Sequence[UUID]
    given: dict[UUID, list[Given]]
    contacts: dict[UUID, list[datetime]]
    invitations: dict[UUID, list[tuple[str, datetime]]]


async def gather(connection: AsyncConnection, changed: Collection[UUID]) -> Gathered:
    """Read the customers whose state counts for those who changed, in the order of their ids."""
    survivors = await store.survivors(connection, changed)
    states = await read_states(connection, set(survivors.values()))
    gone = sorted({*survivors, *survivors.values()} - states.keys() | _merged(survivors))
    given, contacts = defaultdict(list), defaultdict(list)
    invitations = defaultdict(list)
    asked = {"ids": sorted(states)}
    for row in await connection.execute(_ANSWERS, asked):
        given[row.person].append(
            Given(row.source, row.survey, row.response_id, row.answered_at, row.score)
        )
    for row in await connection.execute(_CONTACTS, {**asked, "care": _CARE}):
        if row.kind == "survey.invitation.sent":
            invitations[row.person].append((row.survey, row.occurred_at))
        else:
            contacts[row.person].append(row.occurred_at)
    return Gathered(states, gone, given, contacts, invitations)


async def read_states(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, str]:
    """Read profiles as they are stored, those that exist, in the order of their ids."""
    rows = await connection.execute(_STATES, {"ids": sorted(ids)})
    found = {row.customer_id: row.state for row in rows}
    return {customer_id: found[customer_id] for customer_id in sorted(found)}


def _merged(survivors: dict[UUID, UUID]) -> set[UUID]:
    return {customer_id for customer_id, root in survivors.items() if root != customer_id}
