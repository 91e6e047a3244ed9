"""A change of a watched figure as the event that tells it. Pure."""

from services.segmenter.figures import nps
from services.segmenter.figures.difference import difference
from services.segmenter.figures.nps import Counts
from services.segmenter.figures.question import Period
from services.segmenter.figures.watching import Standing
from services.segmenter.policy.alerts import FigureAlert
from shared.events import ids
from shared.events.decisions import FigureChanged, FigureScore
from shared.events.envelope import Event


def tell(alert: FigureAlert, one: Standing, *, minimum_n: int, zone: str) -> Event:
    """Write how one group of an alert stands now; days are those of `zone`.

    The difference is shown at 95 %, as `GET /v1/nps/alerts` does, however many groups there are.
    """
    apart = difference(one.now, one.then, minimum_n=minimum_n)
    data = FigureChanged(
        alert=one.alert,
        survey=alert.survey,
        source=alert.source,
        by=alert.by,
        value=one.value or None,
        zone=zone,
        state=one.state,
        reason=one.reason,
        direction=one.direction,
        since=one.since,
        before=_score(one.then, one.baseline),
        after=_score(one.now, one.period),
        points=_shown(apart.points if apart else None),
        low=_shown(apart.interval.low if apart else None),
        high=_shown(apart.interval.high if apart else None),
    )
    event_id = ids.figure_change(one.alert, one.value, one.state, one.direction, one.since)
    return Event(id=event_id, source="nps/segmenter", time=one.since, data=data)


def _score(counts: Counts, period: Period) -> FigureScore:
    return FigureScore(
        start=period.start,
        end=period.end,
        detractors=counts.detractors,
        passives=counts.passives,
        promoters=counts.promoters,
        nps=_shown(nps.score(counts)),
    )


def _shown(value: float | None) -> float | None:
    """Round as the API does."""
    return None if value is None else round(value, 1)
