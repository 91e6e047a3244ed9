"""A ledger of any size, written by SQL alone: ten deliveries for every customer, long accepted.

In: the address of a migrated database (its owner's), how many rows. Out: rows as the dispatcher
itself leaves them, each with its last change; and what is due now, as if it had just been planned.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from services.dispatcher.ledger.recipients import Recipient, decided, write_state
from tests.bench.decided import one

#: Rows made in one statement.
_STEP: Final = 500_000
#: Deliveries of one customer.
EACH: Final = 10
_CUSTOMER: Final = "CAST(md5('customer ' || {0}) AS uuid)"
_RECIPIENTS: Final = f"""
    INSERT INTO dispatcher.recipients (customer_id, version, state)
    SELECT {_CUSTOMER.format("n")}, 1, CAST(:state AS jsonb)
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
    ON CONFLICT DO NOTHING
"""
_ROW: Final = f"""
    INSERT INTO dispatcher.deliveries (id, customer_id, decision_id, event_id, cause_id, play,
        action, variant, template, channel, contact_class, legal_basis, target, context, segments,
        on_unknown, profile_late, playbook, planned_at, send_at, moment, deadline, state, reason,
        due, attempts, attempted_at, change)
    SELECT x.id, {_CUSTOMER.format("n / :each")}, x.id, x.id, x.id, 'ask-hooks',
        'ask_hooks', 'default', 'ASK', 'email', 'service', 'contract', 'hooks', '{{}}', '{{}}',
        'hold', 'send', 'bench', x.at, x.at, x.at, x.at + interval '72 h', :state, 'a reason',
        :due, :attempts, CASE WHEN :attempts > 0 THEN x.at END, :change
"""
# Spread over a year, and older than any window that is counted: so no budget refuses what is due.
_OLD: Final = f"""{_ROW}
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n,
        LATERAL (SELECT CAST(md5('old ' || n) AS uuid) AS id,
            CAST(:at AS timestamptz) - interval '31 days'
                - n * 7919 % (334 * 24 * 60) * interval '1 min' AS at) AS x
"""
_NEW: Final = f"""{_ROW}
    FROM unnest(CAST(:numbers AS bigint[])) AS n,
        LATERAL (SELECT CAST(md5(:what || n) AS uuid) AS id, CAST(:at AS timestamptz) AS at) AS x
"""
_CHANGES: Final = """
    INSERT INTO dispatcher.delivery_changes (delivery_id, change, state, reason, at, by, untold)
    SELECT CAST(md5('old ' || n) AS uuid), 3, 'accepted', 'a reason', :at, 'lane', false
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""
_INDEXES: Final = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'dispatcher' AND tablename = 'deliveries' AND indexname <> 'deliveries_pkey'
"""


async def write(database: str, first: int, last: int, at: datetime) -> None:
    """Write the accepted deliveries of these numbers, and their customers."""
    engine = create_async_engine(database, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            # Durability is nobody's question here, and building an index at once is far quicker.
            await plain.execute(text("SET synchronous_commit = off"))
            await plain.execute(text("SET maintenance_work_mem = '512MB'"))
            await plain.execute(text("SET session_replication_role = replica"))
            indexes = (await plain.execute(text(_INDEXES))).all() if last - first > _STEP else []
            for index in indexes:
                await plain.execute(text(f"DROP INDEX dispatcher.{index.indexname}"))
            for start in range(first, last + 1, _STEP):
                await _step(plain, start, min(last, start + _STEP - 1), at)
            for index in indexes:
                await plain.execute(text(index.indexdef))
            await plain.execute(text("VACUUM ANALYZE dispatcher.deliveries, dispatcher.recipients"))
    finally:
        await engine.dispose()


async def _step(connection: AsyncConnection, first: int, last: int, at: datetime) -> None:
    span: dict[str, object] = {"first": first, "last": last, "at": at}
    people = {"first": first // EACH, "last": last // EACH, "state": _state(at)}
    await connection.execute(text(_RECIPIENTS), people)
    old = {"state": "accepted", "due": None, "attempts": 1, "change": 3, "each": EACH}
    await connection.execute(text(_OLD), {**span, **old})
    await connection.execute(text(_CHANGES), span)


async def make_due(database: str, what: str, customers: Iterable[int], at: datetime) -> None:
    """Plan a delivery for each of these customers, due now; `what` tells them from others."""
    engine = create_async_engine(database, poolclass=NullPool)
    numbers = [customer * EACH for customer in customers]
    new = {"state": "planned", "due": at, "attempts": 0, "change": 1, "each": EACH}
    try:
        async with engine.begin() as connection:
            values = {"numbers": numbers, "what": what, "at": at, **new}
            await connection.execute(text(_NEW), values)
    finally:
        await engine.dispose()


def _state(at: datetime) -> str | None:
    """What a decision leaves of a customer: everything permitted, three budgets."""
    told = one("ledger", "", 0, at)
    return write_state(decided(Recipient(told.customer_id), told).state)
