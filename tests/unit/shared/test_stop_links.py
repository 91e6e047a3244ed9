"""Links to unsubscribe: whoever holds one may stop its messages, and nobody can make one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.keyed import Keyed
from shared.stop_links import Stop, StopLinks

DELIVERY = UUID("0b0c5c0e-6f7e-5f0c-9a54-5f3b7f8f1f10")
LINKS = StopLinks(b"key of the tests")
STOP = Stop(DELIVERY, "marketing")
TOKEN = LINKS.token(STOP)


@given(delivery=st.uuids(), contact_class=st.sampled_from(["marketing", "survey"]))
def test_a_token_says_what_it_was_made_for(delivery: UUID, contact_class: str) -> None:
    """Written again it is the same, in characters that no URL and no mail program changes."""
    stop = Stop(delivery, "survey" if contact_class == "survey" else "marketing")
    token = LINKS.token(stop)
    assert LINKS.read(token) == stop
    assert token == LINKS.token(stop)
    assert token.isascii()
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="nothing"),
        pytest.param(TOKEN[:-1], id="cut off"),
        pytest.param(TOKEN + "A", id="too long"),
        pytest.param(TOKEN + "=", id="padded"),
        pytest.param(TOKEN + "\n", id="with a line's end"),
        pytest.param("é" + TOKEN[1:], id="not of the alphabet"),
        pytest.param(str(DELIVERY), id="the delivery's id alone"),
        pytest.param(StopLinks(b"another key").token(STOP), id="of another key"),
        pytest.param("A" * 44, id="all zeros"),
    ],
)
def test_what_we_did_not_make_says_nothing(forged: str) -> None:
    """Whether it was mistyped or made up."""
    assert LINKS.read(forged) is None


@given(place=st.integers(0, 32), bit=st.integers(0, 7))
def test_a_token_with_one_bit_changed_says_nothing(place: int, bit: int) -> None:
    """Neither another delivery nor another class can be written into it."""
    raw = bytearray(urlsafe_b64decode(TOKEN))
    raw[place] ^= 1 << bit
    assert LINKS.read(urlsafe_b64encode(raw).decode()) is None


def test_a_class_that_a_later_release_knows_is_not_guessed() -> None:
    """It is signed, and still none of ours."""
    said = bytes([9]) + DELIVERY.bytes
    key = Keyed(Keyed(b"key of the tests").digest(b"one-click unsubscribe"))
    assert LINKS.read(urlsafe_b64encode(said + key.digest(said)[:16]).decode()) is None
