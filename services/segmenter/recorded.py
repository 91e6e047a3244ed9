"""A person's word that came by the bus, in the audit record: merged, unmerged, forgotten.

In: the command and what it changed. Out: one row, in the transaction of the change; none where the
same was done before or there was nothing to do.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.erase.erasure import Erasure
from services.segmenter.identity.merges import Command
from services.segmenter.store.rows import Changes
from shared.audit.trail import Trail


async def recorded(
    connection: AsyncConnection,
    trail: Trail,
    command: Command | Erasure,
    changes: Changes,
    now: datetime,
) -> None:
    """Write down what a command did, in the name of who asked."""
    pen = trail.pen(command.data.asked_by, now)
    if isinstance(command, Erasure):
        if changes.decisions:
            erasure_id = str(command.data.erasure_id)
            await pen.note(connection, "customer.erased", erasure_id)
        return
    if changes.undone is not None:
        undone = changes.undone
        await pen.note(
            connection,
            "customer.unmerged",
            str(undone.customer_id),
            survivor=str(undone.survivor_id),
            members=sorted(str(one) for one in undone.members),
        )
    for gone, kept, _ in changes.aliases:
        await pen.note(connection, "customers.merged", str(kept), merged=str(gone))
