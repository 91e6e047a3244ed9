"""A figure that changed, as the segmenter tells it."""

from datetime import UTC, datetime
from typing import Any

from shared.events import ids
from shared.events.decisions import FigureChanged
from shared.events.envelope import Event

#: A Monday at nine in Paris.
SINCE = datetime(2026, 3, 16, 8, tzinfo=UTC)


def figure(**changes: Any) -> FigureChanged:
    """The score of Lyon fell in the week of 9 to 15 March."""
    given: dict[str, Any] = {
        "alert": "stores",
        "by": "attribute:store",
        "value": "Lyon",
        "zone": "Europe/Paris",
        "state": "open",
        "reason": "changed",
        "direction": "down",
        "since": SINCE,
        "before": {
            "start": datetime(2026, 3, 1, 23, tzinfo=UTC),
            "end": datetime(2026, 3, 8, 23, tzinfo=UTC),
            "detractors": 4,
            "passives": 10,
            "promoters": 26,
            "nps": 55.0,
        },
        "after": {
            "start": datetime(2026, 3, 8, 23, tzinfo=UTC),
            "end": datetime(2026, 3, 15, 23, tzinfo=UTC),
            "detractors": 20,
            "passives": 10,
            "promoters": 10,
            "nps": -25.0,
        },
        "points": -80.0,
        "low": -107.6,
        "high": -40.3,
    }
    return FigureChanged.model_validate({**given, **changes})


def quiet(**changes: Any) -> FigureChanged:
    """It is back a week later."""
    return figure(**{"state": "quiet", "reason": "back", **changes})


def told(data: FigureChanged) -> Event:
    """The event of a change, named as the segmenter names it."""
    parts = (data.alert, data.value or "", data.state, data.direction, data.since)
    return Event(ids.figure_change(*parts), "nps/segmenter", data.since, data)
