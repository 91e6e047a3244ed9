"""How people moved between one answer and the next. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from services.segmenter.figures.distribution import band_of
from services.segmenter.policy.bands import Bands
from shared.events.vocabulary import Segment

_HEIGHT: Final[dict[Segment, int]] = {"detractor": 0, "passive": 1, "promoter": 2}


@dataclass(slots=True)
class Moves:
    """Answers by what came before them; `table` counts each pair (before, after)."""

    first: int = 0
    same: int = 0
    up: int = 0
    down: int = 0
    table: dict[tuple[Segment, Segment], int] = field(default_factory=dict)


def moves(found: Iterable[tuple[int | None, int, int]], bands: Bands) -> Moves:
    """Fold (score before, score, how many) into moves; None before: her first answer."""
    told = Moves()
    for before, score, n in found:
        after = band_of(score, bands)
        if before is None:
            told.first += n
            continue
        origin = band_of(before, bands)
        told.table[origin, after] = told.table.get((origin, after), 0) + n
        if _HEIGHT[after] > _HEIGHT[origin]:
            told.up += n
        elif _HEIGHT[after] < _HEIGHT[origin]:
            told.down += n
        else:
            told.same += n
    return told
