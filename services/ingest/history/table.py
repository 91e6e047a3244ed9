"""The rows of `imports`: how far each file has come. Nothing of a file's content.

Every call raises `DependencyAway` when the database is away.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit.trail import Pen
from shared.database import away_as_dependency
from shared.events.feedback import Provenance
from shared.events.ids import name_id

_SHOWN: Final = "id, source, provenance, rows_total, next_row, told, ignored, refused, erased"
#: The same file of the same source goes on where it stopped, with the word it began with.
_BEGIN: Final = text(f"""
    INSERT INTO imports (id, source, sha256, provenance, rows_total, started_at, moved_at)
    VALUES (:id, :source, :sha256, :provenance, :rows_total, :now, :now)
    ON CONFLICT (id) DO UPDATE
    SET rows_total = COALESCE(excluded.rows_total, imports.rows_total)
    RETURNING {_SHOWN}
""")  # noqa: S608 - a constant
_GET: Final = text(f"SELECT {_SHOWN} FROM imports WHERE id = :id")  # noqa: S608 - a constant
#: Only from where it stood: of two who tell the same rows one counts them.
_MOVE: Final = text("""
    UPDATE imports SET next_row = :to, told = told + :told, ignored = ignored + :ignored,
                       refused = refused + :refused, erased = erased + :erased, moved_at = :now
    WHERE id = :id AND next_row = :from
""")


@dataclass(frozen=True, slots=True)
class Import:
    """One file on its way. `next_row` counts its rows from 0."""

    id: UUID
    source: str
    provenance: Provenance
    rows_total: int | None
    next_row: int
    told: int
    ignored: int
    refused: int
    erased: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of some rows; of those that are `erased` nothing is told."""

    told: int
    ignored: int
    refused: int
    erased: int


class Imports:
    """The table `imports`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(
        self,
        source: str,
        sha256: str,
        provenance: Provenance,
        rows_total: int | None,
        pen: Pen,
    ) -> Import:
        """Begin a file, or find how far it has come; a file is known by the hash of its bytes."""
        asked = {
            "id": name_id("import", source, sha256),
            "source": source,
            "sha256": sha256,
            "provenance": provenance,
            "rows_total": rows_total,
            "now": pen.at,
        }
        with away_as_dependency():
            async with self._engine.begin() as connection:
                known = _import((await connection.execute(_BEGIN, asked)).one())
                # Also who goes on with a file: the rows told from now on are at her word.
                await pen.note(
                    connection,
                    "import.begun",
                    str(known.id),
                    source=source,
                    file=sha256,
                    provenance=known.provenance,
                    next_row=known.next_row,
                )
                return known

    async def get(self, import_id: UUID) -> Import | None:
        """Find one; None if there is none of this id."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_GET, {"id": import_id})).one_or_none()
        return None if row is None else _import(row)

    async def move(self, known: Import, to: int, counts: Counts, pen: Pen) -> bool:
        """Go on to the row `to`; False if somebody else moved it meanwhile."""
        asked = {
            "id": known.id,
            "from": known.next_row,
            "to": to,
            "told": counts.told,
            "ignored": counts.ignored,
            "refused": counts.refused,
            "erased": counts.erased,
            "now": pen.at,
        }
        with away_as_dependency():
            async with self._engine.begin() as connection:
                moved = (await connection.execute(_MOVE, asked)).rowcount == 1
                if moved:
                    await pen.note(
                        connection,
                        "import.rows_told",
                        str(known.id),
                        from_row=known.next_row,
                        to_row=to,
                        **asdict(counts),
                    )
                return moved


def _import(row: Row[Any]) -> Import:
    return Import(
        id=row.id,
        source=row.source,
        provenance=cast("Provenance", row.provenance),
        rows_total=row.rows_total,
        next_row=row.next_row,
        told=row.told,
        ignored=row.ignored,
        refused=row.refused,
        erased=row.erased,
    )
