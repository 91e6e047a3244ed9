"""A value made of parts that fit is the value that its model makes of them."""

from datetime import UTC, datetime

from shared.events.feedback import Given, ResponseReceived
from shared.events.made import made
from shared.events.vocabulary import ConsentStatement, Identifier

_AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def _fields() -> dict[str, object]:
    return {
        "source": "shop",
        "survey": "relational",
        "response_id": "R-1",
        "revision": 7,
        "metric": "csat",
        "given": Given(value=4, least=1, most=5, band="passive"),
        "answered_at": _AT,
        "answered_at_origin": "platform",
        "received_at": _AT,
        "complete": True,
        "identifiers": (Identifier(kind="email", value="ana@example.com"),),
        "answers": {"score": 4, "reasons": ["price"], "comment": None},
        "attributes": {"store": "Nantes"},
        "consents": (
            ConsentStatement(channel="email", purpose="survey", granted=True, said_at=_AT),
        ),
        "history": False,
        "provenance": None,
    }


def test_it_is_the_value_that_the_model_makes() -> None:
    """Equal, of equal text and JSON, copied alike; and it has every field in the model's order."""
    ours, theirs = made(ResponseReceived, _fields()), ResponseReceived.model_validate(_fields())

    assert list(_fields()) == list(ResponseReceived.model_fields)
    assert ours == theirs
    assert repr(ours) == repr(theirs)
    assert ours.model_dump_json() == theirs.model_dump_json()
    assert ours.model_fields_set == theirs.model_fields_set
    assert ours.model_copy(update={"revision": 8}) == theirs.model_copy(update={"revision": 8})
