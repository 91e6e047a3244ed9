"""Letting go of what is past its time: the bodies of decisions, and the windows of answers.

A decision's row outlives its topic's records by 30 days; then its body is emptied, and what stays
is a stub: ids, kind, moments. So the event, told again by whatever archive, is still known and
publishes nothing. Of timers only those of an answer's window go: there is one for each answer, and
it is never set again. The others are one per customer or case, and count how often they were set.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.metrics import Metrics
from services.segmenter.store.rows import PRUNED
from shared.bus.topics import declared
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: How long a record can come back by the bus, and a month for whoever asks why.
KEPT: Final[timedelta] = max(t.retention + t.segment for t in declared()) + timedelta(days=30)
#: Rows in one transaction: it stays short, whatever a day of imports left.
STEP: Final = 1000
_EVERY_S: Final = 600.0

# Who is handled just now is left for the next time: nobody waits for a broom.
_BODIES: Final = text("""
    UPDATE decisions SET payload = NULL, note = :note
    WHERE event_id = ANY(ARRAY(
        SELECT event_id FROM decisions WHERE payload IS NOT NULL AND decided_at < :before
        ORDER BY decided_at LIMIT :most FOR UPDATE SKIP LOCKED))
""")
_WINDOWS: Final = text("""
    DELETE FROM timers WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM timers
        WHERE state = 'closed' AND kind = 'settle' AND due_at < :before
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED))
""")


class Pruning:
    """Prunes the segmenter's tables. `clock` tells aware times; `step` is for tests."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Callable[[], datetime],
        metrics: Metrics,
        step: int = STEP,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._step = step

    async def prune(self) -> tuple[int, int]:
        """Empty and delete all that is past its time now; returns how many bodies and timers.

        Raises `DependencyAway`; asked again it goes on.
        """
        before = self._clock() - KEPT
        bodies = await self._all(_BODIES, {"before": before, "note": PRUNED})
        windows = await self._all(_WINDOWS, {"before": before})
        self._metrics.pruned(bodies=bodies, timers=windows)
        return bodies, windows

    async def run(self, stopping: asyncio.Event) -> None:
        """Prune every ten minutes until `stopping` is set; an absent database costs a turn."""
        while not stopping.is_set():
            try:
                await self.prune()
            except DependencyAway as error:
                _log.warning("segmenter.pruning_waits", reason=str(error))
            await pause(stopping, _EVERY_S)

    async def _all(self, statement: TextClause, values: dict[str, object]) -> int:
        done, count = 0, self._step
        while count == self._step:
            with away_as_dependency():
                async with self._engine.begin() as connection:
                    asked = {**values, "most": self._step}
                    count = (await connection.execute(statement, asked)).rowcount
            done += count
        return done
