"""Multipart forms: fields as texts, files by name and size alone."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.decode.limits import Undecodable
from services.ingest.decode.multipart import (
    MAX_CONTENT_TYPE,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PARAMETERS,
    MAX_PARTS,
    decode_multipart,
)

TYPE = 'multipart/form-data; boundary="x-y"'


def part(name: str, content: bytes, *, more: str = "", headers: str = "") -> bytes:
    """One part; `more` goes on in its disposition."""
    disposition = f'Content-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'
    return b"--x-y\r\n" + disposition.encode() + content + b"\r\n"


END = b"--x-y--\r\n"


def test_parts_are_the_fields_of_a_form() -> None:
    """Texts of any alphabet, bracketed names, an empty value, line ends inside."""
    body = (
        part("submissionID", b"123")
        + part("réponse", "Très\r\nbien".encode())
        + part("why[]", b"price", headers="Content-Type: text/plain; charset=utf-8\r\n")
        + part("why[]", b"delay", headers="Content-Transfer-Encoding: 8bit\r\n")
        + part("empty", b"")
        + END
    )
    assert decode_multipart(body, TYPE) == {
        "submissionID": "123",
        "réponse": "Très\r\nbien",
        "why": ["price", "delay"],
        "empty": "",
    }


def test_a_file_is_its_name_type_and_size() -> None:
    """What it holds is never kept, whatever it is."""
    file = part(
        "photo", b"\xff\x00" * 500, more='; filename="é.png"', headers="Content-Type: image/png\r\n"
    )
    body = part("a", b"1") + file + part("none", b"", more='; filename=""') + END
    assert decode_multipart(body, TYPE) == {
        "a": "1",
        "photo": {"name": "é.png", "type": "image/png", "size": 1000},
        "none": {"name": "", "type": "", "size": 0},
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"", TYPE, id="empty"),
        pytest.param(END, TYPE, id="no part"),
        pytest.param(b"a=1", TYPE, id="a plain form"),
        pytest.param(part("a", b"1") + END, "multipart/form-data", id="no boundary"),
        pytest.param(part("a", b"1") + END, "", id="no content type"),
        pytest.param(part("a", b"1") + END, TYPE.replace("x-y", "z" * 300), id="long boundary"),
        pytest.param(part("a", b"1") + END, TYPE + " " * MAX_CONTENT_TYPE, id="long content type"),
        pytest.param(part("a", b"1"), TYPE, id="cut off before the end"),
        pytest.param(part("a", b"1")[:-5], TYPE, id="cut off in a part"),
        pytest.param(part("a", b"\xff") + END, TYPE, id="a text that is not utf-8"),
        pytest.param(b"--x-y\r\n\r\n1\r\n" + END, TYPE, id="a part without a disposition"),
        pytest.param(
            b"--x-y\r\nContent-Disposition: attachment\r\n\r\n1\r\n" + END, TYPE, id="not a field"
        ),
        pytest.param(
            part("a", b"MQ==", headers="Content-Transfer-Encoding: base64\r\n") + END,
            TYPE,
            id="a part in base64",
        ),
        pytest.param(part("a", b"1") * (MAX_PARTS + 1) + END, TYPE, id="too many parts"),
        pytest.param(
            part("a", b"\r\n--x-yz" * (MAX_PARTS + 1)) + END, TYPE, id="lines like the boundary"
        ),
        pytest.param(part("a", b"1", headers="X: y\r\n" * MAX_HEADERS) + END, TYPE, id="headers"),
        pytest.param(
            part("a", b"1", headers=f"X: {'y' * MAX_HEADER_BYTES}\r\n") + END, TYPE, id="header"
        ),
        pytest.param(part("a", b"1", more="; b=c" * MAX_PARAMETERS) + END, TYPE, id="parameters"),
        pytest.param(part("a", b"1") + part("a[b]", b"2") + END, TYPE, id="a text and a group"),
    ],
)
def test_what_is_no_multipart_within_limits_is_undecodable(body: bytes, content_type: str) -> None:
    """Each is refused by its rule; the text holds nothing of the body."""
    with pytest.raises(Undecodable, match=r"multipart|a form in which"):
        decode_multipart(body, content_type)


def test_as_many_parts_as_allowed_pass() -> None:
    """The limit is where it is said to be."""
    body = b"".join(part(f"f{number}", b"1") for number in range(MAX_PARTS)) + END
    assert len(decode_multipart(body, TYPE)) == MAX_PARTS


def test_nothing_is_logged_of_a_broken_body(caplog: pytest.LogCaptureFixture) -> None:
    """A stranger must not fill the log; the answer says what is wrong."""
    with caplog.at_level("DEBUG"), pytest.raises(Undecodable):
        decode_multipart(b"--z\r\n", TYPE)
    assert caplog.records == []


@settings(max_examples=60)
@given(
    pieces=st.lists(
        st.sampled_from(
            [part("a", b"1"), part("b[]", b""), b"--x-y", b"\r\n", END, b"-", b":", b" ", b"\xff"]
        ),
        max_size=8,
    ),
    content_type=st.just(TYPE) | st.text("multipart/; boundary=\"'*x-y\xff", max_size=40),
)
def test_any_pieces_are_read_or_undecodable(pieces: list[bytes], content_type: str) -> None:
    """Wherever it breaks off, whatever stands between."""
    with suppress(Undecodable):
        assert decode_multipart(b"".join(pieces), content_type)
