"""Where a field is: every form of path, and every way not to find anything."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.mapper.paths import MISSING, Payload, compile_path, quote
from services.ingest.receive.inbound import SentHeaders

BODY: dict[str, Any] = {
    "a": {"b": 0, "none": None, "empty": ""},
    "with.dot": {"and [brackets]": 1, 'and "quotes"': 2, "back\\slash": 3, "and, comma": 4},
    "Which of these?": "yes",
    "$id": 4,
    "answers": [
        {"field": {"ref": "score", "id": 7}, "number": 0},
        {"field": {"ref": "why.not"}, "text": "late"},
        {"field": {"ref": "score"}, "number": 5},
        {"field": {"ref": True}, "number": 6},
        "not a map",
        None,
    ],
    "rows": [{"a": 2, "b": 1, "v": "by b"}, {"a": 1, "v": "by a"}],
    "asked": [
        {
            "key": "several",
            "value": ["o2", "o9", 3, None],
            "options": [{"id": "o1"}, {"id": "o2", "text": "Delay"}, {"id": 3, "text": "Price"}],
        },
        {"key": "one", "value": "o1", "options": [{"id": "o1", "text": "Yes"}, "no map"]},
        {"key": "number", "value": 0},
        {"key": "blank", "value": None, "options": []},
    ],
    "nested": [{"k": "x", "list": [{"k": "y", "v": 8}]}],
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("a.b", 0, id="keys"),
        pytest.param("a.none", None, id="explicit null"),
        pytest.param("a.empty", "", id="empty text"),
        pytest.param("a.c", MISSING, id="missing key"),
        pytest.param("a.none.c", MISSING, id="below null"),
        pytest.param("a.b.c", MISSING, id="below a number"),
        pytest.param('"with.dot"."and [brackets]"', 1, id="quoted"),
        pytest.param(r'"with.dot"."and \"quotes\""', 2, id="quotes in quotes"),
        pytest.param(r'"with.dot"."back\\slash"', 3, id="backslash in quotes"),
        pytest.param("Which of these?", "yes", id="spaces and question mark"),
        pytest.param("$id", 4, id="dollar"),
        pytest.param("answers[field.ref=score].number", 0, id="by value, the first of two"),
        pytest.param("answers[field.id=7].number", 0, id="by number"),
        pytest.param("answers[field.ref=true].number", 6, id="by boolean"),
        pytest.param('answers[field.ref="why.not"].text', "late", id="by quoted value"),
        pytest.param("answers[field.ref=why.not].text", "late", id="by bare value with a dot"),
        pytest.param("answers[field.ref=absent].text", MISSING, id="no such element"),
        pytest.param("a[b=0]", MISSING, id="not a list"),
        pytest.param("answers[1].text", "late", id="by place"),
        pytest.param("answers[99].text", MISSING, id="no such place"),
        pytest.param("nested[k=x].list[k=y].v", 8, id="list in a list"),
        pytest.param("answers[field.ref,field.id=7].number", 0, id="by either key"),
        pytest.param('answers[field.id,field."ref"=why.not].text', "late", id="the other key"),
        pytest.param("rows[a,b=1].v", "by a", id="by either key: the first key goes first"),
        pytest.param("answers[field.ref=score].{text,number}", 0, id="the first that is there"),
        pytest.param("a.{empty,b}", 0, id="the first that says something"),
        pytest.param("a.{empty,none,c}", None, id="null, if nothing is said"),
        pytest.param("a.{c,empty}", MISSING, id="no alternative says something"),
        pytest.param('"with.dot".{x,"and, comma"}', 4, id="alternatives in quotes"),
        pytest.param("asked[key=one].{value=options[id].text}", "Yes", id="the text of an option"),
        pytest.param(
            "asked[key=several].{text,value=options[id].text}",
            ["Delay", "o9", "Price", None],
            id="the texts of several options; what is none stays",
        ),
        pytest.param("asked[key=number].{value=options[id].text}", 0, id="no options"),
        pytest.param("asked[key=blank].{value=options[id].text}", None, id="nothing chosen"),
        pytest.param("asked[key=gone].{value=options[id].text}", MISSING, id="nothing asked"),
        pytest.param("root:sent_at", "now", id="from the whole message"),
        pytest.param("root:rows[a=2].v", "in the whole", id="a list of the whole message"),
        pytest.param("rows[a=2].v", "by b", id="… is another list than the element's"),
        pytest.param("query:survey", "r 1", id="query string"),
        pytest.param("query:absent", MISSING, id="query string without it"),
        pytest.param("expr:answers[?number > `0`].number | [0]", 5, id="JMESPath"),
        pytest.param("expr:a.none", MISSING, id="JMESPath that finds nothing"),
        pytest.param("header:X-Kind", "nps", id="header"),
        pytest.param("header:X-Absent", MISSING, id="header missing"),
    ],
)
def test_a_path_finds_what_it_names(path: str, expected: object) -> None:
    """A value, an explicit null, or MISSING; never an error for a payload."""
    root = {"sent_at": "now", "rows": [{"a": 2, "v": "in the whole"}]}
    payload = Payload(BODY, SentHeaders.of({"X-Kind": "nps"}), root, b"survey=r+1&x")
    # Twice, and after another path of the same list: an index must change nothing.
    assert compile_path(path)(payload) == compile_path(path)(payload) == expected
    compile_path("root:rows[a=1].v")(payload)
    assert compile_path(path)(payload) == expected


def test_a_path_may_start_in_a_list() -> None:
    """A payload that is a list itself is read by place or by value."""
    payload = Payload([{"k": "x", "v": 1}])
    assert compile_path("[0].v")(payload) == compile_path("[k=x].v")(payload) == 1


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a[",
        "a[]",
        "a[b",
        "a[b=]",
        "a[=c]",
        "a]b",
        'a."b',
        'a"b"',
        "a[b=c",
        "a[b,=c]",
        "a[b,c]",
        "a.{b",
        "a.{}",
        "a.{b,}",
        "a.{b}.c",
        "a.{b[0]}",
        "a.{b=c}",
        "a.{b=c[d]}",
        "a.{b=c[d].}",
        "{a,b}",
        "a.b{c}",
        "root:",
        "root:a.",
        "root:.a",
    ],
)
def test_a_path_that_does_not_read_is_told_with_its_place(path: str) -> None:
    """The operator sees the character at fault when the service starts."""
    with pytest.raises(ValueError, match=r"character \d+: expected"):
        compile_path(path)


def test_the_whole_message_is_its_own_root() -> None:
    """A message that came alone."""
    assert compile_path("root:a.b")(Payload(BODY)) == 0


@pytest.mark.parametrize("query", [b"\xff=1", b"&" * 1000, b""])
def test_a_broken_query_string_says_nothing(query: bytes) -> None:
    """It is not signed by most platforms, and anybody may write it."""
    assert compile_path("query:a")(Payload({}, query=query)) is MISSING


def test_a_list_is_indexed_once_for_all_paths_that_ask_the_same_key() -> None:
    """Twelve questions cost one walk over the answers, not twelve."""
    payload = Payload(BODY)
    for ref in ("score", "why.not", "absent"):
        compile_path(f'answers[field.ref="{ref}"].number')(payload)
    compile_path("answers[field.id=7].number")(payload)
    assert list(payload.indexes) == ["answers[field.ref]", "answers[field.id]"]


@settings(max_examples=60)
@given(names=st.lists(st.text(), min_size=1, max_size=5), value=st.integers())
def test_any_key_can_be_named_by_quoting(names: list[str], value: int) -> None:
    """Whatever characters a platform puts into keys, a quoted path reaches them."""
    body: object = value
    for name in reversed(names):
        body = {name: body}
    assert compile_path(".".join(quote(name) for name in names))(Payload(body)) == value


@settings(max_examples=60)
@given(ref=st.text(min_size=1))
def test_any_value_can_be_asked_for_by_quoting(ref: str) -> None:
    """The same holds for the value that an element's key must have."""
    body = {"list": [{"k": ref + "x", "v": 0}, {"k": ref, "v": 1}]}
    assert compile_path(f"list[k={quote(ref)}].v")(Payload(body)) == 1


@settings(max_examples=60)
@given(
    text=st.text(max_size=30),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    ),
)
def test_no_path_and_no_payload_raise_anything_but_the_start_error(text: str, body: object) -> None:
    """Compiling says ValueError or works; picking always works."""
    try:
        pick = compile_path(text)
    except ValueError:
        return
    pick(Payload(body))
