"""How far the sweep is: one row, which is also the lock that lets one replica at a time sweep.

First everybody is read, in the order of ids; then, round after round, whoever changed. A round
takes the changes that were there when it began, so it ends however many come in; when it has ended,
all that was saved before it began is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

NAME: Final = "customers"
_FIRST: Final = UUID(int=0)
_ADD: Final = text("""
    INSERT INTO sweeps (name, rules) VALUES (:name, '') ON CONFLICT (name) DO NOTHING
""")
_COLUMNS: Final = "rules, upto, customers, round_last, round_at, as_of, summary_as_of"
_TAKE: Final = text(f"""
    SELECT {_COLUMNS} FROM sweeps WHERE name = :name FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - names of columns
_LOOK: Final = text(f"SELECT {_COLUMNS} FROM sweeps WHERE name = :name")  # noqa: S608
_SAVE: Final = text("""
    UPDATE sweeps SET rules = :rules, upto = :upto, customers = :customers,
        round_last = :round_last, round_at = :round_at, as_of = :as_of,
        summary_as_of = :summary_as_of
    WHERE name = :name
""")
_NEXT: Final = text("""
    SELECT customer_id FROM profiles WHERE customer_id > :upto ORDER BY customer_id LIMIT :most
""")
_LAST: Final = text("SELECT max(sequence) FROM changed_customers")
_CHANGED: Final = text("""
    DELETE FROM changed_customers WHERE sequence IN (
        SELECT sequence FROM changed_customers WHERE sequence <= :last
        ORDER BY sequence LIMIT :most)
    RETURNING customer_id
""")


@dataclass(frozen=True, slots=True)
class Progress:
    """The row. `upto`: the last customer of a reading of everybody; None: that is over.

    `as_of` None: not everybody was read by these rules yet, so nothing can be told.
    """

    rules: str
    upto: UUID | None
    customers: int
    round_last: int | None
    round_at: datetime | None
    as_of: datetime | None
    summary_as_of: datetime | None

    @property
    def resting(self) -> bool:
        """Whether a round has just ended."""
        return self.upto is None and self.round_last is None


async def take(connection: AsyncConnection, rules: str) -> Progress | None:
    """Lock the row; None: another replica sweeps. Under other rules everything begins anew."""
    await connection.execute(_ADD, {"name": NAME})
    row = (await connection.execute(_TAKE, {"name": NAME})).one_or_none()
    if row is None:
        return None
    known = Progress(*row)
    return known if known.rules == rules else Progress(rules, _FIRST, 0, None, None, None, None)


async def look(connection: AsyncConnection) -> Progress | None:
    """Read the row without locking it; None: nothing was ever swept."""
    row = (await connection.execute(_LOOK, {"name": NAME})).one_or_none()
    return None if row is None else Progress(*row)


async def save(connection: AsyncConnection, progress: Progress) -> None:
    """Write how far the sweep is."""
    await connection.execute(
        _SAVE,
        {
            "name": NAME,
            "rules": progress.rules,
            "upto": progress.upto,
            "customers": progress.customers,
            "round_last": progress.round_last,
            "round_at": progress.round_at,
            "as_of": progress.as_of,
            "summary_as_of": progress.summary_as_of,
        },
    )


async def advance(
    connection: AsyncConnection, progress: Progress, now: datetime, most: int
) -> tuple[Sequence[UUID], Progress]:
    """Choose whom to read next, at most so many; with them, how far the sweep is then."""
    if progress.upto is not None:
        return await _everybody(connection, progress, progress.upto, most)
    if progress.round_last is None:
        last = await connection.scalar(_LAST)
        if last is None:
            return (), replace(progress, as_of=now)
        progress = replace(progress, round_last=last, round_at=now)
    asked = {"last": progress.round_last, "most": most}
    found = list(await connection.scalars(_CHANGED, asked))
    if len(found) < most:
        progress = replace(progress, round_last=None, round_at=None, as_of=progress.round_at)
    return sorted(set(found)), progress


async def _everybody(
    connection: AsyncConnection, progress: Progress, upto: UUID, most: int
) -> tuple[Sequence[UUID], Progress]:
    found = list(await connection.scalars(_NEXT, {"upto": upto, "most": most}))
    return found, replace(
        progress,
        upto=found[-1] if len(found) == most else None,
        customers=progress.customers + len(found),
    )
