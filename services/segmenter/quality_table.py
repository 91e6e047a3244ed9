"""Looking through the customer base for what is wrong with it, a bounded piece at a time.

In: a connection without locks, and where the last piece ended. Out: counts, or ids.

It reads the profiles as they are stored. A table of its own, kept up to date, would be quicker to
ask and be paid for by every event of every day; this list is looked at now and then. So customers
are taken in the order of their ids, at most `PIECE` a call: a call's cost does not grow with the
base.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.policy.quality import Quality
from services.segmenter.quality import KINDS, Kind

#: About a second's work.
PIECE: Final = 50_000
FIRST: Final = UUID(int=0)

#: The parts of a stored profile that are looked at, unpacked once; a part without anything is
#: absent. Nobody's answers and customers merged into others are left out.
BASE: Final = """
    FROM profiles p
    CROSS JOIN LATERAL jsonb_to_record(p.state) AS s
        (attributes jsonb, identifiers jsonb, consents jsonb, bounces jsonb)
    WHERE p.customer_id > :after AND p.customer_id <= :upto AND s.identifiers IS NOT NULL
      AND NOT EXISTS (SELECT FROM aliases a WHERE a.customer_id = p.customer_id)
"""
_SAID: Final = "btrim(coalesce(s.attributes#>>'{{{},value}}', ''))"
#: What cannot be a telephone number in any country: other signs than one is written with (an
#: extension aside), or too few or too many digits.
_NO_PHONE: Final = r"""
    SELECT FROM jsonb_each(s.attributes) AS given (name, said)
    CROSS JOIN LATERAL regexp_replace(
        said->>'value', '^tel:|,? *(;ext=|ext\.?|extn\.?|x|poste|#) *[0-9]{1,7}$', '', 'gi'
    ) AS number
    WHERE name = ANY(CAST(:phones AS text[]))
      AND jsonb_typeof(said->'value') IN ('string', 'number')
      AND (number ~ '[^0-9+() ./\u00a0\u202f\u2010-\u2015-]'
           OR length(regexp_replace(number, '[^0-9]', '', 'g')) NOT BETWEEN 8 AND 15)
"""
#: Ingest marks who gave a number that is none; a number of hers read since then mends it.
_UNREAD_PHONE: Final = """
    s.attributes#>>'{unread_phone,value}' = 'true' AND NOT EXISTS (
        SELECT FROM jsonb_each(s.identifiers) AS known (name, seen)
        WHERE name LIKE 'phone:%'
          AND CAST(seen->>'last' AS timestamptz)
              >= CAST(s.attributes#>>'{unread_phone,order,0}' AS timestamptz))
"""
_OLD_YES: Final = """
    SELECT FROM jsonb_each(s.consents) AS register (name, statement)
    WHERE CAST(statement->>'granted' AS boolean)
      AND CAST(statement->>'said_at' AS timestamptz) < :stale_before
"""
_IS: Final[Mapping[Kind, str]] = {
    "missing_tone": f"{_SAID.format('tone')} NOT IN ('tu', 'vous')",
    "missing_name": f"{_SAID.format('first_name')} = '' AND {_SAID.format('last_name')} = ''",
    "missing_language": f"{_SAID.format('language')} = ''",
    "invalid_phone": f"({_UNREAD_PHONE}) OR EXISTS ({_NO_PHONE})",
    "bounced_address": "s.bounces IS NOT NULL",
    "stale_consent": f"EXISTS ({_OLD_YES})",
}
_COUNTED: Final = ", ".join(f"count(*) FILTER (WHERE {_IS[kind]}) AS {kind}" for kind in KINDS)
_COUNT = text(f"SELECT count(*) AS customers, {_COUNTED} {BASE}")
_LIST = {
    kind: text(f"SELECT p.customer_id {BASE} AND ({_IS[kind]}) ORDER BY p.customer_id LIMIT :most")
    for kind in KINDS
}
_END = text("""
    SELECT customer_id FROM profiles WHERE customer_id > :after
    ORDER BY customer_id OFFSET :piece LIMIT 1
""")
LAST: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to go on, and what the policy says."""

    after: UUID
    quality: Quality
    stale_before: datetime

    def parameters(self, upto: UUID) -> dict[str, object]:
        """Write it for a statement."""
        return {
            "after": self.after,
            "upto": upto,
            "phones": list(self.quality.phone_attributes),
            "stale_before": self.stale_before,
        }


async def counts(
    connection: AsyncConnection, asked: Asked, piece: int = PIECE
) -> tuple[int, dict[Kind, int], UUID | None]:
    """Count one piece: customers, how many of each kind, where to go on (None: that was all)."""
    end = await _end(connection, asked.after, piece)
    row = (await connection.execute(_COUNT, asked.parameters(end or LAST))).one()
    found = row._mapping
    return found["customers"], {kind: found[kind] for kind in KINDS}, end


async def listed(
    connection: AsyncConnection, kind: Kind, asked: Asked, most: int, piece: int = PIECE
) -> tuple[Sequence[UUID], UUID | None]:
    """List at most so many customers of one kind, from one piece, and where to go on."""
    end = await _end(connection, asked.after, piece)
    parameters = {**asked.parameters(end or LAST), "most": most}
    found = list(await connection.scalars(_LIST[kind], parameters))
    return found, found[-1] if len(found) == most else end


async def _end(connection: AsyncConnection, after: UUID, piece: int) -> UUID | None:
    """Find where a piece ends; None: it is the last one."""
    parameters = {"after": after, "piece": piece - 1}
    return (await connection.execute(_END, parameters)).scalar_one_or_none()
