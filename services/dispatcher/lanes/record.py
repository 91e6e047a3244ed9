"""Writing down how calls ended: whatever ends while one transaction is written shares the next.

So a busy lane pays one commit for many calls, and a quiet one waits for nobody.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from services.dispatcher.brakes.breaker import Kind, Tally, tally
from services.dispatcher.calls.calls import Outcome, Shown
from services.dispatcher.calls.judge import PushNext
from services.dispatcher.consent import store as consent
from services.dispatcher.delivery import Delivery
from services.dispatcher.lanes.finish import finish
from services.dispatcher.ledger.deletion import DeletionNext
from services.dispatcher.ledger.desk import ClaimedDeletion, ClaimedDelivery, ClaimedPush, Desk
from shared.database import away_as_dependency
from shared.errors import DependencyAway

_log = structlog.get_logger(__name__)

_RETRY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class EndedPush:
    """A profile push whose call has ended. `outcome`: of the call (None: nothing was called).

    `shown`: what it saw of her consent by the way.
    """

    claimed: ClaimedPush
    after: PushNext
    at: datetime
    outcome: Outcome | None
    shown: Shown | None = None

    @property
    def customer_id(self) -> UUID:
        """Whose profile it is."""
        return self.claimed.wanted.customer_id


@dataclass(frozen=True, slots=True)
class EndedDelivery:
    """A delivery whose call has ended, in its next state; `shown` as of a push."""

    claimed: ClaimedDelivery
    after: Delivery
    outcome: Outcome | None
    shown: Shown | None = None

    @property
    def customer_id(self) -> UUID:
        """Whom it goes to."""
        return self.after.customer_id


@dataclass(frozen=True, slots=True)
class EndedDeletion:
    """A deletion whose call has ended."""

    claimed: ClaimedDeletion
    after: DeletionNext
    outcome: Outcome | None


Ended = EndedPush | EndedDelivery | EndedDeletion


class Recorder:
    """Records the ends of one lane's calls. `patience_s`: after it the leases are over anyway."""

    def __init__(self, desk: Desk, clock: Callable[[], datetime], patience_s: float) -> None:
        self._desk = desk
        self._clock = clock
        self._patience = patience_s
        self._waiting: list[tuple[Sequence[Ended], asyncio.Future[list[float | None]]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, ended: Ended) -> float | None:
        """Return once it is written: seconds since the push was wanted (0 for anything else).

        None: the lease was lost, or the database was away for too long; another will judge it.
        """
        (written,) = await self.record_all([ended])
        return written

    async def record_all(self, ended: Sequence[Ended]) -> list[float | None]:
        """Record several in one transaction; returns what `record` does, for each."""
        future: asyncio.Future[list[float | None]] = asyncio.get_running_loop().create_future()
        self._waiting.append((ended, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                written = iter(await self._write([one for ended, _ in batch for one in ended]))
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for ended, future in batch:
                theirs = [next(written) for _ in ended]
                if not future.done():
                    future.set_result(theirs)

    async def _write(self, batch: list[Ended]) -> list[float | None]:
        """Write until the database takes it; a bug is raised to every call of the batch."""
        pushed = [(e.claimed, e.after, e.at) for e in batch if isinstance(e, EndedPush)]
        acted = [(e.claimed, e.after) for e in batch if isinstance(e, EndedDelivery)]
        deleted = [(e.claimed, e.after) for e in batch if isinstance(e, EndedDeletion)]
        acts = [ended.outcome for ended in batch if isinstance(ended, EndedDelivery)]
        pushes = [ended.outcome for ended in batch if not isinstance(ended, EndedDelivery)]
        heard: dict[Kind, Tally] = {"push": tally(pushes), "act": tally(acts)}
        shown = [
            (e.customer_id, e.shown)
            for e in batch
            if isinstance(e, EndedPush | EndedDelivery) and e.shown is not None
        ]
        loop = asyncio.get_running_loop()
        last = loop.time() + self._patience
        while True:
            try:
                with away_as_dependency():
                    # Before: after a kill in between the call is made, and seen, again.
                    await consent.note(
                        self._desk.engine, self._desk.rules.name, shown, self._clock()
                    )
                    done = await finish(
                        self._desk, pushed, acted, deleted, self._clock(), heard=heard
                    )
            except DependencyAway:
                if loop.time() >= last:
                    _log.warning("dispatcher.results_not_written", target=self._desk.rules.name)
                    return [None] * len(batch)
                await asyncio.sleep(_RETRY_S)
                continue
            if done.opened is not None:
                _log.warning(
                    "dispatcher.target_broken", target=self._desk.rules.name, reason=done.opened
                )
            return [_written(e, done.seconds, done.moved, done.ours) for e in batch]


def _written(
    ended: Ended, seconds: Mapping[UUID, float], moved: Collection[UUID], ours: Collection[UUID]
) -> float | None:
    if isinstance(ended, EndedPush):
        return seconds.get(ended.claimed.wanted.customer_id)
    if isinstance(ended, EndedDelivery):
        return 0.0 if ended.after.id in moved else None
    return 0.0 if ended.claimed.token in ours else None
