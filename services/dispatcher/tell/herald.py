"""The loop that tells colleagues what is about no single customer: digests, figures, heartbeats.

Beside the lanes, and under the same pauses and rate windows. A notice is a row, sent by one replica
under a lease; unanswered it is told again, since one too many is a nuisance and silence an alarm.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.alerts import digest_store, week_store
from services.dispatcher.alerts.digest import Notice
from services.dispatcher.brakes import brakes, rate_store
from services.dispatcher.brakes.breaker import Kind
from services.dispatcher.brakes.rates import least
from services.dispatcher.calls.calls import ActionCall, Carrier, Verdict
from services.dispatcher.calls.judge import wait_after
from services.dispatcher.consume import progress
from services.dispatcher.lanes.flights import heed
from services.dispatcher.ledger.desk import Desk
from services.dispatcher.metrics import Metrics
from services.dispatcher.platforms.figure_words import figure_change
from services.dispatcher.platforms.notice_words import Pulse, digest, heartbeat
from services.dispatcher.platforms.week_words import owner_week
from services.dispatcher.platforms.words import Voice
from services.dispatcher.targets.alert_settings import voice_of
from services.dispatcher.tell import notices
from services.dispatcher.tell.pulse import heartbeat_of
from shared.database import away_as_dependency
from shared.events.vocabulary import Channel, Value

_log = structlog.get_logger(__name__)

#: Nobody waits for a notice by the second.
EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Reader:
    """A target whose readers are told; `channel` is how a heartbeat reaches them."""

    desk: Desk
    carrier: Carrier
    channel: Channel

    @property
    def voice(self) -> Voice:
        """How they like what they read."""
        return voice_of(self.desk.rules.alerts)


def after(verdict: Verdict, claimed: notices.Claimed, now: datetime) -> notices.Ended:
    """Return what a verdict makes of a notice."""
    if verdict.outcome in ("ok", "accepted"):
        return notices.Ended("accepted", verdict.reason, now)
    if verdict.outcome in ("suppressed", "reject", "park"):
        return notices.Ended("rejected", verdict.reason, now)
    due = now + (verdict.wait or wait_after(claimed.notice.id, claimed.attempt))
    if due >= claimed.notice.deadline:
        told = f"no next try before the deadline: {verdict.reason}"
        return notices.Ended("expired", told, now)
    return notices.Ended("waiting", verdict.reason, due)


class Herald:
    """Tells notices; `step` is repeated by the host."""

    def __init__(
        self,
        engine: AsyncEngine,
        readers: Sequence[Reader],
        metrics: Metrics,
        clock: Callable[[], datetime],
        budget: timedelta,
    ) -> None:
        self._engine = engine
        self._readers = readers
        self._metrics = metrics
        self._clock = clock
        self._budget = budget
        self._beaten: dict[str, datetime] = {}

    async def step(self) -> int:
        """Tell what is due now; returns how many calls were made. Raises `DependencyAway`."""
        with away_as_dependency():
            # Side by side: a target that does not answer delays nobody else's.
            told = await asyncio.gather(*(self._serve(reader) for reader in self._readers))
            async with self._engine.connect() as connection:
                await self._measure(connection)
        return sum(told)

    async def _serve(self, reader: Reader) -> int:
        told = 0
        await self._beat(reader, self._clock())
        while await self._tell(reader, self._clock()):
            told += 1
        return told

    async def _beat(self, reader: Reader, now: datetime) -> None:
        """Have the row of today's heartbeat, whichever replica comes first."""
        rules = reader.desk.rules
        found = heartbeat_of(rules.name, reader.channel, rules.alerts, now)
        if found is None or self._beaten.get(rules.name) == found.due:
            return
        async with self._engine.begin() as connection:
            await digest_store.open_notices(connection, [found], now)
        self._beaten[rules.name] = found.due

    async def _tell(self, reader: Reader, now: datetime) -> bool:
        """Claim one notice and tell it; False: there is none, or the target is not to be called."""
        desk, name = reader.desk, reader.desk.rules.name
        brake = await brakes.read(desk, now)
        if brake.holds(now) or brake.closed("act", now):
            return False
        async with self._engine.begin() as connection:
            rates = brake.rates(desk.rules.rates)
            windows = await rate_store.grant(connection, name, rates, "act", now)
            if least(windows, 1, now) == 0:
                return False
            claimed = await notices.claim(connection, name, desk.lease, now)
            if claimed is None:
                return False
            await rate_store.spend(connection, name, windows, 1)
            figure = claimed.notice.figure
            late = figure is not None and await notices.passed(connection, figure)
            said = None if late else await self._words(connection, reader, claimed.notice, now)
        if late:
            verdict = Verdict("suppressed", "a later change of this figure is told instead")
        elif said is None:
            verdict = Verdict("ok", "nothing is left to tell: they are erased")
        elif now >= claimed.notice.deadline:
            verdict = Verdict("retry", "the deadline passed: nothing was sent")
        else:
            call = call_of(claimed.notice, said)
            verdict = await reader.carrier.act(call, budget=self._budget, now=now)
            # Where nothing but notices goes, they are what finds out that a target is back.
            probing: Kind | None = "act" if brake.hold.probes("act") else None
            await heed(desk, verdict, self._clock(), probing=probing)
        await self._record(claimed, verdict)
        return True

    async def _record(self, claimed: notices.Claimed, verdict: Verdict) -> None:
        now = self._clock()
        ended = after(verdict, claimed, now)
        async with self._engine.begin() as connection:
            ours = await notices.done(connection, claimed, ended, now)
        notice = claimed.notice
        if ours:
            self._metrics.notices.labels(notice.target, notice.kind, ended.state).inc()
        _log.info(
            "dispatcher.notice_told",
            notice_id=str(notice.id),
            kind=notice.kind,
            target=notice.target,
            attempt=claimed.attempt,
            outcome=verdict.outcome,
            state=ended.state if ours else "lease lost",
            reason=ended.reason,
        )

    async def _words(
        self, connection: AsyncConnection, reader: Reader, notice: Notice, now: datetime
    ) -> tuple[str, str] | None:
        if notice.kind == "digest":
            alerts = await notices.gathered(connection, notice.id)
            return digest(notice.action, notice.begun, alerts, reader.voice) if alerts else None
        if notice.week is not None:
            week = await week_store.living(connection, notice.week)
            return owner_week(week, reader.desk.rules.in_messages, reader.voice)
        if notice.figure is not None:
            return figure_change(notice.figure, reader.voice)
        every = notice.due - notice.begun
        alerts_sent, answers, waiting = await notices.counts(connection, notice.target, now - every)
        reaches = await progress.read(connection)
        stale = progress.stale(reaches, now, reader.desk.playbook.max_staleness)
        return heartbeat(Pulse(every, alerts_sent, answers, waiting, stale), reader.voice)

    async def _measure(self, connection: AsyncConnection) -> None:
        found: Mapping[tuple[str, str], float] = await notices.successes(connection)
        known = {reader.desk.rules.name for reader in self._readers}
        for (target, kind), at in found.items():
            if target in known:
                self._metrics.notice_success.labels(target, kind).set(at)


def call_of(notice: Notice, said: tuple[str, str]) -> ActionCall:
    """Write a notice as an action that is about nobody."""
    room: dict[str, Value] = {"room": notice.room} if notice.room else {}
    return ActionCall(
        delivery_id=notice.id,
        customer_id=notice.id,
        identifiers=(),
        play=notice.kind,
        action=notice.action,
        variant="default",
        template=notice.kind.upper(),
        channel=notice.channel,
        contact_class="internal",
        deadline=notice.deadline,
        attributes={},
        context={**room, "title": said[0], "text": said[1]},
        notice=said,
    )
