"""What the dispatcher reads of the topic that it tells on: everything but its own telling."""

from uuid import UUID

import pytest

from services.dispatcher.tell.tell import SOURCE, not_told_by_us
from shared.events.envelope import Event, EventData, encode
from shared.events.outcomes import ActionCompleted, DeliverySettled, MessageSent
from tests.builders.decisions import NOW, decision

ID = UUID(int=7)
SETTLED = DeliverySettled(
    delivery_id=ID,
    change=2,
    customer_id=ID,
    cause_id=ID,
    play="sorry",
    action="reassurance",
    channel="email",
    contact_class="service",
    target="sandbox",
    state="accepted",
    message="none",
    reason="HTTP 200",
    at=NOW,
)


def test_its_own_telling_is_passed_over_before_it_is_decoded() -> None:
    """As the teller writes it, whatever its id."""
    assert not not_told_by_us(encode(Event(ID, SOURCE, NOW, SETTLED)))


@pytest.mark.parametrize(
    ("source", "data"),
    [
        pytest.param("nps/another", SETTLED, id="told by somebody else"),
        pytest.param(SOURCE, decision(attributes={"a": "b"}), id="of another type"),
        pytest.param(
            "nps/segmenter",
            decision(attributes={"source": SOURCE, "type": DeliverySettled.TYPE}),
            id="data that names it",
        ),
        pytest.param(
            "nps/segmenter",
            decision(attributes={"x": f'","source":"{SOURCE}","type":"{DeliverySettled.TYPE}",'}),
            id="data that looks like it",
        ),
        pytest.param(
            "nps/ingest",
            MessageSent(delivery_id=ID, channel="email", occurred_at=NOW),
            id="a message was sent",
        ),
        pytest.param(
            "nps/ingest",
            ActionCompleted(what="review_left", delivery_id=ID, occurred_at=NOW),
            id="she did it",
        ),
    ],
)
def test_everything_else_is_read(source: str, data: EventData) -> None:
    """Only the envelope counts, never what is in the data."""
    assert not_told_by_us(encode(Event(ID, source, NOW, data)))
