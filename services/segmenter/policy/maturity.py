"""Section `maturity`: when a promoter is ready to be an ambassador."""

from typing import Annotated

from pydantic import Field, model_validator

from services.segmenter.policy.words import Days, Name
from shared.settings import Strict

_Points = Annotated[int, Field(ge=0, le=100, strict=True)]
_Count = Annotated[int, Field(ge=1, le=1000, strict=True)]


class ScoreFactor(Strict):
    """Points for an answer with at least this score."""

    score: Annotated[int, Field(ge=0, le=10, strict=True)] = 9
    points: _Points


class AnswersFactor(Strict):
    """Points for so many answers within so many days."""

    count: _Count = 3
    days: Annotated[int, Field(ge=1, le=3660, strict=True)] = 730
    points: _Points = 10


class TenureFactor(Strict):
    """Points for being a customer for so many days."""

    days: Annotated[int, Field(ge=1, le=3660, strict=True)] = 180
    points: _Points = 15


class OrdersFactor(Strict):
    """Points for so many orders."""

    count: _Count = 3
    points: _Points = 15


class ValueFactor(Strict):
    """Points for a value in the upper half; `upper_half_from` says where that begins."""

    attribute: Name = "aov"
    upper_half_from: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    points: _Points = 10


class Gates(Strict):
    """What refuses a promoter whatever her points; 0 days switches a gate off."""

    closed_case_days: Days = 30
    detractor_days: Days = 365


class MaturityPolicy(Strict):
    """The points of each factor, and how many make her ready."""

    ready_at: Annotated[int, Field(ge=1, strict=True)] = 60
    latest: ScoreFactor = ScoreFactor(points=30)
    previous: ScoreFactor = ScoreFactor(points=20)
    answers: AnswersFactor = AnswersFactor()
    tenure: TenureFactor = TenureFactor()
    orders: OrdersFactor = OrdersFactor()
    value: ValueFactor = ValueFactor()
    gates: Gates = Gates()

    @model_validator(mode="after")
    def _can_be_reached(self) -> "MaturityPolicy":
        factors = (self.latest, self.previous, self.answers, self.tenure, self.orders)
        most = sum(factor.points for factor in factors)
        most += self.value.points if self.value.upper_half_from is not None else 0
        if self.ready_at > most:
            raise ValueError(
                f"ready_at must be at most {most}, the points of all factors: else nobody is ready "
                "(value counts only with upper_half_from)"
            )
        return self
