"""Where a span is, as one process tells it to the next."""

from uuid import UUID

import pytest

from shared.traces.places import Place, read, span_of, told_in, trace_of

TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
TEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("written", "place"),
    [
        pytest.param(TEXT, Place(TRACE, SPAN, sampled=True), id="sampled"),
        pytest.param(f"{TEXT[:-2]}00", Place(TRACE, SPAN, sampled=False), id="not sampled"),
        pytest.param(f"{TEXT[:-2]}03", Place(TRACE, SPAN, sampled=True), id="with another flag"),
        pytest.param(f"cc{TEXT[2:]}-more", Place(TRACE, SPAN, sampled=True), id="a later version"),
        pytest.param(f"{TEXT}-more", None, id="this version says no more"),
        pytest.param(f"ff{TEXT[2:]}", None, id="no version"),
        pytest.param(TEXT.upper(), None, id="capitals"),
        pytest.param(f"00-{0:032x}-{SPAN:016x}-01", None, id="no trace"),
        pytest.param(f"00-{TRACE:032x}-{0:016x}-01", None, id="no span"),
        pytest.param(f"{TEXT}\n", None, id="a line break"),
        pytest.param("", None, id="nothing"),
        pytest.param("camille@example.com", None, id="something else"),
    ],
)
def test_a_traceparent_is_read_as_w3c_has_it(written: str, place: Place | None) -> None:
    """What is none is as if it were not there: senders may say anything."""
    assert read(written) == place


def test_a_place_is_written_as_it_is_read() -> None:
    """On the bus as in HTTP, under the standard's name."""
    place = Place(TRACE, SPAN, sampled=True)

    assert str(place) == TEXT
    assert place.header() == ("traceparent", TEXT.encode())
    assert told_in([("other", b"1"), place.header()]) == place
    assert told_in([("other", b"1")]) is None
    assert told_in([("traceparent", b"\xff")]) is None


def test_the_trace_has_the_digits_of_its_cause() -> None:
    """Who reads a cause in a delivery enters it where traces are looked up."""
    cause = UUID("4bf92f35-77b3-5da6-a3ce-929d0e0e4736")

    assert f"{trace_of(cause):032x}" == cause.hex
    assert f"{span_of(cause):016x}" == cause.hex[16:]
