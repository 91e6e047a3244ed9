"""What the API answers about figures: the models. Pure.

Scores, differences, shares and hours have one decimal; more would only look exact.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.events.vocabulary import Segment


class View(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(frozen=True)


class PeriodView(View):
    """From `start` to before `end`."""

    start: datetime
    end: datetime


class IntervalView(View):
    """Where the true value lies, at 95 %."""

    low: float
    high: float


class ShareView(View):
    """How many, and which part of the answers (percent)."""

    n: int
    share: float | None


class ResponseRateView(View):
    """People invited in the period, those who answered in time, and the rate (percent)."""

    invited: int
    answered: int
    rate: float | None


class ObjectiveView(View):
    """One objective; `distance` in points, below 0 where it is not reached."""

    name: Literal["nps", "detractor", "passive", "promoter"]
    target: float
    actual: float
    distance: float
    reached: bool


class ScoreView(View):
    """A score, how many answers it is made of and how sure it is."""

    n: int
    too_few: bool
    nps: float | None
    interval: IntervalView | None


class DifferenceView(View):
    """This score minus the other; `real`: both have enough answers, and 0 is not in between."""

    points: float
    interval: IntervalView
    enough: bool
    real: bool


class GroupView(ScoreView):
    """One group, or all together (`value` null; in `groups` it is: unknown)."""

    value: str | None
    segments: dict[Segment, ShareView]
    distribution: tuple[int, ...]
    response: ResponseRateView | None
    objectives: tuple[ObjectiveView, ...]
    other: ScoreView | None
    difference: DifferenceView | None


class MovesView(View):
    """Answers by the one before: `table` has before → after → how many."""

    first: int
    same: int
    up: int
    down: int
    table: dict[Segment, dict[Segment, int]]


class ChurnView(View):
    """People whose last answer was of a segment, and those of them who left (percent)."""

    people: int
    churned: int
    share: float | None


class ContactsView(View):
    """Detractor answers, those followed by a contact, and how soon (hours)."""

    detractors: int
    contacted: int
    share: float | None
    median_hours: float | None
    p90_hours: float | None


class CasesView(View):
    """Cases opened, those resolved now, and how soon (hours)."""

    opened: int
    resolved: int
    share: float | None
    median_hours: float | None


class RecoveryView(View):
    """What became of detractors whose case was resolved; `share` counts the silent against it."""

    recovered: int
    still_detractor: int
    silent: int
    pending: int
    share: float | None


class LoopView(View):
    """The loop: contacted, resolved, recovered."""

    contacts: ContactsView
    cases: CasesView
    recovery: RecoveryView


class ComparedView(View):
    """What the figures are compared with: a period, or a group of the same period."""

    period: PeriodView | None
    value: str | None


class FiguresView(View):
    """The answer to one question. What was not asked for, or cannot be told, is null.

    Everything that was saved before `as_of` is in it. `groups` has those with most answers first;
    `groups_left_out` counts the rest.
    """

    as_of: datetime
    survey: str | None
    source: str | None
    period: PeriodView
    by: str | None
    compared_with: ComparedView | None
    level: float
    minimum_n: int
    overall: GroupView
    groups: tuple[GroupView, ...]
    groups_left_out: int
    moves: MovesView | None
    churn: dict[Segment, ChurnView] | None
    loop: LoopView | None
    policy: str
