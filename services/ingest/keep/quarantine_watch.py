"""How much lies in quarantine: looked at now and then, so that a mapping that broke is seen."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.ingest.keep.quarantine import Quarantine
from shared.errors import DependencyAway
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: Somebody corrects a mapping in minutes or hours.
_EVERY_S: Final = 30.0


class QuarantineWatch:
    """Looks at the quarantine as long as the process runs. `sources`: those configured."""

    def __init__(
        self,
        quarantine: Quarantine,
        sources: Iterable[str],
        *,
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
    ) -> None:
        self._quarantine = quarantine
        self._sources = tuple(sources)
        self._clock = clock
        self._messages = Gauge(
            "nps_ingest_quarantine_messages",
            "Messages in quarantine that nobody has mapped again",
            ("source",),
            registry=registry,
        )
        self._oldest = Gauge(
            "nps_ingest_quarantine_oldest_seconds",
            "How long the oldest of them has been there",
            ("source",),
            registry=registry,
        )

    async def look(self) -> None:
        """Look once. Raises `DependencyAway`."""
        found = {one.source: one for one in await self._quarantine.waiting()}
        now = self._clock()
        # A source that is configured no more is shown while something of it is left.
        self._messages.clear()
        self._oldest.clear()
        for source in {*self._sources, *found}:
            one = found.get(source)
            age = (now - one.since).total_seconds() if one else 0.0
            self._messages.labels(source).set(one.messages if one else 0)
            self._oldest.labels(source).set(max(age, 0.0))

    async def run(self, stopping: asyncio.Event) -> None:
        """Look until `stopping` is set; what cannot be looked at now is looked at later."""
        while not stopping.is_set():
            try:
                await self.look()
            except DependencyAway as error:
                _log.debug("ingest.quarantine_unseen", reason=str(error))
            await pause(stopping, _EVERY_S)
