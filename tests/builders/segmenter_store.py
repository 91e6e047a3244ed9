"""The segmenter on a real PostgreSQL as a state machine needs it: called from another thread.

A machine's steps are plain calls; each runs in the event loop of the test, which waits meanwhile.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.metrics import Metrics
from services.segmenter.profile.facts import MODELS, make
from services.segmenter.profile.state import load
from services.segmenter.store.pruning import Pruning
from services.segmenter.store.rows import Customer, Decision, Timer
from services.segmenter.store.timers import Timers
from shared.bus.port import Message
from shared.errors import BusAway
from shared.events.decisions import CustomerDecided, CustomerErased
from shared.events.envelope import Event, decode
from tests.builders.facts import Shelf, handler, received
from tests.builders.segmenter_rows import Memory
from tests.builders.segmenter_tables import Rows

T = TypeVar("T")
_TABLES = "profiles, identifiers, aliases, merges, apart, facts, decisions, timers, answers, "
_TABLES += "erasures, tombstones"


class Unclosed(Shelf):
    """The bus took the records, and nobody heard of it."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep the messages and raise `BusAway`."""
        await super().publish(messages)
        raise BusAway("no acknowledgement")


class Store:
    """So many handlers at one empty database, which share every batch."""

    def __init__(
        self,
        rulebook: Rulebook,
        engine: AsyncEngine,
        loop: asyncio.AbstractEventLoop,
        *,
        handlers: int,
    ) -> None:
        self._rulebook = rulebook
        self._engine = engine
        self._loop = loop
        self._handlers = handlers
        self._numbers: Iterator[int] = count(1)
        self._rows: Rows | None = None
        self._wait(self._empty())

    def handle(self, events: Sequence[Event], now: datetime) -> list[list[str]]:
        """Handle a batch, each handler its share of it at once."""
        self._rows = None
        shares = [list(events[which :: self._handlers]) for which in range(self._handlers)]
        return self._wait(self._handled([share for share in shares if share], now))

    def ring(self, now: datetime, *, close: bool) -> list[Event]:
        """Tell what is due by the loop of timers itself."""
        self._rows = None
        shelf = Shelf() if close else Unclosed()
        metrics = Metrics(CollectorRegistry())
        timers = Timers(self._engine, shelf, clock=lambda: now, metrics=metrics)
        with suppress(BusAway):
            self._wait(timers.tell_due())
        return shelf.events()

    def prune(self, now: datetime) -> None:
        """Let go of what is past its time by the broom itself."""
        self._rows = None
        metrics = Metrics(CollectorRegistry())
        self._wait(Pruning(self._engine, clock=lambda: now, metrics=metrics).prune())

    def use(self, rulebook: Rulebook) -> None:
        """Decide by another policy from now on."""
        self._rulebook = rulebook

    def rows(self) -> Rows:
        """Read all tables, once after each change."""
        if self._rows is None:
            self._rows = self._wait(self._read())
        return self._rows

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _handled(self, shares: Sequence[list[Event]], now: datetime) -> list[list[str]]:
        shelves = [Shelf() for _ in shares]
        handlers = [
            handler(self._engine, shelf, now=now, book=self._rulebook, new_id=self._new_id)
            for shelf in shelves
        ]
        pairs = zip(handlers, shares, strict=True)
        await asyncio.gather(*(handle(received(*share)) for handle, share in pairs))
        told = [lines for shelf in shelves for lines in _decisions(shelf)]
        # Of two handlers the one that decided first may be the one that publishes last.
        return sorted(told, key=_version) if len(shares) > 1 else told

    def _new_id(self) -> UUID:
        return UUID(int=next(self._numbers))

    async def _empty(self) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {_TABLES}"))

    async def _read(self) -> Rows:
        async with self._engine.connect() as connection:

            async def all_of(query: str) -> Sequence[Any]:
                return (await connection.execute(text(query))).all()

            customers = await all_of(
                "SELECT customer_id, created_at, version, CAST(state AS text) AS state "
                "FROM profiles ORDER BY created_at, customer_id"
            )
            facts = await all_of(
                "SELECT event_id, customer_id, kind, received_at, source, CAST(body AS text) AS b "
                "FROM facts"
            )
            timers = await all_of(
                "SELECT kind, customer_id, subject, arm, due_at, state = 'open' FROM timers"
            )
            decisions = await all_of(
                "SELECT event_id, decision_id, customer_id, version, kind, decided_at, payload, "
                "note FROM decisions"
            )
            keys = await all_of("SELECT kind, value, customer_id FROM identifiers")
            aliases = await all_of("SELECT customer_id, survivor_id FROM aliases")
            stones = await all_of("SELECT person, erased_before FROM tombstones")
        return Rows(
            customers={c[0]: Customer(c[0], c[1], c[2], load(c[3])) for c in customers},
            keys={(k[0], k[1]): k[2] for k in keys},
            aliases=dict(tuple(a) for a in aliases),
            facts={
                f[0]: (f[1], make(f[0], MODELS[f[2]].model_validate_json(f[5]), f[3], f[4]))
                for f in facts
            },
            decisions={d[0]: Decision(*d) for d in decisions},
            stones=dict(tuple(s) for s in stones),
            timers={one.key: one for one in (Timer(*t) for t in timers)},
        )


class Both:
    """A segmenter in memory and one on PostgreSQL, of which each step is to end alike."""

    def __init__(self, memory: Memory, store: Store) -> None:
        self._memory = memory
        self._store = store

    def handle(self, events: Sequence[Event], now: datetime) -> list[list[str]]:
        """Handle a batch twice."""
        told = self._store.handle(events, now)
        assert told == self._memory.handle(events, now)
        return told

    def ring(self, now: datetime, *, close: bool) -> list[Event]:
        """Tell twice what is due."""
        told = self._store.ring(now, close=close)
        other = self._memory.ring(now, close=close)
        assert {one.id for one in told} == {one.id for one in other}
        return told

    def prune(self, now: datetime) -> None:
        """Let go of the same twice."""
        self._store.prune(now)
        self._memory.prune(now)

    def use(self, rulebook: Rulebook) -> None:
        """Decide by another policy from now on, both."""
        self._store.use(rulebook)
        self._memory.use(rulebook)

    def rows(self) -> Rows:
        """Read both."""
        rows = self._store.rows()
        assert rows == self._memory.rows()
        return rows


def _decisions(shelf: Shelf) -> Iterator[list[str]]:
    """Put together what was published with each decision, which comes last."""
    lines: list[str] = []
    for message, told in zip(shelf.messages, shelf.events(), strict=True):
        lines.append(message.value.decode())
        if isinstance(told.data, CustomerDecided | CustomerErased):
            yield lines
            lines = []
    assert not lines, "something was published without its decision"


def _version(lines: Sequence[str]) -> int:
    decided = decode(lines[-1].encode()).data
    return decided.version if isinstance(decided, CustomerDecided) else 0
