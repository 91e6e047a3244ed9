"""What a merge or its undoing would bring: decided as the handler will, and nothing is written.

In: two customers, or a command. Out: `MergePreview`. Its rows are locked for as long as they are
read, so it is asked for a few pairs at a time.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.merge_views import MergePreview, preview
from services.segmenter.batch.deciding import decide_batch
from services.segmenter.decide.decide import Rulebook
from services.segmenter.identity.identity import Assignment
from services.segmenter.identity.merges import Command
from services.segmenter.store import merge_store
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events import feedback, ids

#: How often a preview is repeated because customers moved under it.
_TRIES: Final = 5


async def command_of(
    engine: AsyncEngine, data: feedback.MergeCommand, customers: tuple[UUID, ...]
) -> Command:
    """Name a command by the merges so far of the customers it is about: asked twice, it is one."""
    with away_as_dependency():
        async with engine.connect() as connection:
            number = await merge_store.sequence(connection, customers)
    return Command(ids.name_id(data.TYPE, *customers, number), data)


async def shown(
    engine: AsyncEngine, rulebook: Rulebook, command: Command, clock: Callable[[], datetime]
) -> MergePreview | None:
    """Show what a command would bring; None: it was done meanwhile. Raises `DependencyAway`."""
    for _ in range(_TRIES):
        with away_as_dependency():
            async with engine.connect() as connection:
                gathered = await merge_store.gather(connection, command)
                # The locks were for one state of everything that was read.
                await connection.rollback()
        if gathered is None:
            continue
        if gathered.idle is not None or gathered.done:
            return None
        now = clock()
        changes = decide_batch([command], Assignment(), gathered, rulebook, now)
        return preview(gathered, changes, rulebook, now)
    raise DependencyAway("database: identities keep moving")


async def shown_pair(
    engine: AsyncEngine,
    rulebook: Rulebook,
    pair: tuple[UUID, UUID],
    clock: Callable[[], datetime],
) -> MergePreview | None:
    """Show what merging two customers would bring; None: one of them is merged or gone by now."""
    data = feedback.MergeRequested(
        customer_id=min(pair), other_id=max(pair), asked_by="preview", asked_at=clock()
    )
    command = await command_of(engine, data, (data.customer_id, data.other_id))
    return await shown(engine, rulebook, command, clock)
