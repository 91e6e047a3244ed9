"""Lanes: one loop per target that claims due work, calls, judges and records.

A lane has its own call slots, so a dead target delays no other. It claims only what it can call at
once. A call whose result cannot be written is left to its lease: then it counts as unanswered.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.dispatcher.attributes import chosen
from services.dispatcher.bell import Bell
from services.dispatcher.brakes import pause, resume, slow
from services.dispatcher.calls import ActionCall, Carrier, ProfilePush, Verdict
from services.dispatcher.claim import claim
from services.dispatcher.desk import Claim, ClaimedDelivery, ClaimedPush, Desk
from services.dispatcher.judge import judge, judge_push
from services.dispatcher.metrics import Metrics
from services.dispatcher.record import EndedDelivery, EndedPush, Recorder
from shared.database import away_as_dependency
from shared.errors import DependencyAway

_log = structlog.get_logger(__name__)

#: How soon due times, and work inserted by other replicas, are seen.
POLL_S: Final = 0.2
#: How long one call may take with sign-in, steps and quick retries; ends well before the lease.
BUDGET: Final = timedelta(seconds=10)
#: A lease outlives the budget by far, so only a lost worker lets it lapse.
LEASE: Final = timedelta(seconds=30)
#: How long a target with a wrong account is left alone before one call tries again.
PAUSE: Final = timedelta(minutes=5)
#: How long a target that says "slow down" without a time is left alone.
SLOW: Final = timedelta(seconds=2)
_SLOWEST_RETRY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes share."""

    bell: Bell
    metrics: Metrics
    clock: Callable[[], datetime]
    budget: timedelta = BUDGET


class Lane:
    """The lane of one target; `run` is a task of the host."""

    def __init__(self, desk: Desk, carrier: Carrier, around: Surroundings) -> None:
        self._desk = desk
        self._carrier = carrier
        self._around = around
        self._flights: set[asyncio.Task[None]] = set()
        self._calls = 0
        self._pushes_first = False
        patience = (desk.lease - around.budget).total_seconds()
        self._recorder = Recorder(desk, around.clock, patience)
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
                    await self._rest(stopping, POLL_S)
        finally:
            await asyncio.gather(*self._flights)

    async def step(self) -> bool:
        """Go round once; True if there was work. Raises `DependencyAway`, or a call's bug."""
        await self._land()
        now = self._around.clock()
        most = self._desk.rules.concurrency
        # While an answer is written down its slot can serve the next call; but what waits to be
        # written must not grow without end when the database is slow.
        free = min(most - self._calls, 2 * most - len(self._flights))
        if free <= 0:
            return False
        with away_as_dependency():
            self._pushes_first = not self._pushes_first
            began = asyncio.get_running_loop().time()
            taken = await claim(self._desk, free, now, pushes_first=self._pushes_first)
        self._tell(taken)
        self._start(taken, began + (self._desk.lease - self._around.budget).total_seconds())
        worked = taken.pushes or taken.deliveries or taken.turned or taken.put_off or taken.lost
        return bool(worked)

    async def settle(self) -> None:
        """Wait for every call in flight (for tests and the end)."""
        while self._flights:
            await asyncio.wait(self._flights)
            await self._land()

    async def _land(self) -> None:
        """Collect finished calls; what one raised is a bug and ends the process."""
        for flight in [f for f in self._flights if f.done()]:
            self._flights.discard(flight)
            await flight

    def _start(self, taken: Claim, latest: float) -> None:
        """Begin the calls; after `latest` (the loop's time) one could outlive its lease."""
        self._calls += len(taken.pushes) + len(taken.deliveries)
        for push in taken.pushes:
            self._flights.add(asyncio.create_task(self._push(push, taken.probing, latest)))
        for delivery in taken.deliveries:
            self._flights.add(asyncio.create_task(self._act(delivery, taken.probing, latest)))

    def _tell(self, taken: Claim) -> None:
        metrics = self._around.metrics
        metrics.paused.labels(self.target).set(int(taken.paused))
        metrics.changed([*taken.turned, *taken.lost])
        metrics.changed(claimed.delivery for claimed in taken.deliveries)
        if taken.turned or taken.lost:
            self._around.bell.ring("teller")
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
                {*waits, *self._flights}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _push(self, claimed: ClaimedPush, probing: bool, latest: float) -> None:
        wanted = claimed.wanted
        push = ProfilePush(
            customer_id=wanted.customer_id,
            identifiers=claimed.identifiers,
            version=wanted.version,
            attributes=wanted.attributes,
        )
        budget = self._around.budget
        now = self._around.clock()
        try:
            verdict = _too_late(latest) or await self._carrier.push_profile(
                push, budget=budget, now=now
            )
        finally:
            self._free_slot()
        now = self._around.clock()
        after = judge_push(wanted.customer_id, verdict, claimed.attempt, now)
        await self._heed(verdict, probing, now)
        seconds = await self._recorder.record(EndedPush(claimed, after, now))
        if seconds is not None and after.state == "reached":
            self._around.metrics.push_seconds.labels(self.target).observe(max(0.0, seconds))
        self._around.metrics.attempts.labels(self.target, "push", verdict.outcome).inc()
        _log.info(
            "dispatcher.pushed",
            customer_id=str(wanted.customer_id),
            version=wanted.version,
            target=self.target,
            attempt=claimed.attempt,
            outcome=verdict.outcome,
            state=after.state,
            reason=after.reason,
        )

    async def _act(self, claimed: ClaimedDelivery, probing: bool, latest: float) -> None:
        delivery, state = claimed.delivery, claimed.state
        call = ActionCall(
            delivery_id=delivery.id,
            customer_id=delivery.customer_id,
            identifiers=state.identifiers,
            play=delivery.play,
            action=delivery.action,
            variant=delivery.variant,
            template=delivery.template,
            channel=delivery.channel,
            contact_class=delivery.contact_class,
            deadline=delivery.deadline,
            attributes=chosen(state.attributes, self._desk.rules.in_messages),
            context=delivery.context,
        )
        budget = self._around.budget
        now = self._around.clock()
        try:
            verdict = _too_late(latest, now >= delivery.deadline) or await self._carrier.act(
                call, budget=budget, now=now
            )
        finally:
            self._free_slot()
        now = self._around.clock()
        after = judge(delivery, verdict, self._desk.idempotency, now)
        await self._heed(verdict, probing, now)
        ours = await self._recorder.record(EndedDelivery(claimed, after)) is not None
        self._around.metrics.attempts.labels(self.target, "action", verdict.outcome).inc()
        if ours:
            self._around.metrics.changed([after])
            self._around.bell.ring("teller")
        _log.info(
            "dispatcher.attempted",
            delivery_id=str(delivery.id),
            event_id=str(delivery.event_id),
            customer_id=str(delivery.customer_id),
            play=delivery.play,
            target=self.target,
            attempt=delivery.attempts,
            outcome=verdict.outcome,
            state=after.state if ours else "lease lost",
            reason=after.reason,
        )

    def _free_slot(self) -> None:
        """Wake the lane only if it may have left work for want of a slot."""
        if self._calls == self._desk.rules.concurrency:
            self._around.bell.ring(self.target)
        self._calls -= 1

    async def _heed(self, verdict: Verdict, probing: bool, now: datetime) -> None:
        """Do what an answer says about the whole target; at worst the next answer says it again."""
        try:
            with away_as_dependency():
                if verdict.outcome == "disable_target":
                    await pause(self._desk, verdict.reason, now + (verdict.wait or PAUSE))
                elif verdict.outcome == "throttle":
                    await slow(self._desk, verdict.reason, now + (verdict.wait or SLOW))
                elif probing:
                    await resume(self._desk)
        except DependencyAway as error:
            self.waiting_for = str(error)


def _too_late(latest: float, past_deadline: bool = False) -> Verdict | None:
    """Say why a call must not begin any more, asked right before it: a claim may take its time."""
    if past_deadline:
        return Verdict("retry", "the deadline passed before the call: nothing was sent")
    if asyncio.get_running_loop().time() >= latest:
        return Verdict("retry", "claiming took as long as the lease: nothing was sent")
    return None
