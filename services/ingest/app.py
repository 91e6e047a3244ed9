"""The service's entry: its routes, its tasks and its readiness as one part of a process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from fastapi import APIRouter

from services.ingest.catalogue import Catalogue
from services.ingest.keep.intake import Intake
from services.ingest.receive.receiver import Receiver
from services.ingest.receive.webhooks import PREFIX, Webhooks, webhook_router
from services.ingest.sight import Sight
from shared.errors import DependencyAway
from shared.hosting import Part, Task
from shared.stopping import pause

_log = structlog.get_logger(__name__)

_PRUNE_EVERY_S: Final = 3600.0
_PRUNE_AGAIN_S: Final = 60.0


class Prunable(Protocol):
    """A table whose rows are kept for a time."""

    async def prune(self, before: datetime) -> int:
        """Delete what was received before; returns how many."""


def make_part(
    *,
    catalogue: Catalogue,
    intake: Intake,
    receiver: Receiver,
    sight: Sight,
    routers: Sequence[APIRouter],
    tasks: Mapping[str, Task],
    alive: Callable[[], Sequence[str]],
    close: Callable[[], Awaitable[None]],
) -> Part:
    """Put the service together from what `__main__` built; `routers` are those behind tokens."""

    async def ready() -> Sequence[str]:
        return await intake.missing()

    return Part(
        name="ingest",
        routers=(webhook_router(), *routers),
        fronts={PREFIX: Webhooks(catalogue, intake, receiver, sight)},
        tasks=tasks,
        ready=ready,
        alive=alive,
        close=close,
    )


def pruning(kept: Mapping[str, tuple[Prunable, timedelta]], clock: Callable[[], datetime]) -> Task:
    """Make the loop that deletes what was kept for a time, each table past its own."""

    async def run(stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            wait = _PRUNE_EVERY_S
            for name, (table, keep) in kept.items():
                try:
                    deleted = await table.prune(clock() - keep)
                    _log.info("ingest.pruned", table=name, deleted=deleted)
                except DependencyAway:
                    _log.warning("ingest.prune_postponed", table=name)
                    wait = _PRUNE_AGAIN_S
            await pause(stopping, wait)

    return run
