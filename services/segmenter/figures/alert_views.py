"""Alerts on figures as the API shows them. Pure."""

from collections.abc import Iterable
from datetime import datetime

from services.segmenter.figures.showing import difference_view, period_view, score_view
from services.segmenter.figures.views import DifferenceView, PeriodView, ScoreView, View
from services.segmenter.figures.watching import Direction, Reason, Standing, State
from services.segmenter.policy.whole import Policy


class AlertView(View):
    """One alert and group (`value` null: all together), in its state since a moment.

    `baseline` is the period before the change, `period` the newest that was compared with it;
    `difference` is that of their scores.
    """

    alert: str
    value: str | None
    state: State
    since: datetime
    reason: Reason
    direction: Direction
    periods: int
    baseline: PeriodView
    before: ScoreView
    period: PeriodView
    after: ScoreView
    difference: DifferenceView | None


class AlertsView(View):
    """Those that ever opened, open ones first, then by the newest change."""

    alerts: tuple[AlertView, ...]


def alerts_view(found: Iterable[Standing], policy: Policy, state: State | None) -> AlertsView:
    """Show alerts, those of one state only where it is given."""
    minimum = {
        alert.name: alert.minimum_n or policy.statistics.minimum_n for alert in policy.alerts
    }
    return AlertsView(
        alerts=tuple(
            _alert(one, minimum[one.alert]) for one in found if state is None or one.state == state
        )
    )


def _alert(one: Standing, minimum_n: int) -> AlertView:
    return AlertView(
        alert=one.alert,
        value=one.value or None,
        state=one.state,
        since=one.since,
        reason=one.reason,
        direction=one.direction,
        periods=one.periods,
        baseline=period_view(one.baseline),
        before=score_view(one.then, minimum_n),
        period=period_view(one.period),
        after=score_view(one.now, minimum_n),
        difference=difference_view(one.now, one.then, minimum_n),
    )
