"""Comparing what would have been sent with what the present tool sent. Pure.

In: our deliveries in shadow, the sends that its platforms reported, a moment. Out: counts, without
anybody's name. Two are the same message if they are of one channel to one person within a day of
each other; each is paired once, with the nearest that is left.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

#: The two tools have delays and quiet hours of their own.
NEAR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ours:
    """A delivery that would have been sent. `people`: HMACs of her identifiers."""

    play: str
    template: str
    target: str
    channel: str
    at: datetime
    people: frozenset[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Theirs:
    """A send that somebody else's platform reported."""

    channel: str
    contact_class: str
    target: str | None
    at: datetime
    people: frozenset[str] = field(repr=False)


@dataclass(slots=True)
class Tally:
    """How many of a kind had a partner, and how many had none."""

    both: int = 0
    alone: int = 0

    def count(self, paired: bool) -> None:
        """Count one more."""
        self.both += paired
        self.alone += not paired


@dataclass(frozen=True, slots=True)
class Compared:
    """Ours by (play, template, target, channel), theirs by (target, channel, class)."""

    ours: dict[tuple[str, str, str, str], Tally]
    theirs: dict[tuple[str | None, str, str], Tally]


def compare(ours: Sequence[Ours], theirs: Sequence[Theirs], since: datetime) -> Compared:
    """Pair and count. What is older than `since` may be a partner and is not counted itself."""
    paired = _pairs(ours, theirs)
    taken = set(paired.values())
    found = Compared(defaultdict(Tally), defaultdict(Tally))
    for number, one in enumerate(ours):
        if one.at >= since:
            key = (one.play, one.template, one.target, one.channel)
            found.ours[key].count(number in paired)
    for number, other in enumerate(theirs):
        if other.at >= since:
            named = (other.target, other.channel, other.contact_class)
            found.theirs[named].count(number in taken)
    return found


def _pairs(ours: Sequence[Ours], theirs: Sequence[Theirs]) -> dict[int, int]:
    """Map the number of ours to that of theirs, the nearest pairs first."""
    by_person: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, other in enumerate(theirs):
        for person in other.people:
            by_person[other.channel, person].append(number)
    paired: dict[int, int] = {}
    taken: set[int] = set()
    for _, mine, partner in sorted(_near(ours, theirs, by_person)):
        if mine not in paired and partner not in taken:
            paired[mine] = partner
            taken.add(partner)
    return paired


def _near(
    ours: Sequence[Ours],
    theirs: Sequence[Theirs],
    by_person: dict[tuple[str, str], list[int]],
) -> Iterable[tuple[timedelta, int, int]]:
    for mine, one in enumerate(ours):
        candidates = {n for person in one.people for n in by_person.get((one.channel, person), ())}
        for other in candidates:
            apart = abs(theirs[other].at - one.at)
            if apart <= NEAR:
                yield apart, mine, other
