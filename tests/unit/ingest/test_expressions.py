"""`expr:` in a mapping: JMESPath, checked at start, and never an error for a payload."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.decode.payload import Payload, Unreadable
from services.ingest.mapper.paths import MISSING, compile_path


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("answers[?id=='nps'].value | [0]", 0, id="filter"),
        pytest.param("join(', ', answers[].id)", "nps, why", id="function"),
        pytest.param("sum(parts[].points)", 9, id="sum"),
        pytest.param("nothing", MISSING, id="absent"),
        pytest.param("empty", MISSING, id="null is not said either"),
        pytest.param("answers[?id=='x'].value | [0]", MISSING, id="no such element"),
        pytest.param("answers[?id=='x'].value", [], id="an empty list is a list"),
    ],
)
def test_an_expression_finds_what_paths_cannot_say(expression: str, expected: object) -> None:
    """Over the message's body."""
    body = {
        "answers": [{"id": "nps", "value": 0}, {"id": "why", "value": "late"}],
        "parts": [{"points": 4}, {"points": 5}],
        "empty": None,
    }
    assert compile_path(f"expr:{expression}")(Payload(body)) == expected


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        pytest.param("a[?", "character 4: did not expect its end", id="incomplete"),
        pytest.param("a b", "character 3: did not expect 'b'", id="token"),
        pytest.param("a #", "character 3: Unknown token #", id="character"),
        pytest.param("'a", "character 1: Unclosed", id="quote"),
        pytest.param("", "empty", id="empty"),
        pytest.param("(" * 5000, "nested too deeply", id="deep"),
        pytest.param("to_numbr(a)", "no function 'to_numbr'", id="unknown function"),
        pytest.param("sort_by(a[], &firs(b)) | [0]", "no function 'firs'", id="in a function"),
        pytest.param("a[?x(b)].{c: d}", "no function 'x'", id="in a filter"),
    ],
)
def test_an_expression_that_does_not_read_is_told_with_its_place(
    expression: str, told: str
) -> None:
    """The operator sees it when the service starts, not when the first payload comes."""
    with pytest.raises(ValueError, match=r"^expression ") as error:
        compile_path(f"expr:{expression}")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        pytest.param("abs(a)", {"a": "text"}, id="a type that the function does not take"),
        pytest.param("length(a)", {}, id="nothing to count"),
        pytest.param("sort(a)", {"a": [1, "b"]}, id="unlike values"),
        pytest.param("ceil(a)", {"a": float("inf")}, id="beyond numbers"),
        pytest.param("a[::0]", {"a": [1]}, id="a step of nothing"),
    ],
)
def test_a_payload_that_an_expression_does_not_take_is_unreadable(
    expression: str, body: Any
) -> None:
    """Whatever the library raises; the text holds nothing of the payload."""
    with pytest.raises(Unreadable, match=r"^the expression does not take what is there$"):
        compile_path(f"expr:{expression}")(Payload(body))


@settings(max_examples=60)
@given(
    expression=st.sampled_from(
        ["sort_by(a, &b)[0].c", "max_by(@, &a)", "a[?b > `1`] | [0].c", "map(&a, @)", "keys(@)[0]",
         "to_number(a)", "sum(a)", "merge(a, b)", "reverse(a)[1:5:2]", "avg(a[].b)", "a.* | []"]
    ),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text("0 a", max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
        max_leaves=10,
    ),
)  # fmt: skip
def test_no_payload_raises_anything_else(expression: str, body: object) -> None:
    """A value, or a refusal of this field."""
    with suppress(Unreadable):
        assert compile_path(f"expr:{expression}")(Payload(body)) is not None
