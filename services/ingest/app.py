"""The service's entry: its routes, its task and its readiness as one part of a process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.ingest.api import api_router
from services.ingest.catalogue import Catalogue
from services.ingest.intake import Intake
from services.ingest.quarantine import Quarantine
from services.ingest.sight import Sight
from services.ingest.webhooks import Webhooks, webhook_router
from shared.errors import DependencyAway
from shared.hosting import Part, Task
from shared.http.auth import Access
from shared.stopping import pause

_log = structlog.get_logger(__name__)

_PRUNE_EVERY_S: Final = 3600.0
_PRUNE_AGAIN_S: Final = 60.0


def make_part(
    *,
    access: Access,
    catalogue: Catalogue,
    intake: Intake,
    quarantine: Quarantine,
    sight: Sight,
    close: Callable[[], Awaitable[None]],
) -> Part:
    """Put the service together from what `__main__` built."""

    async def ready() -> Sequence[str]:
        return await intake.missing()

    return Part(
        name="ingest",
        routers=(
            webhook_router(Webhooks(catalogue, intake, quarantine, sight)),
            api_router(access, intake, quarantine, sight),
        ),
        tasks={"pruning": pruning(quarantine, catalogue.quarantine_for, intake.clock)},
        ready=ready,
        close=close,
    )


def pruning(quarantine: Quarantine, keep: timedelta, clock: Callable[[], datetime]) -> Task:
    """Make the loop that deletes quarantined messages past their time."""

    async def run(stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            wait = _PRUNE_EVERY_S
            try:
                deleted = await quarantine.prune(clock() - keep)
                _log.info("ingest.quarantine_pruned", deleted=deleted)
            except DependencyAway:
                _log.warning("ingest.quarantine_prune_postponed")
                wait = _PRUNE_AGAIN_S
            await pause(stopping, wait)

    return run
