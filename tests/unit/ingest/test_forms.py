"""Forms: flat and bracketed names, and everything that is none."""

from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.decode.forms import MAX_BRACKETS, MAX_BYTES, MAX_FIELDS, MAX_NAME, decode_form
from services.ingest.decode.limits import Undecodable


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("score=9&comment=Tr%C3%A8s+bien", {"score": "9", "comment": "Très bien"}),
        pytest.param("score=&more", {"score": "", "more": ""}, id="no value is an empty text"),
        pytest.param("&a=1&&", {"a": "1"}, id="empty fields"),
        pytest.param("a=1=2", {"a": "1=2"}, id="equals sign in a value"),
        pytest.param("a;b=1;2", {"a;b": "1;2"}, id="semicolons separate nothing"),
        pytest.param("a=%", {"a": "%"}, id="a percent sign alone"),
        pytest.param("a=%00x", {"a": "\x00x"}, id="NUL, cleaned where it is read"),
        pytest.param("a.b=1", {"a.b": "1"}, id="a dot is part of the name"),
        pytest.param("a=1&a=2&a=3", {"a": ["1", "2", "3"]}, id="doubled"),
        pytest.param("a[]=1", {"a": ["1"]}, id="list of one"),
        pytest.param("a[]=1&a[]=2&a=3", {"a": ["1", "2", "3"]}, id="list, then plain"),
        pytest.param("a=&a[]=1", {"a": ["1"]}, id="empty text before the ticked boxes"),
        pytest.param("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}, id="groups"),
        pytest.param("a%5Bb%5D=1", {"a": {"b": "1"}}, id="brackets encoded"),
        pytest.param("a[b]=1&a[b]=2", {"a": {"b": ["1", "2"]}}, id="doubled in a group"),
        pytest.param("a[1]=y&a[0]=x", {"a": ["x", "y"]}, id="numbered from 0 on: a list"),
        pytest.param("a[12]=9&a[15]=8", {"a": {"12": "9", "15": "8"}}, id="numbers that are ids"),
        pytest.param(
            "a[0][id]=x&a[0][v]=9&a[1][id]=y",
            {"a": [{"id": "x", "v": "9"}, {"id": "y"}]},
            id="list of groups, numbered",
        ),
        pytest.param(
            "a[][id]=x&a[][v]=9&a[][id]=y",
            {"a": [{"id": "x", "v": "9"}, {"id": "y"}]},
            id="list of groups, by names that come again",
        ),
        pytest.param(
            "a[][o][k]=x&a[][o][l]=1&a[][o][k]=y",
            {"a": [{"o": {"k": "x", "l": "1"}}, {"o": {"k": "y"}}]},
            id="list of groups in groups",
        ),
        pytest.param("a[][t][]=1&a[][t][]=2", {"a": [{"t": ["1", "2"]}]}, id="list in a list"),
        pytest.param("0=a&1=b", {"0": "a", "1": "b"}, id="the whole is always a map"),
        pytest.param("a[b=1&a]=2&[c]=3", {"a[b": "1", "a]": "2", "[c]": "3"}, id="unpaired"),
        pytest.param("a[][]=1", {"a[][]": "1"}, id="a list of lists has no such name"),
    ],
)
def test_a_form_is_a_tree(body: str, expected: object) -> None:
    """What tools and form pages really send, each in one shape."""
    assert decode_form(body.encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"&&", id="no field"),
        pytest.param(b"a=\xff", id="not utf-8"),
        pytest.param(b"a=%ff", id="not utf-8, encoded"),
        pytest.param(b"a=1&a[b]=2", id="a text, then a group"),
        pytest.param(b"a[b]=2&a=1", id="a group, then a text"),
        pytest.param(b"a[b]=2&a[]=1", id="a group, then a list"),
        pytest.param(b"a[]=2&a[b]=1", id="a list, then a group"),
        pytest.param(b"&" * MAX_FIELDS, id="too many fields"),
        pytest.param(b"a=" + b"x" * MAX_BYTES, id="too large"),
        pytest.param(b"a" * (MAX_NAME + 1), id="too long a name"),
        pytest.param(b"a" + b"[b]" * (MAX_BRACKETS + 1), id="too many brackets"),
    ],
)
def test_what_is_no_form_within_limits_is_undecodable(body: bytes) -> None:
    """Each is refused by its rule; the text holds nothing of the body."""
    with pytest.raises(Undecodable, match=r"^(a form|not a form)"):
        decode_form(body)


@settings(max_examples=60)
@given(fields=st.dictionaries(st.text("ab[]0", min_size=1, max_size=8), st.text(max_size=5)))
def test_any_fields_are_read_or_undecodable(fields: dict[str, str]) -> None:
    """However the brackets stand."""
    with suppress(Undecodable):
        assert decode_form(urlencode(fields).encode())


@settings(max_examples=60)
@given(
    fields=st.dictionaries(
        st.text(st.characters(exclude_characters="[]", codec="utf-8"), min_size=1),
        st.text(st.characters(codec="utf-8")),
        min_size=1,
    )
)
def test_flat_fields_come_back_as_they_were_sent(fields: dict[str, str]) -> None:
    """Any name without brackets and any text."""
    assert decode_form(urlencode(fields).encode()) == fields
