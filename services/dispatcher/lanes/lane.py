"""Lanes: one loop per target that claims due work and starts its calls.

A lane has its own call slots, so a dead target delays no other. It claims what it can call at once,
and a little ahead (`pace`); what becomes of a call is the business of `flights`.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.dispatcher.calls.calls import Carrier
from services.dispatcher.lanes.claim import claim
from services.dispatcher.lanes.doubts import alert_doubts
from services.dispatcher.lanes.flights import Flights, Surroundings
from services.dispatcher.ledger.desk import Claim, Desk
from shared.database import away_as_dependency
from shared.errors import DependencyAway

_log = structlog.get_logger(__name__)

#: How soon work inserted by other replicas is seen. This process's own wakes its lane at once, and
#: a due time is slept to: an idle lane of many asks once a second, no oftener.
POLL_S: Final = 1.0
#: How soon to look again at what is due and was left: a rate's window opens bit by bit, and a row
#: that another has locked is free in milliseconds.
AGAIN_S: Final = 0.2
#: A lease outlives the budget by far, so only a lost worker lets it lapse.
LEASE: Final = timedelta(seconds=30)
_SLOWEST_RETRY_S: Final = 2.0


class Lane:
    """The lane of one target; `run` is a task of the host."""

    def __init__(self, desk: Desk, carrier: Carrier, around: Surroundings) -> None:
        self._desk = desk
        self._around = around
        self.flights = Flights(desk, carrier, around)
        self._pushes_first = False
        self._pause_s = POLL_S
        #: What the lane waits for, in words; None while it works.
        self.waiting_for: str | None = None
        self.moved_at = around.clock()

    @property
    def target(self) -> str:
        """The target's name."""
        return self._desk.rules.name

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what is in flight. Raises a call's bug."""
        tries = 0
        try:
            while not stopping.is_set():
                self.moved_at = self._around.clock()
                try:
                    worked = await self.step()
                except DependencyAway as error:
                    self.waiting_for = str(error)
                    tries += 1
                    await self._rest(stopping, min(_SLOWEST_RETRY_S, 0.1 * 2 ** min(tries, 6)))
                    continue
                self.waiting_for, tries = None, 0
                if not worked:
                    await self._rest(stopping, self._pause_s)
        finally:
            await asyncio.gather(*self.flights.tasks)

    async def step(self) -> bool:
        """Go round once; True if there was work. Raises `DependencyAway`, or a call's bug."""
        await self.flights.land()
        now = self._around.clock()
        free = self.flights.free
        self._pause_s = POLL_S
        if free <= 0:
            return False
        with away_as_dependency():
            self._pushes_first = not self._pushes_first
            began = asyncio.get_running_loop().time()
            taken = await claim(
                self._desk,
                free,
                now,
                at_once=self.flights.free_at_once,
                pushes_first=self._pushes_first,
                questions=self.flights.free_for_questions,
            )
        if taken.calls:
            self.flights.pace.claimed(asyncio.get_running_loop().time() - began)
        self._tell(taken)
        self.flights.start(taken, began)
        self._pause_s = rest_after(taken, now)
        return bool(taken.calls or taken.turned or taken.put_off or taken.lost)

    async def settle(self) -> None:
        """Wait for every call in flight (for tests and the end)."""
        while self.flights.tasks:
            await asyncio.wait(self.flights.tasks)
            await self.flights.land()

    def _tell(self, taken: Claim) -> None:
        metrics = self._around.metrics
        metrics.paused.labels(self.target).set(int(taken.paused))
        metrics.changed([*taken.turned, *taken.lost])
        metrics.changed(claimed.delivery for claimed in taken.deliveries)
        if taken.turned or taken.lost:
            self._around.bell.ring("teller")
        alert_doubts((*taken.turned, *taken.lost))
        for delivery in (*taken.turned, *taken.lost):
            _log.info(
                "dispatcher.not_sent",
                delivery_id=str(delivery.id),
                event_id=str(delivery.event_id),
                target=self.target,
                state=delivery.state,
                reason=delivery.reason,
            )

    async def _rest(self, stopping: asyncio.Event, seconds: float) -> None:
        """Sleep until new work, a finished call or the end; `seconds` at most."""
        waits: set[asyncio.Task[object]] = {
            asyncio.create_task(self._around.bell.wait(self.target)),
            asyncio.create_task(stopping.wait()),
        }
        try:
            await asyncio.wait(
                {*waits, *self.flights.tasks}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def rest_after(taken: Claim, now: datetime) -> float:
    """Return how many seconds to rest after a round that brought nothing. Pure."""
    if taken.left:
        return AGAIN_S
    if taken.next_due is None:
        return POLL_S
    return min(POLL_S, max(0.0, (taken.next_due - now).total_seconds()))
