"""How far the figures are from what was aimed at. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from services.segmenter.figures.nps import Counts, score
from services.segmenter.policy.objectives import Objective, Objectives
from shared.events.vocabulary import Segment

#: Of promoters at least so many, of the others at most.
_MORE_IS_BETTER: Final[frozenset[Segment]] = frozenset({"promoter"})


@dataclass(frozen=True, slots=True)
class Distance:
    """One objective; `distance` in points (of the score, or of percent), below 0: not reached."""

    name: Literal["nps", "detractor", "passive", "promoter"]
    target: float
    actual: float
    distance: float

    @property
    def reached(self) -> bool:
        """Tell whether the objective is met."""
        return self.distance >= 0


def objective_of(objectives: Objectives, survey: str | None) -> Objective | None:
    """Find the objective of a survey: its own, else the one for all."""
    own = next((one for one in objectives if one.survey == survey), None)
    return own or next((one for one in objectives if one.survey is None), None)


def distances(counts: Counts, objective: Objective | None) -> tuple[Distance, ...]:
    """Measure the distance to each objective; none without an answer."""
    reached = score(counts)
    if objective is None or reached is None:
        return ()
    told = []
    if objective.nps is not None:
        told.append(Distance("nps", objective.nps, reached, reached - objective.nps))
    for segment, target in objective.shares.items():
        share = counts.share(segment) or 0.0
        gap = share - target if segment in _MORE_IS_BETTER else target - share
        told.append(Distance(segment, target, share, gap))
    return tuple(told)
