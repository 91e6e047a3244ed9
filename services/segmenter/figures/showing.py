"""Showing figures: rounded, and plain about what is not known. Pure."""

from datetime import datetime

from services.segmenter.figures import loop as loops
from services.segmenter.figures import nps
from services.segmenter.figures.churn import churn
from services.segmenter.figures.difference import difference
from services.segmenter.figures.distribution import ByScore, counts_of, distribution
from services.segmenter.figures.found import Found, Loop
from services.segmenter.figures.moves import moves
from services.segmenter.figures.objectives import distances, objective_of
from services.segmenter.figures.question import Group, Period, Question
from services.segmenter.figures.views import (
    CasesView,
    ChurnView,
    ComparedView,
    ContactsView,
    DifferenceView,
    FiguresView,
    GroupView,
    IntervalView,
    LoopView,
    MovesView,
    ObjectiveView,
    PeriodView,
    RecoveryView,
    ResponseRateView,
    ScoreView,
    ShareView,
)
from services.segmenter.policy.objectives import Objective
from services.segmenter.policy.whole import Policy
from shared.events.vocabulary import Segment

_SEGMENTS: tuple[Segment, ...] = ("detractor", "passive", "promoter")


def figures_view(
    found: Found, question: Question, policy: Policy, version: str, as_of: datetime
) -> FiguresView:
    """Read what was counted under the policy."""
    scope, by, other = question.scope, question.by, question.other
    objective = objective_of(policy.objectives, scope.survey)
    told = by is not None and by.kind == "attribute" and found.invited is not None
    groups = [
        _group(
            value,
            scores,
            policy,
            other=_against(found, value, other),
            invited=found.invited_groups.get(value, (0, 0)) if told else None,
            objective=objective,
        )
        for value, scores in found.groups.items()
    ]
    return FiguresView(
        as_of=as_of,
        survey=scope.survey,
        source=scope.source,
        period=period_view(scope.period),
        by=f"{by.kind}:{by.name}" if by else None,
        compared_with=_compared(other),
        level=nps.LEVEL,
        minimum_n=policy.statistics.minimum_n,
        overall=_group(
            None,
            found.overall,
            policy,
            other=found.other,
            invited=found.invited,
            objective=objective,
        ),
        groups=tuple(groups),
        groups_left_out=max(0, found.group_count - len(groups)),
        moves=_moves(found, policy),
        churn=_churn(found, policy),
        loop=_loop(found.loop, policy) if found.loop else None,
        policy=version,
    )


def _against(found: Found, value: str | None, other: Period | Group | None) -> ByScore | None:
    """Find what a group is compared with: itself in the other period, or the group named."""
    if isinstance(other, Period):
        return found.other_groups.get(value, {})
    if other is None or value == other.value:
        return None
    return found.groups.get(other.value, {})


def period_view(period: Period) -> PeriodView:
    """Show a period."""
    return PeriodView(start=period.start, end=period.end)


def _compared(other: Period | Group | None) -> ComparedView | None:
    if other is None:
        return None
    if isinstance(other, Group):
        return ComparedView(period=None, value=other.value)
    return ComparedView(period=period_view(other), value=None)


def _group(
    value: str | None,
    scores: ByScore,
    policy: Policy,
    *,
    other: ByScore | None,
    invited: tuple[int, int] | None,
    objective: Objective | None,
) -> GroupView:
    counts = counts_of(scores, policy.bands)
    minimum = policy.statistics.minimum_n
    against = counts_of(other, policy.bands) if other is not None else None
    return GroupView(
        **score_view(counts, minimum).model_dump(),
        value=value,
        segments={
            segment: ShareView(n=counts.of(segment), share=_rounded(counts.share(segment)))
            for segment in _SEGMENTS
        },
        distribution=distribution(scores),
        response=_response(invited),
        objectives=tuple(
            ObjectiveView(
                name=one.name,
                target=one.target,
                actual=round(one.actual, 1),
                distance=round(one.distance, 1),
                reached=one.reached,
            )
            for one in distances(counts, objective)
        ),
        other=score_view(against, minimum) if against is not None else None,
        difference=difference_view(counts, against, minimum) if against is not None else None,
    )


def score_view(counts: nps.Counts, minimum_n: int) -> ScoreView:
    """Show a score with its interval."""
    found = nps.interval(counts)
    return ScoreView(
        n=counts.n,
        too_few=nps.too_few(counts, minimum_n),
        nps=_rounded(nps.score(counts)),
        interval=_interval(found) if found else None,
    )


def difference_view(
    one: nps.Counts, other: nps.Counts, minimum_n: int, level: float = nps.LEVEL
) -> DifferenceView | None:
    """Show a difference with its interval; None where nobody answered one of the two."""
    found = difference(one, other, minimum_n=minimum_n, level=level)
    if found is None:
        return None
    return DifferenceView(
        points=round(found.points, 1),
        interval=_interval(found.interval),
        enough=found.enough,
        real=found.real,
    )


def _interval(found: nps.Interval) -> IntervalView:
    return IntervalView(low=round(found.low, 1), high=round(found.high, 1))


def _response(invited: tuple[int, int] | None) -> ResponseRateView | None:
    if invited is None:
        return None
    asked, answered = invited
    rate = 100 * answered / asked if asked else None
    return ResponseRateView(invited=asked, answered=answered, rate=_rounded(rate))


def _moves(found: Found, policy: Policy) -> MovesView | None:
    if found.moves is None:
        return None
    told = moves(found.moves, policy.bands)
    table = {
        before: {after: told.table.get((before, after), 0) for after in _SEGMENTS}
        for before in _SEGMENTS
    }
    return MovesView(first=told.first, same=told.same, up=told.up, down=told.down, table=table)


def _churn(found: Found, policy: Policy) -> dict[Segment, ChurnView] | None:
    if found.churn is None:
        return None
    return {
        segment: ChurnView(people=one.people, churned=one.churned, share=_rounded(one.share))
        for segment, one in churn(found.churn, policy.bands).items()
    }


def _loop(found: Loop, policy: Policy) -> LoopView:
    contacts, cases = found.contacts, found.cases
    after = loops.recovery(found.recovery, policy.bands)
    return LoopView(
        contacts=ContactsView(
            detractors=contacts.detractors,
            contacted=contacts.contacted,
            share=_rounded(contacts.share),
            median_hours=_rounded(contacts.median_hours),
            p90_hours=_rounded(contacts.p90_hours),
        ),
        cases=CasesView(
            opened=cases.opened,
            resolved=cases.resolved,
            share=_rounded(cases.share),
            median_hours=_rounded(cases.median_hours),
        ),
        recovery=RecoveryView(
            recovered=after.recovered,
            still_detractor=after.still_detractor,
            silent=after.silent,
            pending=after.pending,
            share=_rounded(after.share),
        ),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
