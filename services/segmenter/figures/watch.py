"""Watching figures: every hour each alert of the policy compares its newest complete period.

One replica at a time does it (the alert's row is locked); a change of state is a row, a log line
and a metric, and an event where the policy says `tell`. The name of a group is in row and event
alone: it may be anything that customers have. The event is saved with the change and published
after it, under an id of its own: a kill in between, or a second replica, tells the same again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.figures import alert_store, counting, nps
from services.segmenter.figures.distribution import counts_of
from services.segmenter.figures.meters import FigureMetrics
from services.segmenter.figures.nps import Counts
from services.segmenter.figures.question import (
    Grouping,
    Period,
    Scope,
    last_complete,
    previous,
    read_grouping,
)
from services.segmenter.figures.telling import tell
from services.segmenter.figures.watching import Standing, judge_groups
from services.segmenter.policy.alerts import FigureAlert
from services.segmenter.profile.attributes import other_names
from services.segmenter.sweep import progress
from services.segmenter.sweep.portrait import near
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events import ids
from shared.events.decisions import FigureChanged
from shared.events.envelope import DECISIONS, Event, encode
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: Answers that come late may still change a period that is over.
_EVERY_S: Final = 3600.0
#: What another replica compared so short a time ago is not compared again.
_RECENTLY: Final = timedelta(minutes=50)
#: While not everybody was read yet (`sweep`), there is nothing to compare; a bus or database that
#: is away is asked again as soon.
_UNREAD_S: Final = 60.0


class FigureWatch:
    """Compares the alerts of the policy. `clock` tells aware times."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        rulebook: Rulebook,
        *,
        clock: Callable[[], datetime],
        metrics: FigureMetrics,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._policy = rulebook.policy
        self._clock = clock
        self._metrics = metrics
        self._late = False

    async def look(self) -> int:
        """Compare every alert once; returns how many changed. Raises `DependencyAway`."""
        told: list[Standing] = []
        self._late = False
        for alert in self._policy.alerts:
            with away_as_dependency():
                async with self._engine.begin() as connection:
                    told += await self._compare(connection, alert)
        with away_as_dependency():
            async with self._engine.connect() as connection:
                found = await alert_store.open_alerts(connection)
        self._metrics.standing([alert.name for alert in self._policy.alerts], found)
        for one in told:
            self._tell(one)
        await self._publish()
        return len(told)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look every hour until `stopping` is set; an absent database only costs a turn."""
        while not stopping.is_set():
            try:
                await self.look()
            except DependencyAway as error:
                self._late = True
                _log.warning("segmenter.figures_unwatched", reason=str(error))
            await pause(stopping, _UNREAD_S if self._late else _EVERY_S)

    async def _compare(self, connection: AsyncConnection, alert: FigureAlert) -> list[Standing]:
        """Compare one alert; returns what changed its state."""
        now = self._clock()
        mine, last = await alert_store.take(connection, alert.name)
        if not mine or (last is not None and now - last < _RECENTLY):
            return []
        zone = self._policy.zones.default
        period = last_complete(now, alert.days, zone)
        before = previous(period, zone)
        swept = await progress.look(connection)
        if swept is None or swept.as_of is None or swept.as_of < period.end:
            self._late = True
            return []
        known = {one.value: one for one in await alert_store.standing(connection, [alert.name])}
        baselines = {one.baseline for one in known.values() if one.state == "open"}
        counted = {
            each: await self._counts(connection, alert, each, list(known))
            for each in {period, before, *baselines}
        }
        minimum = alert.minimum_n or self._policy.statistics.minimum_n
        judged = judge_groups(
            alert.name, known, counted, (period, before), minimum_n=minimum, at=now
        )
        changed = [one for one in judged if one != known.get(one.value)]
        await alert_store.save(connection, changed)
        await alert_store.compared(connection, alert.name, period.end, now)
        news = [one for one in changed if _is_news(one, known.get(one.value))]
        if alert.tell:
            events = [tell(alert, one, minimum_n=minimum, zone=zone) for one in news]
            await alert_store.owe(connection, events, now)
        return news

    async def _publish(self) -> None:
        """Publish what is still to be told, by whichever replica it was found."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                events = await alert_store.owed(connection)
        if not events:
            return
        await self._publisher.publish([_message(event, figure) for event, figure in events])
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await alert_store.paid(connection, [event.id for event, _ in events])

    async def _counts(
        self, connection: AsyncConnection, alert: FigureAlert, period: Period, keep: list[str]
    ) -> dict[str, Counts]:
        """Count a period by group; who has no value of the attribute is no group."""
        by = self._grouping(alert.by) if alert.by else None
        scope = Scope(period, alert.survey, alert.source)
        found, _ = await counting.scores(connection, scope, by, keep=keep)
        bands = self._policy.bands
        return {
            value or "": counts_of(scores, bands)
            for value, scores in found.items()
            if value or by is None
        }

    def _grouping(self, by: str) -> Grouping:
        return read_grouping(by, near(self._policy), other_names(self._policy))

    def _tell(self, one: Standing) -> None:
        self._metrics.told(one.alert, one.state)
        _log.warning(
            "segmenter.figure_changed" if one.state == "open" else "segmenter.figure_quiet_again",
            alert=one.alert,
            reason=one.reason,
            direction=one.direction,
            nps_before=round(nps.score(one.then) or 0.0, 1),
            n_before=one.then.n,
            nps_after=round(nps.score(one.now) or 0.0, 1),
            n_after=one.now.n,
            period_start=one.period.start,
            period_end=one.period.end,
        )


def _is_news(one: Standing, known: Standing | None) -> bool:
    return known is None or (one.state, one.direction) != (known.state, known.direction)


def _message(event: Event, figure: FigureChanged) -> Message:
    """Address an event so that what is told of one group keeps its order."""
    key = str(ids.name_id("figure", figure.alert, figure.value or ""))
    return Message(topic=DECISIONS, key=key, value=encode(event))
