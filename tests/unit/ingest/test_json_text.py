"""JSON within limits."""

import orjson
import pytest

from services.ingest.decode.json_text import decode_json
from services.ingest.decode.limits import MAX_CONTAINERS, MAX_DEPTH, Undecodable


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe{}", id="not utf-8"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'["\\ud83d"', id="half a letter in what is no JSON"),
        pytest.param(b'["\\ud83d"' + b',"\\n"' * 70_000 + b"]", id="flood of escapes"),
        pytest.param(b"[NaN]", id="nan"),
        pytest.param(b"[-Infinity]", id="infinity"),
        pytest.param(b"1e400", id="number beyond floats"),
        pytest.param(b"9" * 5000, id="number bomb"),
        pytest.param(b"{} {}", id="two documents"),
        pytest.param(b'{"a": 1,}', id="comma too many"),
        pytest.param(b"[" * 200_000, id="open brackets"),
        pytest.param(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), id="one level too deep"),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, id="deep maps"),
        pytest.param(b"[" + b"[]," * MAX_CONTAINERS + b"[]]", id="flood of lists"),
    ],
)
def test_what_is_no_json_within_limits_is_undecodable(body: bytes) -> None:
    """Each is refused by its rule; the text holds nothing of the body."""
    with pytest.raises(Undecodable, match=r"^(not JSON in UTF-8|nested deeper|more than)"):
        decode_json(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'\xef\xbb\xbf{"a": 1}', {"a": 1}, id="after the mark of UTF-8"),
        pytest.param(b'{"a": 1, "a": 2}', {"a": 2}, id="a doubled key: the last"),
        pytest.param(b'"a\\u0000b"', "a\x00b", id="a NUL in a text is cleaned where it is read"),
        pytest.param(b"123456789012345678901", 123456789012345680000.0, id="beyond 64 bits"),
        pytest.param(b'"Merci \\ud83d"', "Merci \ufffd", id="a text cut amid an emoji"),
        pytest.param(b'"\\uDE00 a \\ud83d\\ud83d"', "\ufffd a \ufffd\ufffd", id="halves alone"),
        pytest.param(
            b'"\\\\ud83d \\\\\\ud83d \\ud83d\\ude00"',
            "\\ud83d \\\ufffd \U0001f600",
            id="beside whole ones and what only looks like one",
        ),
        pytest.param(b'"' + b"[{" * 100 + b'"', "[{" * 100, id="brackets in a text"),
    ],
)
def test_what_is_json_is_read(body: bytes, expected: object) -> None:
    """The corners that senders do reach."""
    assert decode_json(body) == expected


def test_the_deepest_allowed_and_the_widest_pass() -> None:
    """The limit counts levels, not brackets."""
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert orjson.dumps(decode_json(deepest)) == deepest
    wide = b"[" + b",".join([b"{}"] * 1000) + b"]"
    assert decode_json(wide) == [{}] * 1000
