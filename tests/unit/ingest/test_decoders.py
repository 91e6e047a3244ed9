"""From bytes to values, within limits."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.decoders import MAX_DEPTH, Undecodable, decode_json


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe{}", id="not utf-8"),
        pytest.param(b'"\\ud800"', id="lone surrogate"),
        pytest.param(b"[NaN]", id="nan"),
        pytest.param(b"[-Infinity]", id="infinity"),
        pytest.param(b"1e400", id="number beyond floats"),
        pytest.param(b"9" * 5000, id="number bomb"),
        pytest.param(b"{} {}", id="two documents"),
        pytest.param(b"[" * 200_000, id="open brackets"),
        pytest.param(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), id="one level too deep"),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, id="deep maps"),
    ],
)
def test_what_is_no_json_within_limits_is_undecodable(body: bytes) -> None:
    """Each is refused by its rule; the text holds nothing of the body."""
    with pytest.raises(Undecodable, match=r"^(not JSON in UTF-8|nested deeper|more than)"):
        decode_json(body)


def test_the_deepest_allowed_and_the_widest_pass() -> None:
    """The limit counts levels, not brackets."""
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert orjson.dumps(decode_json(deepest)) == deepest
    wide = b"[" + b",".join([b"{}"] * 1000) + b"]"
    assert decode_json(wide) == [{}] * 1000


@given(body=st.binary(max_size=200))
def test_any_bytes_are_decoded_or_undecodable(body: bytes) -> None:
    """Nothing else is ever raised."""
    with suppress(Undecodable):
        assert orjson.dumps(decode_json(body)) is not None
