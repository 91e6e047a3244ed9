"""CloudEvents: structured, batched and binary deliveries in one shape."""

from typing import Any

import orjson
import pytest

from services.ingest.decode.decoders import compile_decoder
from services.ingest.decode.limits import Undecodable
from services.ingest.receive.inbound import Inbound, SentHeaders

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/surveys/relational",
    "type": "survey.answered",
    "time": "2026-03-02T09:14:57Z",
    "subject": "café",
    "tenant": "north",
}
DATA = {"score": 9}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BINARY = {
    "content-type": "application/json",
    **{f"Ce-{name}": value for name, value in ATTRIBUTES.items()},
    "ce-subject": "caf%C3%A9",
}


def read(body: bytes, headers: dict[str, str]) -> Any:
    """Decode one delivery."""
    return compile_decoder("cloudevents").read(Inbound(body, SentHeaders.of(headers)))


def test_the_three_modes_give_one_shape() -> None:
    """A mapping is written once, however the sender delivers; extensions stand beside the rest."""
    event = {**ATTRIBUTES, "data": DATA}
    structured = read(orjson.dumps(event), STRUCTURED)
    (batched,) = read(orjson.dumps([event]), {"content-type": "application/cloudevents-batch+json"})
    headers = {name: value for name, value in BINARY.items() if name != "Ce-subject"}
    binary = read(orjson.dumps(DATA), headers)
    assert structured == batched == event
    assert binary == {**event, "datacontenttype": "application/json"}


def test_a_batch_is_split_into_its_events() -> None:
    """Each event is a message of its own."""
    decoder = compile_decoder("cloudevents")
    inbound = Inbound(orjson.dumps([{**ATTRIBUTES, "id": number} for number in "abc"]))
    payloads = decoder.split(decoder.read(inbound), inbound)
    assert [payload.body["id"] for payload in payloads if isinstance(payload.body, dict)] == [
        *"abc"
    ]


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        pytest.param(b"score=9", {"content-type": "application/x-www-form-urlencoded"},
                     {"score": "9"}, id="a form"),
        pytest.param(b"", {}, None, id="no data"),
        pytest.param(b"[1]", {"content-type": "application/x+json"}, [1], id="+json"),
    ],
)  # fmt: skip
def test_binary_data_is_decoded_by_its_content_type(
    body: bytes, headers: dict[str, str], expected: object
) -> None:
    """Data may be any of the formats; an event may have none."""
    sent = {**{n: v for n, v in BINARY.items() if n not in ("content-type", "Ce-subject")}}
    assert read(body, {**sent, **headers}).get("data") == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"data_base64": "eyJhIjoxfQ=="}, {"a": 1}, id="JSON"),
        pytest.param(
            {"data_base64": "Y2Fmw6k=", "datacontenttype": "text/plain"}, "café", id="text"
        ),
    ],
)
def test_data_in_base64_is_data(more: dict[str, str], expected: object) -> None:
    """Some libraries send bytes whatever the content."""
    event = read(orjson.dumps({**ATTRIBUTES, **more}), STRUCTURED)
    assert event["data"] == expected
    assert "data_base64" not in event


def structured(**changes: Any) -> bytes:
    """An event with attributes changed; None takes one away."""
    event = {**ATTRIBUTES, **changes}
    return orjson.dumps({name: value for name, value in event.items() if value is not None})


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"{", STRUCTURED, id="not JSON"),
        pytest.param(b'"x"', STRUCTURED, id="not a map"),
        pytest.param(b"[1]", STRUCTURED, id="a batch of none"),
        pytest.param(structured(id=None), STRUCTURED, id="no id"),
        pytest.param(structured(source=""), STRUCTURED, id="empty source"),
        pytest.param(structured(type=7), STRUCTURED, id="a type that is no text"),
        pytest.param(structured(specversion="2.0"), STRUCTURED, id="another version"),
        pytest.param(structured(data_base64="*"), STRUCTURED, id="not base64"),
        pytest.param(structured(data_base64=7), STRUCTURED, id="base64 that is no text"),
        pytest.param(
            structured(data_base64="/w==", datacontenttype="text/plain"), STRUCTURED, id="not UTF-8"
        ),
        pytest.param(b"{}", {"ce-specversion": "1.0"}, id="binary without its attributes"),
        pytest.param(b"{", {**BINARY, "ce-x": "1"}, id="binary with broken data"),
        pytest.param(b"{}", {**BINARY, "ce-x": "%ff"}, id="an attribute that is not UTF-8"),
    ],
)
def test_what_is_no_cloudevent_is_undecodable(body: bytes, headers: dict[str, str]) -> None:
    """The text names the rule and nothing of the event."""
    with pytest.raises(Undecodable, match=r"CloudEvent|not JSON"):
        read(body, headers)


def test_a_doubled_attribute_is_undecodable() -> None:
    """Two ids are none."""
    pairs = [(f"ce-{name}".encode(), b"1.0") for name in ("id", "source", "specversion", "type")]
    inbound = Inbound(b"", SentHeaders([*pairs, (b"ce-id", b"2")]))
    with pytest.raises(Undecodable, match="doubled"):
        compile_decoder("cloudevents").read(inbound)


def test_an_attribute_cannot_stand_for_the_data() -> None:
    """`ce-data` is no attribute of the standard."""
    headers = {name: value for name, value in BINARY.items() if name != "Ce-subject"}
    assert "data" not in read(b"", {**headers, "ce-data": "x"})
