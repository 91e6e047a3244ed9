"""What a week brought to a store, as the segmenter tells it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.events import ids
from shared.events.decisions import OwnerWeekCounted
from shared.events.envelope import Event

#: A Monday at eight in Paris.
DUE = datetime(2026, 3, 16, 7, tzinfo=UTC)


def week(**changes: Any) -> OwnerWeekCounted:
    """The week of 9 to 15 March in Lyon."""
    given: dict[str, Any] = {
        "digest": "stores",
        "attribute": "store",
        "owner": "Lyon",
        "zone": "Europe/Paris",
        "start": datetime(2026, 3, 8, 23, tzinfo=UTC),
        "end": datetime(2026, 3, 15, 23, tzinfo=UTC),
        "due_at": DUE,
        "as_of": DUE,
        "detractors": 12,
        "passives": 8,
        "promoters": 20,
        "nps": 20.0,
        "low": -7.1,
        "high": 43.6,
        "too_few": False,
        "answers_before": 38,
        "nps_before": -10.5,
        "changed": True,
        "themes": [
            {"theme": "price", "answers": 9, "detractors": 7},
            {"theme": "delivery", "answers": 4, "detractors": 0},
        ],
        "cases_opened": 5,
        "cases_resolved": 3,
        "cases_open": 4,
        "commented": 14,
        "comments": [
            {"customer_id": UUID(int=1), "score": 2, "theme": "price"},
            {"customer_id": UUID(int=2), "score": 9},
        ],
    }
    return OwnerWeekCounted.model_validate({**given, **changes})


def counted(data: OwnerWeekCounted) -> Event:
    """The event of a week, named as the segmenter names it."""
    monday = data.start.date()
    return Event(ids.owner_week(data.digest, data.owner, monday), "nps/segmenter", DUE, data)
