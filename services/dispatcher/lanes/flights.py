"""The calls of one lane, each from its claim to its record, as tasks.

A slot is taken when a call is started and free once the call has ended; while its answer is written
down it can serve the next. A call whose result cannot be written is left to its lease: then it
counts as unanswered.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.dispatcher.alerts.alerting import CORRECTS
from services.dispatcher.bell import Bell
from services.dispatcher.brakes.brakes import pause, probe_failed, resume, slow
from services.dispatcher.brakes.breaker import Kind, failed
from services.dispatcher.brakes.rates import AtOnce
from services.dispatcher.calls.calls import ActionCall, Carrier, Outcome, ProfilePush, Verdict
from services.dispatcher.calls.judge import judge, judge_push
from services.dispatcher.delivery import Delivery
from services.dispatcher.lanes.batches import said_of_target
from services.dispatcher.lanes.doubts import alert_doubts
from services.dispatcher.lanes.pace import Pace
from services.dispatcher.lanes.record import EndedDeletion, EndedDelivery, EndedPush, Recorder
from services.dispatcher.lanes.traced import CallSpans
from services.dispatcher.ledger.attributes import chosen
from services.dispatcher.ledger.deletion import judge_deletion
from services.dispatcher.ledger.desk import (
    Claim,
    ClaimedDeletion,
    ClaimedDelivery,
    ClaimedPush,
    Desk,
)
from services.dispatcher.metrics import Metrics
from services.dispatcher.status.inquiries import ClaimedInquiry
from services.dispatcher.status.questions import Questions
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.observe import Lines
from shared.traces.traces import Traces

_log = structlog.get_logger(__name__)
#: What is told of every call.
_lines = Lines(__name__)

#: How long one call may take with sign-in, steps and quick retries: what the shipped presets allow
#: for one request (connecting and the answer), and 10 s less than the lease.
BUDGET: Final = timedelta(seconds=20)
#: How long a claimed call may wait for a slot: what its gates saw must be true still.
LONGEST_WAIT_S: Final = 2.0
#: How long a target with a wrong account is left alone before one call tries again.
PAUSE: Final = timedelta(minutes=5)
#: How long a target that says "slow down" without a time is left alone.
SLOW: Final = timedelta(seconds=2)


#: How metrics call the kinds of call.
_WORDS: Final[dict[Kind, str]] = {"push": "push", "act": "action"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes share."""

    bell: Bell
    metrics: Metrics
    clock: Callable[[], datetime]
    budget: timedelta = BUDGET
    traces: Traces | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """When a claimed call may begin: before `latest`, waiting for a slot since `since` at most.

    Both by the loop's clock. `brakes`: how often the target had been braked when it was claimed.
    """

    latest: float
    since: float
    brakes: int


class Flights:
    """The calls in flight to one target. `tasks` are those that have not landed."""

    def __init__(self, desk: Desk, carrier: Carrier, around: Surroundings) -> None:
        self._desk = desk
        self._target = desk.rules.name
        self._carrier = carrier
        self._around = around
        traces = around.traces
        self._spans = None if traces is None else CallSpans(traces, self._target)
        #: A call may begin this long after its claim began, and still end before its lease.
        self._spare = (desk.lease - around.budget).total_seconds()
        self._recorder = Recorder(desk, around.clock, self._spare)
        #: Claimed and not ended; more than there are slots wait for one.
        self._calls = 0
        self._slots = asyncio.Semaphore(desk.rules.concurrency)
        #: Of these, of each kind that may have a number of its own.
        self._of: Counter[Kind] = Counter()
        self.pace = Pace()
        #: How often this target was slowed down or paused by an answer.
        self._brakes = 0
        self._questions, self._asking = Questions(desk, carrier, around.metrics), 0
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """How many calls may be claimed now, those ahead of their slots among them.

        0 while half of these still wait: a claim for one costs as much as a claim for many.
        """
        most = self._desk.rules.concurrency
        ahead = self.pace.ahead(most)
        if self._calls > most + ahead // 2:
            return 0
        # What waits to be written must not grow without end when the database is slow.
        return min(most + ahead - self._calls, 2 * most + ahead - len(self.tasks))

    @property
    def free_at_once(self) -> AtOnce:
        """How many of these may be pushes, and how many actions; never ahead of their slots."""
        known = self._desk.rules.at_once
        return AtOnce(
            None if known.push is None else known.push - self._of["push"],
            None if known.act is None else known.act - self._of["act"],
        )

    @property
    def free_for_questions(self) -> int:
        """How many of these may be questions what became of messages: a quarter at any time."""
        return max(1, self._desk.rules.concurrency // 4) - self._asking

    def start(self, taken: Claim, began: float) -> None:
        """Begin the calls of a claim that itself began at `began`, by the loop's clock."""
        now = asyncio.get_running_loop().time()
        turn = Turn(began + self._spare, now, self._brakes)
        self._calls += taken.calls
        self._asking += len(taken.inquiries)
        self._of["push"] += len(taken.deletions) + len(taken.pushes)
        self._of["act"] += len(taken.deliveries)
        profiles, actions = "push" in taken.probing, "act" in taken.probing
        for deletion in taken.deletions:
            self.tasks.add(asyncio.create_task(self._erase(deletion, profiles, turn)))
        for group in taken.pushes:
            pushing = self._push if len(group) == 1 else self._push_together
            self.tasks.add(asyncio.create_task(pushing(group, profiles, turn)))
        for delivery in taken.deliveries:
            self.tasks.add(asyncio.create_task(self._act(delivery, actions, turn)))
        for inquiry in taken.inquiries:
            self.tasks.add(asyncio.create_task(self._ask(inquiry, turn)))

    async def land(self) -> None:
        """Collect finished calls; what one raised is a bug and ends the process."""
        for task in [task for task in self.tasks if task.done()]:
            self.tasks.discard(task)
            await task

    async def _erase(self, claimed: ClaimedDeletion, probing: bool, turn: Turn) -> None:
        clock, budget = self._around.clock, self._around.budget
        verdict, called = await self._asked(
            turn,
            lambda: self._carrier.erase(claimed.call, budget=budget, now=clock()),
            probing,
            kind="push",
        )
        after = judge_deletion(
            claimed.customer_id,
            verdict,
            attempt=claimed.attempt,
            asked_at=claimed.asked_at,
            now=clock(),
        )
        result = EndedDeletion(claimed, after, _outcome(verdict, called))
        ours = await self._recorder.record(result) is not None
        self._around.metrics.attempts.labels(self._target, "deletion", verdict.outcome).inc()
        _log.info(
            "dispatcher.deletion_asked",
            customer_id=str(claimed.customer_id),
            target=self._target,
            attempt=claimed.attempt,
            outcome=verdict.outcome,
            state=after.state if ours else "lease lost",
            reason=after.reason,
        )

    async def _push(self, group: tuple[ClaimedPush, ...], probing: bool, turn: Turn) -> None:
        (claimed,) = group
        wanted, push = claimed.wanted, _call_of(claimed)
        begun = None if self._spans is None else self._spans.push(claimed)
        clock, budget = self._around.clock, self._around.budget
        verdict, called = await self._asked(
            turn,
            lambda: self._carrier.push_profile(push, budget=budget, now=clock()),
            probing,
            kind="push",
        )
        ended = clock()
        after = judge_push(wanted.customer_id, verdict, claimed.attempt, ended)
        result = EndedPush(claimed, after, ended, _outcome(verdict, called), verdict.shown)
        self._pushed(result, verdict, await self._recorder.record(result))
        self._log_push(result, verdict)
        if self._spans is not None and begun is not None:
            self._spans.pushed(begun, result, verdict)

    async def _push_together(
        self, group: tuple[ClaimedPush, ...], probing: bool, turn: Turn
    ) -> None:
        """Push for several customers by one call; each goes on from there by herself."""
        calls = [_call_of(claimed) for claimed in group]
        begun = None if self._spans is None else self._spans.pushes(group)
        clock, budget = self._around.clock, self._around.budget
        verdicts, called = await self._all_asked(
            turn,
            len(group),
            lambda: self._carrier.push_profiles(calls, budget=budget, now=clock()),
            probing,
            kind="push",
        )
        ended = clock()
        # One call for the breaker, however many were in it.
        counts = [_outcome(said_of_target(verdicts), called), *[None] * (len(group) - 1)]
        results = [
            EndedPush(
                c, judge_push(c.wanted.customer_id, v, c.attempt, ended), ended, count, v.shown
            )
            for c, v, count in zip(group, verdicts, counts, strict=True)
        ]
        written = await self._recorder.record_all(results)
        self._around.metrics.batch.labels(self._target).observe(len(group))
        for result, verdict, seconds in zip(results, verdicts, written, strict=True):
            self._pushed(result, verdict, seconds)
            # A line for each would cost more than all the rest.
            if result.after.state != "reached":
                self._log_push(result, verdict)
        _log.info(
            "dispatcher.pushed_together",
            target=self._target,
            pushes=len(group),
            reached=sum(result.after.state == "reached" for result in results),
        )
        if self._spans is not None and begun is not None:
            whole, each = begun
            for one, result, verdict in zip(each, results, verdicts, strict=True):
                self._spans.pushed(one, result, verdict, by=whole)
            self._spans.pushed_together(whole, each)

    def _pushed(self, result: EndedPush, verdict: Verdict, seconds: float | None) -> None:
        metrics = self._around.metrics
        if seconds is not None and result.after.state == "reached":
            metrics.push_seconds.labels(self._target).observe(max(0.0, seconds))
        metrics.attempts.labels(self._target, "push", verdict.outcome).inc()

    def _log_push(self, result: EndedPush, verdict: Verdict) -> None:
        wanted = result.claimed.wanted
        _lines.info(
            "dispatcher.pushed",
            {
                "customer_id": str(wanted.customer_id),
                "version": wanted.version,
                "target": self._target,
                "attempt": result.claimed.attempt,
                "outcome": verdict.outcome,
                "state": result.after.state,
                "reason": result.after.reason,
            },
        )

    async def _act(self, claimed: ClaimedDelivery, probing: bool, turn: Turn) -> None:
        delivery, state = claimed.delivery, claimed.state
        begun = None if self._spans is None else self._spans.act(delivery)
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
            corrects=claimed.corrects,
        )
        clock, budget = self._around.clock, self._around.budget
        verdict, called = await self._asked(
            turn,
            lambda: self._carrier.act(call, budget=budget, now=clock()),
            probing,
            kind="act",
            deadline=delivery.deadline,
        )
        ended = clock()
        after = judge(delivery, verdict, self._desk.idempotency, ended)
        result = EndedDelivery(claimed, after, _outcome(verdict, called), verdict.shown)
        ours = await self._recorder.record(result) is not None
        self._around.metrics.attempts.labels(self._target, "action", verdict.outcome).inc()
        if ours:
            self._around.metrics.changed([after])
            if after.state == "accepted":
                self._around.metrics.delivered(after, waited(after, self._desk, ended))
            self._around.bell.ring("teller")
            alert_doubts([after])
        _lines.info(
            "dispatcher.attempted",
            {
                "delivery_id": str(delivery.id),
                "event_id": str(delivery.event_id),
                "customer_id": str(delivery.customer_id),
                "play": delivery.play,
                "target": self._target,
                "attempt": delivery.attempts,
                "outcome": verdict.outcome,
                "state": after.state if ours else "lease lost",
                "reason": after.reason,
            },
        )
        if self._spans is not None and begun is not None:
            self._spans.acted(begun, after, verdict, after.state if ours else "lease lost")

    async def _ask(self, claimed: ClaimedInquiry, turn: Turn) -> None:
        """Ask what became of a message. What the answer says of the target holds for questions."""
        try:
            async with self._slots:
                if self._too_late(turn) is None:
                    await self._questions.ask(claimed, self._around.budget, self._around.clock)
        finally:
            self._asking -= 1
            self._free_slot()

    async def _asked(
        self,
        turn: Turn,
        ask: Callable[[], Awaitable[Verdict]],
        probing: bool,
        *,
        kind: Kind,
        deadline: datetime | None = None,
    ) -> tuple[Verdict, bool]:
        """Make one call for one customer."""

        async def alone() -> list[Verdict]:
            return [await ask()]

        (verdict,), called = await self._all_asked(
            turn, 1, alone, probing, kind=kind, deadline=deadline
        )
        return verdict, called

    async def _all_asked(
        self,
        turn: Turn,
        count: int,
        ask: Callable[[], Awaitable[list[Verdict]]],
        probing: bool,
        *,
        kind: Kind,
        deadline: datetime | None = None,
    ) -> tuple[list[Verdict], bool]:
        """Make one call when a slot is free; also return whether there was one.

        Its slot is free again once all is done that the answer says of the target.
        """
        loop = asyncio.get_running_loop()
        try:
            async with self._slots:
                if (over := self._too_late(turn, deadline)) is not None:
                    return [over] * count, False
                began = loop.time()
                verdicts = await ask()
                took = loop.time() - began
                self.pace.called(took)
                self._around.metrics.call_seconds.labels(self._target, _WORDS[kind]).observe(took)
                said = said_of_target(verdicts)
                await self._heed(said, self._around.clock(), probing=kind if probing else None)
                return verdicts, True
        finally:
            self._free_slot(kind)

    def _free_slot(self, kind: Kind | None = None) -> None:
        full = 0 in (self.free_at_once.push, self.free_at_once.act)
        self._calls -= 1
        if kind is not None:
            self._of[kind] -= 1
        most = self._desk.rules.concurrency
        # The lane is woken only if it may have left work for want of a slot.
        if full or self._calls in (most - 1, most + self.pace.ahead(most) // 2):
            self._around.bell.ring(self._target)

    def _too_late(self, turn: Turn, deadline: datetime | None = None) -> Verdict | None:
        """Say why a call must not begin any more, asked right before it: much may have passed."""
        now = asyncio.get_running_loop().time()
        if deadline is not None and self._around.clock() >= deadline:
            return Verdict("retry", "the deadline passed before the call: nothing was sent")
        if now >= turn.latest:
            return Verdict("retry", "claiming took as long as the lease: nothing was sent")
        if now >= turn.since + LONGEST_WAIT_S:
            return Verdict("retry", "no slot was free in time: nothing was sent")
        if turn.brakes != self._brakes:
            return Verdict("retry", "the target was braked meanwhile: nothing was sent")
        return None

    async def _heed(self, verdict: Verdict, now: datetime, *, probing: Kind | None) -> None:
        """Do what an answer says about the whole target; at worst the next answer says it again."""
        if verdict.outcome in ("disable_target", "throttle"):
            # What waits for a slot in this process was claimed before.
            self._brakes += 1
        try:
            with away_as_dependency():
                await heed(self._desk, verdict, now, probing=probing)
        except DependencyAway as error:
            _log.debug("dispatcher.not_heeded", target=self._target, reason=str(error))


def waited(delivery: Delivery, desk: Desk, at: datetime) -> timedelta | None:
    """Tell how long it took since its cause, such as her answer as she gave it. Pure.

    The deadline counts from there. None where that cannot be told: of a correction, which counts
    from the change, and of what another version of the playbook gave its deadline.
    """
    play = desk.playbook.named(delivery.play)
    if play is None or delivery.playbook != desk.version or CORRECTS in delivery.context:
        return None
    return at - (delivery.deadline - desk.playbook.max_age_of(play))


async def heed(desk: Desk, verdict: Verdict, now: datetime, *, probing: Kind | None) -> None:
    """Write down what an answer says about the whole target, for all replicas.

    `probing`: of which kind it was the call that finds out (None: it was not).
    """
    if verdict.outcome == "disable_target":
        await pause(desk, verdict.reason, now + (verdict.wait or PAUSE))
    elif verdict.outcome == "throttle":
        await slow(desk, verdict.reason, now + (verdict.wait or SLOW))
    elif probing and failed(verdict.outcome):
        await probe_failed(desk, probing, now)
    elif probing:
        await resume(desk, probing, now)


def _call_of(claimed: ClaimedPush) -> ProfilePush:
    """Put a claimed push into the words of a carrier."""
    wanted = claimed.wanted
    return ProfilePush(
        customer_id=wanted.customer_id,
        identifiers=claimed.identifiers,
        version=wanted.version,
        attributes=wanted.attributes,
    )


def _outcome(verdict: Verdict, called: bool) -> Outcome | None:
    """Return what a call came to; None where nothing was called."""
    return verdict.outcome if called else None
