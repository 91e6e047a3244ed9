"""Dead letters looked through and told again, on either bus.

In: the bus, a topic, which of its letters. Out: counts by reason, letters, or records on the topic
that they came from. Each is told once: a mark behind the letters says which were (`again` tells
them all the same). Consumers know an event by its id, so even told twice it acts once.
"""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from shared.bus.dead_letters import DeadLetter, marked, opened, told_again
from shared.bus.port import Bus, Message
from shared.bus.topics import dead_topic
from shared.errors import Unprocessable

#: Published and marked together: what a crash in between tells twice, and what memory holds.
_TOGETHER: Final = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: `reason` stands in theirs, whatever its case; refused `since` then."""

    reason: str = ""
    since: datetime | None = None

    def fits(self, letter: DeadLetter) -> bool:
        """Tell whether this one is meant."""
        return self.reason.casefold() in letter.reason.casefold() and (
            self.since is None or letter.dead_at >= self.since
        )


@dataclass(frozen=True, slots=True)
class Lying:
    """A letter where it lies: `place` is its offset among the dead letters of its topic."""

    place: int
    letter: DeadLetter
    told: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one reason: how many wait, how many were told again, from when to when."""

    reason: str
    waiting: int
    told: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """Letters to be told, by their places; `left`: how many more are like them."""

    topic: str
    places: tuple[int, ...]
    left: int


class LetterBox:
    """The dead letters of a bus. All of it raises `DependencyAway`."""

    def __init__(self, bus: Bus, *, clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._clock = clock

    async def groups(self, topic: str, wanted: Wanted) -> list[Group]:
        """Count the letters of a topic by their reasons, the most frequent first."""
        groups: dict[str, Group] = {}
        async with aclosing(self._letters(topic, wanted)) as letters:
            async for lying in letters:
                reason, at = lying.letter.reason, lying.letter.dead_at
                known = groups.get(reason) or Group(reason, 0, 0, at, at)
                groups[reason] = replace(
                    known,
                    waiting=known.waiting + (not lying.told),
                    told=known.told + lying.told,
                    oldest=min(known.oldest, at),
                    newest=max(known.newest, at),
                )
        return sorted(groups.values(), key=lambda group: (-group.waiting, -group.told))

    async def letters(self, topic: str, wanted: Wanted, after: int, most: int) -> list[Lying]:
        """Read letters behind a place (-1: from the first), oldest first, at most so many."""
        found: list[Lying] = []
        async with aclosing(self._letters(topic, wanted)) as letters:
            async for lying in letters:
                if lying.place > after:
                    found.append(lying)
                if len(found) == most:
                    break
        return found

    async def choose(
        self, topic: str, wanted: Wanted, *, after: int, most: int, again: bool
    ) -> Chosen:
        """Choose whom to tell, oldest first; nothing is told yet."""
        places: list[int] = []
        left = 0
        async with aclosing(self._letters(topic, wanted)) as letters:
            async for lying in letters:
                if lying.place <= after or (lying.told and not again):
                    continue
                if len(places) < most:
                    places.append(lying.place)
                else:
                    left += 1
        return Chosen(topic, tuple(places), left)

    async def tell(self, chosen: Chosen) -> int:
        """Tell letters again; returns how many. What is told is marked once the bus has it."""
        places, told = frozenset(chosen.places), 0
        together: dict[int, Message] = {}
        async with aclosing(self._letters(chosen.topic, Wanted(), places)) as letters:
            async for lying in letters:
                together[lying.place] = lying.letter.message
                if len(together) == _TOGETHER:
                    told += await self._told(chosen.topic, together)
                    together = {}
        return told + await self._told(chosen.topic, together)

    async def _told(self, topic: str, together: dict[int, Message]) -> int:
        if together:
            await self._bus.publisher.publish(list(together.values()))
            await self._bus.publisher.publish([told_again(topic, together, self._clock())])
        return len(together)

    async def _letters(
        self, topic: str, wanted: Wanted, places: Collection[int] | None = None
    ) -> AsyncGenerator[Lying, None]:
        """Give the letters that are wanted; whatever else lies there is passed over."""
        told = await self._marks(topic) if places is None else frozenset[int]()
        async with aclosing(self._bus.read(dead_topic(topic))) as records:
            async for record in records:
                if places is not None and record.offset not in places:
                    continue
                try:
                    letter = opened(record.value)
                except Unprocessable:
                    continue
                if letter.origin.topic == topic and wanted.fits(letter):
                    yield Lying(record.offset, letter, record.offset in told)

    async def _marks(self, topic: str) -> frozenset[int]:
        """Read which letters were told: their marks lie behind them."""
        told: set[int] = set()
        async with aclosing(self._bus.read(dead_topic(topic))) as records:
            async for record in records:
                told |= marked(record.value)
        return frozenset(told)
