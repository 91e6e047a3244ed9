"""What a `customer.erased` does here: all that ingest keeps of her up to then goes, for ever.

In: records of `nps.decisions`. Out: deleted rows and tombstones, then the word on `nps.outcomes`
that it is done. Promise: the same told again
changes nothing and is confirmed again. Nearly all records there are decisions: they are passed over
unread.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.exc import DBAPIError

from services.ingest.keep.forget import Forgetting, Forgotten
from shared import identifiers
from shared.bus.consume import Received, Rejected
from shared.bus.port import Message, Publisher
from shared.errors import DependencyAway
from shared.events import ids
from shared.events.decisions import CustomerDecided, CustomerErased
from shared.events.envelope import OUTCOMES, Event, encode
from shared.events.outcomes import ErasureConfirmed

_log = structlog.get_logger(__name__)

SOURCE: Final = "nps/ingest"
_TYPE: Final = CustomerErased.TYPE
_BYTES: Final = _TYPE.encode()
#: How a decision begins: behind two fixed fields and the short name of its source.
_DECIDED: Final = f'"type":"{CustomerDecided.TYPE}"'.encode()
_HEAD: Final = 256


def is_erasure(value: bytes) -> bool:
    """Tell from a record's bytes whether it is an erasure.

    Of a decision of 6 KB only the head is looked at: 2 µs on a busy machine, where searching all of
    it takes 12 and decoding it 600. What does not begin like one is searched, and only what holds
    the word is read as JSON: a comment may hold it, too.
    """
    if value.find(_DECIDED, 0, _HEAD) >= 0 or _BYTES not in value:
        return False
    try:
        envelope = orjson.loads(value)
    except orjson.JSONDecodeError:
        return True  # to be dead-lettered, and looked at by a person
    return isinstance(envelope, dict) and envelope.get("type") == _TYPE


class Erasing:
    """The handler of the consumer."""

    def __init__(
        self,
        forgetting: Forgetting,
        publisher: Publisher,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._forgetting = forgetting
        self._publisher = publisher
        self._clock = clock
        self._people = Counter(
            "nps_ingest_erasures", "Erasures of a person that were done here", registry=registry
        )
        self._rows = Counter(
            "nps_ingest_forgotten",
            "Rows deleted because their person was erased, by where they were",
            ("store",),
            registry=registry,
        )

    async def __call__(self, batch: Sequence[Received]) -> Sequence[Rejected]:
        """Forget each, and say so. Raises `DependencyAway`."""
        for received in batch:
            if isinstance(received.event.data, CustomerErased):
                await self._erase(received.event.data)
                await self._confirm(received.event.data)
        return ()

    async def _confirm(self, erased: CustomerErased) -> None:
        """Say that it is done before the offset is committed: after a kill it is said again."""
        if not erased.last:  # the others come in order, and after it
            return
        data = ErasureConfirmed(erasure_id=erased.erasure_id, part="ingest", at=self._clock())
        event = Event(ids.erasure_confirmed(erased.erasure_id, "ingest"), SOURCE, data.at, data)
        key = str(erased.erasure_id)
        await self._publisher.publish([Message(OUTCOMES, key, encode(event))])

    async def _erase(self, erased: CustomerErased) -> None:
        try:
            gone = await self._forgetting.erase(erased.people, erased.erased_before)
        except DBAPIError as error:
            # Such as a search that took too long. Ending the process, as bugs do, would end taking
            # messages in, and change nothing: it is tried again here, and the log tells.
            raise DependencyAway(f"database: {type(error.orig).__name__}") from error
        identifiers.forget_hashed()  # the memory of this process; others' is bounded and short
        self._count(gone)
        # Ids of ours alone: nothing says who she was.
        _log.info("ingest.person_erased", erasure_id=str(erased.erasure_id), **asdict(gone))

    def _count(self, gone: Forgotten) -> None:
        self._people.inc()
        for store, rows in asdict(gone).items():
            self._rows.labels(store).inc(rows)
