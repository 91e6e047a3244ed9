"""What no lane looks at: deliveries of targets configured no more or paused for long, parked ones.

In: the names of the configured targets. Out: rows that say why they wait, expired once their
deadline has passed. A target that comes back finds its deliveries as due as they were. Alerts of
digests that reached nobody go on by themselves.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.alerts.lost_digests import give_back
from services.dispatcher.calls.calls import Idempotency
from services.dispatcher.delivery import Delivery
from services.dispatcher.gates.gates import expired
from services.dispatcher.lanes.finish import take_back
from services.dispatcher.ledger import deletions, ledger
from services.dispatcher.shadow import foreign
from services.dispatcher.status import inquiries
from shared.database import away_as_dependency

REASON: Final = "its target is not configured: add it to targets.yaml, or enable it there"
#: Nobody waits for it: it only keeps the ledger true.
EVERY_S: Final = 30.0
_MOST: Final = 500
#: Nothing is known of a target that is gone, least of all that a repeat would be harmless.
_UNKNOWN: Final = Idempotency("none")

_FORGOTTEN = text(f"""
    SELECT {ledger.COLUMNS} FROM deliveries d
    WHERE d.state = 'parked' AND d.deadline <= :now
    OR d.state IN ('planned', 'waiting') AND (
        d.deadline <= :now
        OR NOT d.target = ANY(CAST(:targets AS text[])) AND d.reason <> :reason
    )
    ORDER BY d.id LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - names of columns, nothing from outside
_LOST = text("""
    SELECT DISTINCT target FROM calls
    WHERE lease_until < now() AND NOT target = ANY(CAST(:targets AS text[]))
""")


async def sweep(engine: AsyncEngine, targets: Collection[str], now: datetime) -> list[Delivery]:
    """Write down what nobody else would; returns what changed. Raises `DependencyAway`."""
    known = sorted(targets)
    with away_as_dependency():
        async with engine.connect() as connection:
            gone = (await connection.scalars(_LOST, {"targets": known})).all()
        changed = [d for name in gone for d in await take_back(engine, name, _UNKNOWN, now)]
        values = {"now": now, "targets": known, "reason": REASON, "most": _MOST}
        async with engine.begin() as connection:
            await deletions.give_up(connection, now)
            await foreign.prune(connection, now)
            await inquiries.end(connection, now)
            rows = await connection.execute(_FORGOTTEN, values)
            after = [_told(ledger.delivery(row), now) for row in rows]
            await ledger.move(connection, after, by="sweep", now=now)
        async with engine.begin() as connection:
            given_back = await give_back(connection, now)
    return [*changed, *after, *given_back]


def _told(delivery: Delivery, now: datetime) -> Delivery:
    """Return it expired, or waiting for its target until its deadline, as due as it was."""
    waits = delivery.to("waiting", REASON, until=delivery.deadline, due=delivery.due)
    return expired(delivery, now) or waits
