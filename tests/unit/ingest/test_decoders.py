"""From one request to its messages: whatever the format, within limits, or undecodable."""

from contextlib import suppress
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.decode.decoders import MAX_BATCH, Name, Undecodable, compile_decoder
from services.ingest.decode.payload import Payload
from services.ingest.mapper.paths import compile_path
from services.ingest.receive.inbound import Inbound, SentHeaders

FORM = "application/x-www-form-urlencoded"
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "answered", "data": {"a": "1"}}


def inbound(body: bytes, content_type: str = "", **headers: str) -> Inbound:
    """One request; header names with `_` for `-`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type:
        sent["content-type"] = content_type
    return Inbound(body, SentHeaders.of(sent))


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        pytest.param("application/json", b'{"a": "1"}', {"a": "1"}, id="json"),
        pytest.param("application/vnd.tool.v1+json", b'{"a": "1"}', {"a": "1"}, id="+json"),
        pytest.param("text/plain", b'{"a": "1"}', {"a": "1"}, id="json that says it is text"),
        pytest.param("", b'{"a": "1"}', {"a": "1"}, id="json that says nothing"),
        pytest.param(FORM, b"a=1", {"a": "1"}, id="form"),
        pytest.param(f"{FORM.upper()} ; charset=UTF-8", b"a=1", {"a": "1"}, id="form, in capitals"),
        pytest.param(
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n',
            {"a": "1"},
            id="multipart",
        ),
        pytest.param("application/cloudevents+json", orjson.dumps(EVENT), EVENT, id="cloudevent"),
    ],
)
def test_auto_goes_by_the_content_type(content_type: str, body: bytes, expected: object) -> None:
    """One address may take what several tools send."""
    assert compile_decoder("auto").read(inbound(body, content_type)) == expected


def bodies(payloads: tuple[Payload, ...]) -> list[object]:
    """What the paths of each message start from."""
    return [payload.body for payload in payloads]


def split(tree: object, **options: Any) -> tuple[Payload, ...]:
    """Split a tree as a source's keys say."""
    return compile_decoder("json", **options).split(tree, Inbound(b"", query=b"k=v"))


def test_one_message_is_one_payload_with_all_that_paths_may_ask() -> None:
    """Body, headers and query string; the message is its own root."""
    (payload,) = compile_decoder().split(
        {"a": 1}, Inbound(b"", SentHeaders.of({"X-Kind": "nps"}), query=b"k=v")
    )
    paths = ("a", "root:a", "header:X-Kind", "query:k")
    assert [compile_path(path)(payload) for path in paths] == [1, 1, "nps", "v"]


@pytest.mark.parametrize(
    ("tree", "each", "expected"),
    [
        pytest.param([{"id": 1}, {"id": 2}], None, [{"id": 1}, {"id": 2}], id="array"),
        pytest.param({"rows": [1, 2]}, "rows", [1, 2], id="a list in the message"),
        pytest.param({"a": {"rows": [1]}}, "a.rows", [1], id="deeper"),
        pytest.param({"a": [[1], [2]]}, "expr:a[]", [1, 2], id="by expression"),
        pytest.param({"ping": 1}, "rows", [{"ping": 1}], id="a ping has no list"),
        pytest.param([{"a": 1}, {"a": 2}], "rows", [{"a": 1}, {"a": 2}], id="an array instead"),
        pytest.param([[1]], None, [[1]], id="a list of lists is split once"),
        pytest.param({"rows": [1]}, None, [{"rows": [1]}], id="not asked for"),
    ],
)
def test_a_batch_is_an_array_or_the_list_at_each(
    tree: object, each: str | None, expected: list[object]
) -> None:
    """Every element is a message of its own, and sees the whole as its root."""
    payloads = split(tree, each=each)
    assert bodies(payloads) == expected
    assert all(payload.root is tree for payload in payloads if payload.body is not tree)


@pytest.mark.parametrize("size", [0, MAX_BATCH + 1])
def test_a_batch_of_none_or_too_many_is_undecodable(size: int) -> None:
    """What one request may store and publish at once is bounded."""
    with pytest.raises(Undecodable, match=f"more than {MAX_BATCH} messages"):
        split([{}] * size)
    assert len(split([{}] * MAX_BATCH)) == MAX_BATCH


@pytest.mark.parametrize(
    ("tree", "options", "expected"),
    [
        pytest.param({"m": '{"a": 1}', "n": "x"}, {}, [{"m": {"a": 1}, "n": "x"}], id="a field"),
        pytest.param({"o": {"m": "[1]"}}, {"json_in": ["o.m"]}, [{"o": {"m": [1]}}], id="deeper"),
        pytest.param({"n": 1}, {}, [{"n": 1}], id="absent"),
        pytest.param({"m": None}, {}, [{"m": None}], id="null"),
        pytest.param({"m": " "}, {}, [{"m": " "}], id="blank"),
        pytest.param({"m": {"a": 1}}, {}, [{"m": {"a": 1}}], id="decoded already"),
        pytest.param([{"m": "1"}, {"m": "2"}], {}, [{"m": 1}, {"m": 2}], id="in each of an array"),
        pytest.param({"m": '[{"m": "3"}]'}, {"each": "m"}, [{"m": 3}], id="a batch as text"),
    ],
)
def test_json_text_in_a_field_is_replaced_by_what_it_holds(
    tree: object, options: dict[str, Any], expected: list[object]
) -> None:
    """Paths go on inside; the tree that a verifier saw keeps the text that was signed."""
    before = orjson.dumps(tree)
    assert bodies(split(tree, **{"json_in": ["m"], **options})) == expected
    assert orjson.dumps(tree) == before


@pytest.mark.parametrize("text", ["{", "x", "[" * 70 + "]" * 70, "\ud800"])
def test_json_text_that_is_none_is_undecodable_naming_the_field(text: str) -> None:
    """The operator reads which field; the text says nothing of what it holds."""
    with pytest.raises(Undecodable, match=r"^field m of JSON text: (not|nested)"):
        split({"o": {"m": text}}, json_in=["o.m"])


def test_an_expression_that_does_not_take_the_message_makes_no_batch() -> None:
    """`each` may be an expression, and a stranger's payload may break it."""
    with pytest.raises(Undecodable, match=r"^`each`: the expression"):
        split({"a": 1}, each="expr:keys(a)")


@pytest.mark.parametrize("path", ["a[0]", "a[k=v]", "a.{b,c}", "a..b"])
def test_a_field_of_json_text_is_named_by_keys_alone(path: str) -> None:
    """Told when the service starts."""
    with pytest.raises(ValueError, match="path"):
        compile_decoder("json", [path])


@pytest.mark.parametrize(
    ("name", "header", "read"),
    [
        pytest.param("json", "content-encoding", True, id="how the body is packed"),
        pytest.param("form", "content-type", True, id="what the body is"),
        pytest.param("cloudevents", "ce-id", True, id="an attribute"),
        pytest.param("json", "ce-id", False, id="no attribute elsewhere"),
        pytest.param("auto", "authorization", False, id="a secret"),
    ],
)
def test_a_decoder_says_which_headers_a_kept_body_needs(
    name: Name, header: str, read: bool
) -> None:
    """A body is decoded again when a mapping was wrong; what is not needed is not kept."""
    assert compile_decoder(name).reads_header(header) is read


CONTENT_TYPES = st.sampled_from(
    ["", FORM, "multipart/form-data; boundary=b", "application/cloudevents+json", "text/x", ";"]
)
PIECES = st.sampled_from(
    [b"--b", b"\r\n", b"--", b'Content-Disposition: form-data; name="a[]"', b"a[b][]=", b"&", b"=",
     b"%c3%a9", b"%ff", b"[", b"]", b"{", b"}", b'"a":', b"1,", b"\xff", b"\x00", b"[]"]
)  # fmt: skip


@settings(max_examples=60)
@given(
    name=st.sampled_from(get_args(Name)),
    body=st.binary(max_size=60) | st.lists(PIECES, max_size=25).map(b"".join),
    content_type=CONTENT_TYPES,
    encoding=st.sampled_from(["", "gzip", "deflate", "br"]),
)
def test_any_bytes_are_decoded_or_undecodable(
    name: Name, body: bytes, content_type: str, encoding: str
) -> None:
    """Nothing else is ever raised, by no decoder."""
    request = inbound(body, content_type, content_encoding=encoding, ce_specversion="1.0")
    decoder = compile_decoder(name, ["a", "b.c"], "a.b")
    with suppress(Undecodable):
        assert decoder.split(decoder.read(request), request)
