"""Telling how far the segmenter is, so that nobody acts on a stale state.

For each input partition of this replica, every 5 s: everything up to a moment was handled (now, if
nothing waits).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from services.segmenter.metrics import Metrics
from shared.bus.port import Consumer, Message, Progress, Publisher
from shared.errors import DependencyAway
from shared.events import ids
from shared.events.decisions import SegmenterProgressed
from shared.events.envelope import DECISIONS, Event, encode
from shared.stopping import pause
from shared.times import iso

_log = structlog.get_logger(__name__)

#: A twelfth of the staleness (60 s) at which customer-facing deliveries start to wait.
_EVERY_S: Final = 5.0


class ProgressTeller:
    """Publishes `segmenter.progressed` for the partitions of one consumer."""

    def __init__(
        self,
        consumer: Consumer,
        publisher: Publisher,
        *,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics

    async def tell(self) -> int:
        """Tell once; returns for how many partitions. Raises `DependencyAway`."""
        # The time before the question: a record that arrives in between is newer than it.
        now = self._clock()
        found = await self._consumer.progress()
        self._metrics.lags(_lag(progress, now) for progress in found)
        if found:
            await self._publisher.publish([_message(progress, now) for progress in found])
        return len(found)

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell every 5 s until `stopping` is set; silence is what says that we are stuck."""
        while not stopping.is_set():
            try:
                await self.tell()
            except DependencyAway as error:
                _log.warning("segmenter.progress_untold", reason=str(error))
            await pause(stopping, _EVERY_S)


def _lag(progress: Progress, now: datetime) -> tuple[str, int, float]:
    waited = (now - (progress.waiting_since or now)).total_seconds()
    return progress.partition.topic, progress.partition.number, max(0.0, waited)


def _message(progress: Progress, now: datetime) -> Message:
    where = progress.partition
    upto = min(progress.waiting_since or now, now)
    event = Event(
        id=ids.name_id("segmenter.progressed", where.topic, where.number, iso(upto), iso(now)),
        source="nps/segmenter",
        time=now,
        data=SegmenterProgressed(
            topic=where.topic,
            partition=where.number,
            partitions=progress.partitions,
            upto=upto,
        ),
    )
    return Message(topic=DECISIONS, key=f"{where.topic}/{where.number}", value=encode(event))
