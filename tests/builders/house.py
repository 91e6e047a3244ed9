"""A segmenter and a dispatcher on one real database, with the shipped policy and playbook.

Time is the house's own: it goes from one moment at which something happens to the next. What one
part tells, the other hears at once, and all that happens is told twice, as by a bus that
redelivers. Targets are as in production: they send at a person's pace, are quiet at night, and hear
of no test respondent.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.calls.calls import ActionCall, Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan import coupons
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.playbook.plays import Playbook
from services.segmenter.decide.decide import Rulebook as SegmenterRules
from services.segmenter.metrics import Metrics
from services.segmenter.store.timers import Timers
from shared.bus.port import Message
from shared.database import connect
from shared.events.envelope import FEEDBACK, Event, decode
from shared.settings import load_yaml
from tests.builders.auditing import pen
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.dispatching import Dispatching, dispatching
from tests.builders.facts import SHIPPED, Shelf, handler, received, rulebook

PLAYBOOK = SHIPPED.with_name("playbook.yaml")
#: What happens to somebody, by her address.
Said = Callable[[str], Event]
#: A person's story: what happens, in any order.
Story = Sequence[Said]

_NEXT_TIMER = text("SELECT min(due_at) FROM timers WHERE state = 'open'")
_NEXT_WORK = text("""
    SELECT LEAST(
        (SELECT min(due) FROM deliveries WHERE state IN ('planned', 'waiting')),
        (SELECT min(due) FROM pushes WHERE state = 'due'))
""")
_OF_ADDRESSES = text("""
    SELECT i.value, coalesce(a.survivor_id, i.customer_id) AS customer_id
    FROM identifiers i LEFT JOIN aliases a ON a.customer_id = i.customer_id
    WHERE i.kind = 'email'
""")


@cache
def shipped_playbook() -> Playbook:
    """The shipped example playbook."""
    return load_yaml(PLAYBOOK, Playbook).value


@cache
def shipped_rules() -> SegmenterRules:
    """The shipped policy made ready, which takes a while: it reads all its words."""
    return rulebook()


def as_in_production(playbook: Playbook, **changes: Any) -> Rulebook:
    """A playbook with its targets: delays, quiet hours, no sandbox; `changes` are all targets'."""
    names = dict.fromkeys(play.do.target for play in playbook.plays)
    known = {
        name: TargetRules(
            name, 8, attributes=("nps_segment",), in_messages=("nps_score", "nps_theme"), **changes
        )
        for name in names
    }
    return Rulebook(playbook, "shipped", known)


class Away(ScriptedCarrier):
    """A platform that answers 503 for those who are `unreached`."""

    unreached: frozenset[str] = frozenset()

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Act, unless she is unreached; then nothing happened."""
        if any(one.value in self.unreached for one in call.identifiers):
            return Verdict("retry", "503")
        return await super().act(call, budget=budget, now=now)


@dataclass
class House:
    """Both services; `d.now` is their clock. `working`: the lanes send."""

    d: Dispatching
    engine: AsyncEngine
    begins: datetime
    working: bool = True
    shelf: Shelf = field(default_factory=Shelf)

    def __post_init__(self) -> None:
        numbers = count(1)
        self.d.now = self.begins
        clock = lambda: self.d.now  # noqa: E731 - read anew at every call
        self._handle = handler(
            self.engine,
            self.shelf,
            now=clock,
            book=shipped_rules(),
            new_id=lambda: UUID(int=next(numbers)),
        )
        self._rung = Shelf()
        self._timers = Timers(
            self.engine, self._rung, clock=clock, metrics=Metrics(CollectorRegistry())
        )
        self._read = self._told = 0

    async def live(self, stories: Mapping[str, Story], until: datetime) -> None:
        """Let every story happen, and time pass until then."""
        ahead = sorted(
            (said(address) for address, story in stories.items() for said in story),
            key=lambda event: event.time,
        )
        while (moment := await self._next(ahead)) is not None and moment <= until:
            # What is due and was left (another call of hers is in flight) is looked at again then.
            self.d.now = _minute(max(moment, self.d.now + timedelta(seconds=1)))
            due = [event for event in ahead if event.time <= self.d.now]
            ahead = ahead[len(due) :]
            await self.hear(due)
            await self.hear(due)
            await self._work()
        self.d.now = max(self.d.now, until)

    async def hear(self, events: Sequence[Event]) -> None:
        """Let the segmenter hear events, and the dispatcher what it decides (or decided)."""
        while events:
            await self._handle(received(*events))
            new = _events(self.shelf.messages, self._read)
            self._read += len(new)
            await self.d.tell(*(one for one in new if one.topic != FEEDBACK))
            events = [one for one in new if one.topic == FEEDBACK]

    async def _work(self) -> None:
        """Ring what is due and send what may go, until nothing is left to do now."""
        while True:
            rings, sends = await self._waits()
            if rings is not None and rings <= self.d.now:
                rung = len(self._rung.messages)
                await self._timers.tell_due()
                await self.hear(_events(self._rung.messages, rung))
                continue
            if sends is not None and sends <= self.d.now:
                await self.d.run(fresh=self.working)
            while await self.d.teller.step():
                pass
            outcomes = _events(self.d.bag.messages, self._told)
            self._told += len(outcomes)
            if not outcomes:
                return
            await self.hear(outcomes)

    async def _waits(self) -> tuple[datetime | None, datetime | None]:
        """Tell when the next timer rings, and when a lane looks next."""
        async with self.engine.connect() as connection:
            rings = await connection.scalar(_NEXT_TIMER)
        async with self.d.engine.connect() as connection:
            return rings, await connection.scalar(_NEXT_WORK)

    async def _next(self, ahead: Sequence[Event]) -> datetime | None:
        """Tell when something happens next."""
        rings, sends = await self._waits()
        moments = (ahead[0].time if ahead else None, rings, sends if self.working else None)
        return min((one for one in moments if one is not None), default=None)

    async def came(self, addresses: Iterable[str], play: str) -> dict[str, list[Any]]:
        """Return by address what a play planned for her, oldest first."""
        async with self.engine.connect() as connection:
            known = {row.value: row.customer_id for row in await connection.execute(_OF_ADDRESSES)}
        rows = await self.d.rows(play=play)
        return {
            address: [row for row in rows if row.customer_id == known.get(address)]
            for address in addresses
        }

    def sent(self, address: str, play: str) -> list[ActionCall]:
        """Return the calls by which a play reached her, at whatever target."""
        return [
            call
            for carrier in self.d.carriers.values()
            for call in carrier.actions
            if call.play == play and any(one.value == address for one in call.identifiers)
        ]


def _minute(at: datetime) -> datetime:
    """Round up: people do not care for seconds, and so much happens at one moment."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


def _events(messages: Sequence[Message], start: int) -> list[Event]:
    return [decode(message.value) for message in messages[start:]]


@asynccontextmanager
async def house(
    database: str,
    begins: datetime,
    *,
    rules: Rulebook | None = None,
    codes: Mapping[str, int] | None = None,
    unreached: Iterable[str] = (),
    working: bool = True,
) -> AsyncIterator[House]:
    """Open a house; `codes` are how many each coupon pool has."""
    book = rules or as_in_production(shipped_playbook())
    carriers: dict[str, ScriptedCarrier] = {}
    for name in book.targets:
        carriers[name] = away = Away(name, on_act=lambda _number: OK)
        away.unreached = frozenset(unreached)
    engine = connect(database, "segmenter")
    try:
        async with dispatching(database, book, carriers=carriers) as d:
            for pool, most in (codes or {}).items():
                named = [f"{pool.upper()}-{number:03}" for number in range(most)]
                await coupons.import_codes(d.engine, pool, named, pen("dispatcher", begins))
            yield House(d, engine, begins, working)
    finally:
        await engine.dispose()
