"""Which trace an event belongs to."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from shared.events import ids
from shared.events.envelope import Event
from shared.traces.causes import cause_of
from tests.builders.decisions import decision, told
from tests.builders.facts import NOON, answered, case, settled, updated

CUSTOMER = UUID("00000000-0000-4000-8000-000000000001")
ANSWER = ids.response_cause("demo", "nps", "r1")


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        pytest.param(answered("r1", 3), lambda _: ANSWER, id="answer"),
        pytest.param(
            answered("r1", 3, at=NOON + timedelta(hours=1), comment="Trop cher"),
            lambda _: ANSWER,
            id="its revision",
        ),
        pytest.param(
            case("resolved", "helpdesk/1"), lambda _: ids.case_cause("helpdesk/1"), id="case"
        ),
        pytest.param(told(decision(cause=ANSWER)), lambda _: ANSWER, id="decision"),
        pytest.param(settled(CUSTOMER), lambda e: e.data.cause_id, id="outcome"),
        pytest.param(updated(), lambda e: ids.event_cause(e.id), id="anything else"),
    ],
)
def test_an_event_is_of_the_trace_of_its_cause(
    event: Event, cause: Callable[[Event], UUID]
) -> None:
    """The same id that decisions and deliveries carry, found without any of them."""
    assert cause_of(event) == cause(event)
