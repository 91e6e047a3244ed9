"""Time on the bus: a due timer becomes an event like any other.

The loop publishes `timer.due` and closes the row after the acknowledgement. A kill in between, or a
second replica, tells the timer again under the same id, which is decided once.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.metrics import Metrics
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
    SELECT kind, customer_id, subject, arm, due_at FROM timers
    WHERE state = 'open' AND due_at <= :now
    ORDER BY due_at LIMIT :most
""")
_CLOSE = text("""
    UPDATE timers SET state = 'closed'
    FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS uuid[]), CAST(:subjects AS text[]),
                CAST(:arms AS bigint[])) AS told (k, id, s, armed)
    WHERE kind = k AND customer_id = id AND subject = s AND arm = armed
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
        parameters = {"now": now, "most": _MOST}
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(_DUE, parameters)).all()
        self._metrics.overdue(rows[0].due_at if rows else None, now)
        if not rows:
            return 0
        await self._publisher.publish([_message(row, now) for row in rows])
        # In the order of their key, as every other writer of these rows.
        told = sorted(rows, key=lambda row: (row.kind, row.customer_id, row.subject))
        closed = {
            "kinds": [row.kind for row in told],
            "ids": [row.customer_id for row in told],
            "subjects": [row.subject for row in told],
            "arms": [row.arm for row in told],
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


def _message(row: Row[tuple[object, ...]], now: datetime) -> Message:
    data = TimerDue(
        kind=row.kind,
        customer_id=row.customer_id,
        subject=row.subject,
        arm=row.arm,
        due_at=row.due_at,
    )
    event = Event(
        id=ids.timer_event(data.kind, data.customer_id, data.subject, data.arm),
        source="nps/segmenter",
        time=now,
        data=data,
    )
    return Message(topic=FEEDBACK, key=str(data.customer_id), value=encode(event))
