"""Time on the bus: a due timer becomes an event like any other.

The loop publishes `timer.due` and closes the row after the acknowledgement. A kill in between, or a
second replica, tells the timer again under the same id, which is decided once.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.metrics import Metrics
from services.segmenter.rows import HOLD_END
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events import ids
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import TimerDue
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: How late a timer may ring when nothing else is in the way.
_EVERY_S: Final = 1.0
#: How many are told before the acknowledgement is awaited.
_MOST: Final = 500

_DUE = text("""
    SELECT customer_id, arm, due_at FROM timers
    WHERE state = 'open' AND due_at <= :now AND kind = :kind
    ORDER BY due_at LIMIT :most
""")
_CLOSE = text("""
    UPDATE timers SET state = 'closed'
    FROM unnest(CAST(:ids AS uuid[]), CAST(:arms AS bigint[])) AS told (id, armed)
    WHERE kind = :kind AND customer_id = id AND arm = armed
""")


class Timers:
    """Tells due timers. `clock` tells aware times."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        *,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        #: What the loop waits for, in words; None while it works.
        self.waiting_for: str | None = None

    async def tell_due(self) -> int:
        """Tell what is due now and close it; returns how many. Raises `DependencyAway`."""
        now = self._clock()
        parameters = {"now": now, "kind": HOLD_END, "most": _MOST}
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(_DUE, parameters)).all()
        if not rows:
            return 0
        await self._publisher.publish(
            [_message(row.customer_id, row.arm, row.due_at, now) for row in rows]
        )
        # In id order, as every other writer of these rows.
        told = sorted(rows, key=lambda row: row.customer_id)
        closed = {
            "ids": [row.customer_id for row in told],
            "arms": [row.arm for row in told],
            "kind": HOLD_END,
        }
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(_CLOSE, closed)
        self._metrics.timers_due(len(rows))
        return len(rows)

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell due timers until `stopping` is set."""
        while not stopping.is_set():
            told = 0
            try:
                told = await self.tell_due()
                self.waiting_for = None
            except DependencyAway as error:
                if self.waiting_for is None:
                    _log.warning("segmenter.timers_waiting", reason=str(error))
                self.waiting_for = str(error)
            if told < _MOST:
                await pause(stopping, _EVERY_S)


def _message(customer_id: UUID, arm: int, due_at: datetime, now: datetime) -> Message:
    event = Event(
        id=ids.timer_event(HOLD_END, customer_id, arm),
        source="nps/segmenter",
        time=now,
        data=TimerDue(kind=HOLD_END, customer_id=customer_id, arm=arm, due_at=due_at),
    )
    return Message(topic=FEEDBACK, key=str(customer_id), value=encode(event))
