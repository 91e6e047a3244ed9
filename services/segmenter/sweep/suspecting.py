"""Suspected duplicates: each pair of customers who share a key, judged when either was read.

Keys stand in an indexed table, so nobody is compared with everybody. A key of more customers than
`MOST_ALIKE` says nothing about any two of them; where it comes to be so, or ceases to, those few
who shared it before, or still do, are read anew.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.quality.quality import Person, Twins, twins

#: An `admin@` in a thousand companies, a building full of namesakes: pairs without end.
MOST_ALIKE: Final = 10
_THEIRS: Final = text("""
    SELECT key FROM people_keys WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
_SHARING: Final = text(f"""
    SELECT k.key, s.ids FROM unnest(CAST(:keys AS bigint[])) AS k (key), LATERAL (
        SELECT array_agg(customer_id) AS ids FROM (
            SELECT customer_id FROM people_keys p WHERE p.key = k.key
            LIMIT {MOST_ALIKE + 1}) AS few
    ) AS s WHERE s.ids IS NOT NULL
""")  # noqa: S608 - a number of ours
_FORGET: Final = text("DELETE FROM people_keys WHERE customer_id = ANY(CAST(:ids AS uuid[]))")
_KEEP: Final = text("""
    INSERT INTO people_keys (key, customer_id)
    SELECT * FROM unnest(CAST(:keys AS bigint[]), CAST(:ids AS uuid[]))
""")
# From either side of each of these customers, as they are called now; 'person' stands where both
# were said.
_APART: Final = text("""
    SELECT coalesce(f.survivor_id, x.customer_id) AS one,
           coalesce(t.survivor_id, x.other_id) AS other, max(x.reason) AS reason
    FROM apart x
    LEFT JOIN aliases f ON f.customer_id = x.customer_id
    LEFT JOIN aliases t ON t.customer_id = x.other_id
    WHERE x.customer_id IN (
        SELECT unnest(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT customer_id FROM aliases WHERE survivor_id = ANY(CAST(:ids AS uuid[])))
    GROUP BY 1, 2
""")
_ACQUIT: Final = text("""
    DELETE FROM suspects
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) OR other_id = ANY(CAST(:ids AS uuid[]))
""")
_SUSPECT: Final = text("""
    INSERT INTO suspects (customer_id, other_id, confidence, reasons)
    SELECT a, b, c, string_to_array(r, ' ') FROM unnest(
        CAST(:ones AS uuid[]), CAST(:others AS uuid[]), CAST(:sure AS double precision[]),
        CAST(:reasons AS text[])) AS new (a, b, c, r)
""")

Sharing = Mapping[int, frozenset[UUID]]


async def rekey(
    connection: AsyncConnection, people: Mapping[UUID, frozenset[int]], gone: Collection[UUID]
) -> tuple[Sharing, set[UUID]]:
    """Write the keys of customers in the place of those they had.

    Returns who shares each key now, and who else must be read anew.
    """
    ids = sorted({*people, *gone})
    keys = set(await connection.scalars(_THEIRS, {"ids": ids})).union(*people.values())
    before = await _sharing(connection, keys)
    await connection.execute(_FORGET, {"ids": ids})
    rows = sorted((key, customer) for customer, own in people.items() for key in own)
    if rows:
        await connection.execute(
            _KEEP, {"keys": [key for key, _ in rows], "ids": [customer for _, customer in rows]}
        )
    after = await _sharing(connection, keys)
    again: set[UUID] = set()
    for key in keys:
        was, now = before.get(key, frozenset()), after.get(key, frozenset())
        if (len(was) > MOST_ALIKE) != (len(now) > MOST_ALIKE):
            again |= min(was, now, key=len)
    return after, again - set(ids)


async def judge(
    connection: AsyncConnection,
    people: Mapping[UUID, Person],
    gone: Collection[UUID],
    sharing: Sharing,
    read: Callable[[Collection[UUID]], Awaitable[Mapping[UUID, Person]]],
) -> None:
    """Write the pairs of these customers in the place of those they were in.

    `read` gives the others with whom they are to be compared.
    """
    await connection.execute(_ACQUIT, {"ids": sorted({*people, *gone})})
    apart = await _apart(connection, people)
    pairs = {pair for ids in sharing.values() for pair in _pairs(ids, people)}
    pairs |= {pair for pair, reason in apart.items() if reason == "consent"}
    pairs -= {pair for pair, reason in apart.items() if reason == "person"}
    others = {one for pair in pairs for one in pair} - people.keys()
    known = {**await read(others), **people}
    found = [
        twin
        for pair in pairs
        if pair <= known.keys() and (twin := _twins(pair, known, apart)) is not None
    ]
    await _suspect(connection, sorted(found, key=lambda twin: (twin.one, twin.other)))


async def _sharing(connection: AsyncConnection, keys: Collection[int]) -> Sharing:
    rows = await connection.execute(_SHARING, {"keys": sorted(keys)})
    return {row.key: frozenset(row.ids) for row in rows}


async def _apart(
    connection: AsyncConnection, people: Collection[UUID]
) -> dict[frozenset[UUID], str]:
    rows = await connection.execute(_APART, {"ids": sorted(people)})
    return {frozenset((row.one, row.other)): row.reason for row in rows if row.one != row.other}


def _pairs(ids: frozenset[UUID], people: Mapping[UUID, Person]) -> Iterator[frozenset[UUID]]:
    """Pair those who were read with all who share a key with them."""
    if len(ids) <= MOST_ALIKE:
        for one in ids & people.keys():
            yield from (frozenset((one, other)) for other in ids if other != one)


def _twins(
    pair: frozenset[UUID], known: Mapping[UUID, Person], apart: Mapping[frozenset[UUID], str]
) -> Twins | None:
    one, other = sorted(pair)
    return twins(known[one], known[other], refused=apart.get(pair) == "consent")


async def _suspect(connection: AsyncConnection, found: Sequence[Twins]) -> None:
    if found:
        await connection.execute(
            _SUSPECT,
            {
                "ones": [twin.one for twin in found],
                "others": [twin.other for twin in found],
                "sure": [twin.confidence for twin in found],
                "reasons": [" ".join(twin.reasons) for twin in found],
            },
        )
