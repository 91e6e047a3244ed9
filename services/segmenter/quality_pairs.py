"""Looking for customers who may be one person, in the whole base.

In: a connection without locks, and the pair where the last page ended. Out: pairs to judge.

Everybody must be seen at once: PostgreSQL groups short keys, puts on disk what does not fit its
memory, and gives up after a minute. Only the pairs of one page ever come here.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.policy.quality import Quality
from services.segmenter.quality import LEAST_LOCAL_PART, Person, person
from services.segmenter.quality_names import folded
from services.segmenter.quality_table import BASE, FIRST, LAST
from shared.identifiers import Rules

#: More customers of one key than these say nothing about any two of them, and make pairs without
#: end: an `admin@` in a thousand companies, a building full of namesakes.
_MOST_ALIKE: Final = 10
#: Everybody's keys, cheap and somewhat too wide: whoever is alike here is judged in Python. Of a
#: telephone number the last eight digits: before them stand a country's code or a 0, or neither.
_KEYS: Final = rf"""
    addresses AS (
        SELECT coalesce(a.survivor_id, i.customer_id) AS id, split_part(i.value, '@', -1) AS domain,
               split_part(left(i.value, -length(split_part(i.value, '@', -1)) - 1), '+', 1) AS local
        FROM identifiers i LEFT JOIN aliases a ON a.customer_id = i.customer_id
        WHERE i.kind = 'email'
    ), named AS (
        SELECT p.customer_id AS id, s.attributes, s.identifiers,
               {folded("s.attributes#>>'{first_name,value}'")} AS one,
               {folded("s.attributes#>>'{last_name,value}'")} AS other,
               upper(regexp_replace(
                   coalesce(s.attributes->CAST(:postal AS text)->>'value', ''),
                   '[^A-Za-z0-9]', '', 'g')) AS postal
        {BASE} AND s.attributes IS NOT NULL
    ), people AS (
        SELECT *, least(one, other) || ' ' || greatest(one, other) AS name
        FROM named WHERE one <> '' AND other <> ''
    ), phones AS (
        SELECT id, people.name, regexp_replace(number, '[^0-9]', '', 'g') AS digits
        FROM people CROSS JOIN LATERAL (
            SELECT k FROM jsonb_object_keys(identifiers) AS k WHERE k LIKE 'phone:%'
            UNION ALL
            SELECT said->>'value' FROM jsonb_each(attributes) AS given (title, said)
            WHERE title = ANY(CAST(:phones AS text[]))
        ) AS said_or_known (number)
    ), keys AS (
        SELECT id, 'plus ' || local || '@' || domain AS key FROM addresses
        UNION ALL
        SELECT id, 'local ' || local FROM addresses WHERE length(local) >= {LEAST_LOCAL_PART}
        UNION ALL
        SELECT coalesce(a.survivor_id, i.customer_id),
               'id ' || lower(regexp_replace(i.value, '\s', '', 'g'))
        FROM identifiers i LEFT JOIN aliases a ON a.customer_id = i.customer_id
        WHERE i.kind = 'external_id'
        UNION ALL
        SELECT id, 'home ' || postal || ' ' || name FROM people WHERE postal <> ''
        UNION ALL
        SELECT id, 'phone ' || right(digits, 8) || ' ' || name FROM phones
        WHERE length(digits) >= 8
    )"""  # noqa: S608 - texts of ours
#: Whom the policy did not merge, from either side, as they are called now.
_REFUSED: Final = """
    SELECT coalesce(f.survivor_id, x.customer_id) AS one,
           coalesce(t.survivor_id, x.other_id) AS other
    FROM apart x
    LEFT JOIN aliases f ON f.customer_id = x.customer_id
    LEFT JOIN aliases t ON t.customer_id = x.other_id
    WHERE x.reason = 'consent'
"""
_PAIRS = text(rf"""
    WITH {_KEYS}, alike AS (
        SELECT array_agg(DISTINCT id) AS ids FROM keys GROUP BY key
        HAVING count(*) > 1 AND count(DISTINCT id) BETWEEN 2 AND {_MOST_ALIKE}
        UNION ALL
        SELECT ARRAY[one, other] FROM ({_REFUSED}) AS refused
    )
    SELECT DISTINCT a.id AS one, b.id AS other
    FROM alike CROSS JOIN unnest(ids) AS a (id) CROSS JOIN unnest(ids) AS b (id)
    WHERE a.id < b.id
      AND (a.id, b.id) > (CAST(:one AS uuid), CAST(:other AS uuid))
      AND NOT EXISTS (SELECT FROM apart x WHERE x.customer_id = a.id AND x.other_id = b.id
                      AND x.reason = 'person')
    ORDER BY 1, 2 LIMIT :most
""")  # noqa: S608 - texts of ours
_PEOPLE = text(f"""
    SELECT p.customer_id, s.attributes, s.identifiers,
           ARRAY(SELECT other FROM ({_REFUSED}) AS refused WHERE one = p.customer_id) AS refused
    FROM profiles p
    CROSS JOIN LATERAL jsonb_to_record(p.state) AS s (attributes jsonb, identifiers jsonb)
    WHERE p.customer_id = ANY(CAST(:ids AS uuid[]))
""")  # noqa: S608 - texts of ours
_PATIENCE = text("SELECT set_config('statement_timeout', '60s', true)")


async def pairs(
    connection: AsyncConnection, quality: Quality, after: tuple[UUID, UUID], most: int
) -> Sequence[tuple[UUID, UUID]]:
    """Find pairs of customers who are alike in some key, in order of their ids, after this one.

    Whom a person took apart again is left out. Reads everybody, for at most a minute.
    """
    await connection.execute(_PATIENCE)
    parameters = {
        "after": FIRST,
        "upto": LAST,
        "postal": quality.postal_code_attribute,
        "phones": list(quality.phone_attributes),
        "one": after[0],
        "other": after[1],
        "most": most,
    }
    return [(row.one, row.other) for row in await connection.execute(_PAIRS, parameters)]


async def people(
    connection: AsyncConnection, ids: Collection[UUID], quality: Quality, rules: Rules
) -> dict[UUID, Person]:
    """Read what may make these customers somebody else's twins."""
    rows = await connection.execute(_PEOPLE, {"ids": sorted(ids)})
    return {
        row.customer_id: person(
            row.customer_id,
            row.attributes or {},
            row.identifiers or {},
            quality,
            rules,
            refused=row.refused,
        )
        for row in rows
    }
