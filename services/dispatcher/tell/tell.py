"""Telling `nps.outcomes` what became of deliveries: at least once, always under the same event id.

A change is marked untold in the transaction that made it; the mark goes after the bus has
acknowledged. A process killed in between tells it again, as the same event.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.bell import Bell
from services.dispatcher.tell.traced import ToldSpans
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events.envelope import OUTCOMES, Event, encode
from shared.events.ids import outcome_event
from shared.events.outcomes import DeliverySettled
from shared.observe import Lines
from shared.traces.traces import Traces

_log = Lines(__name__)

SOURCE: Final = "nps/dispatcher"
#: How a record begins that `encode` made of what we tell, but for the event's id.
_BEGINS: Final = b'{"specversion":"1.0","id":"'
_GOES_ON: Final = f'","source":"{SOURCE}","type":"{DeliverySettled.TYPE}",'.encode()
_ID_ENDS: Final = len(_BEGINS) + 36
_MOST: Final = 500
_POLL_S: Final = 1.0
#: In a burst, whatever settles meanwhile is told with it; nobody waits for what is told here.
_GATHER_S: Final = 0.03
_SLOWEST_RETRY_S: Final = 2.0

# Locked while they are published, so that replicas do not tell the same; nobody else writes these.
# A delivery's next change waits until the one before is acknowledged, whoever tells that: in order.
_UNTOLD = text("""
    SELECT c.delivery_id, c.change, c.state, c.reason, c.at, d.customer_id, d.cause_id,
        d.decision_id, d.play, d.action, d.channel, d.contact_class, d.target, d.message,
        d.reference, d.context->>'case_id' AS case_id
    FROM delivery_changes c JOIN deliveries d ON d.id = c.delivery_id
    WHERE c.untold AND NOT EXISTS (
        SELECT 1 FROM delivery_changes earlier
        WHERE earlier.delivery_id = c.delivery_id AND earlier.change < c.change AND earlier.untold
    )
    ORDER BY c.at, c.delivery_id LIMIT :most FOR UPDATE OF c SKIP LOCKED
""")
_TOLD = text("""
    UPDATE delivery_changes c SET untold = false
    FROM unnest(CAST(:ids AS uuid[]), CAST(:changes AS int[])) AS x(id, change)
    WHERE c.delivery_id = x.id AND c.change = x.change
""")


class Teller:
    """Publishes untold changes; `run` is a task of the host."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        bell: Bell,
        clock: Callable[[], datetime],
        *,
        traces: Traces | None = None,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._bell = bell
        self._clock = clock
        self._traces = traces
        #: What the teller waits for, in words; None while it works.
        self.waiting_for: str | None = None
        self.moved_at = clock()

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell until `stopping` is set."""
        tries = 0
        while not stopping.is_set():
            self.moved_at = self._clock()
            pause = _POLL_S
            try:
                told = await self.step()
                self.waiting_for, tries = None, 0
                if told:  # later changes of the same deliveries may wait for these
                    continue
            except DependencyAway as error:
                self.waiting_for = str(error)
                tries += 1
                pause = min(_SLOWEST_RETRY_S, 0.1 * 2 ** min(tries, 6))
            await self._rest(stopping, pause)
            await asyncio.sleep(_GATHER_S)

    async def step(self) -> int:
        """Tell what is untold now, oldest first; returns how many. Raises `DependencyAway`."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                rows = (await connection.execute(_UNTOLD, {"most": _MOST})).all()
                if not rows:
                    return 0
                messages = [_message(row) for row in rows]
                spans = None if self._traces is None else ToldSpans(self._traces, rows)
                if spans is not None:
                    messages = spans.marked(messages)
                await self._publisher.publish(messages)
                if spans is not None:
                    spans.tell()
                told = {
                    "ids": [row.delivery_id for row in rows],
                    "changes": [row.change for row in rows],
                }
                await connection.execute(_TOLD, told)
        for row in rows:
            _log.info(
                "dispatcher.told",
                {
                    "event_id": str(outcome_event(row.delivery_id, row.change)),
                    "delivery_id": str(row.delivery_id),
                    "state": row.state,
                },
            )
        return len(rows)

    async def _rest(self, stopping: asyncio.Event, seconds: float) -> None:
        waits: set[asyncio.Task[object]] = {
            asyncio.create_task(self._bell.wait("teller")),
            asyncio.create_task(stopping.wait()),
        }
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def not_told_by_us(raw: bytes) -> bool:
    """Say no to a record that is our own telling, before anything of it is decoded.

    It comes back to us on the topic that we tell on, which is read for what others say. It is known
    by the envelope alone, so nothing in the data can look like it.
    """
    return not (raw.startswith(_BEGINS) and raw.startswith(_GOES_ON, _ID_ENDS))


def _message(row: Any) -> Message:
    settled = DeliverySettled(
        delivery_id=row.delivery_id,
        change=row.change,
        customer_id=row.customer_id,
        cause_id=row.cause_id,
        play=row.play,
        action=row.action,
        channel=row.channel,
        contact_class=row.contact_class,
        target=row.target,
        state=row.state,
        message=row.message,
        reason=row.reason,
        at=row.at,
        reference=row.reference,
        case_id=row.case_id,
    )
    event = Event(outcome_event(row.delivery_id, row.change), SOURCE, row.at, settled)
    return Message(topic=OUTCOMES, key=str(row.customer_id), value=encode(event))
