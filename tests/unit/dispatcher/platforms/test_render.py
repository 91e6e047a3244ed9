"""Templates: types are kept, values are inert, what cannot stand somewhere is refused."""

from typing import Any
from xml.etree import ElementTree

import pytest

from services.dispatcher.platforms import render
from services.dispatcher.platforms.render import Unrenderable

KNOWN: dict[str, Any] = {
    "score": 0,
    "yes": True,
    "nothing": None,
    "name": 'Zoé "{{secret}}"',
    "secret": "hush",
    "map": {"a": 1, "b": None, "email": "other@example.com"},
    "to.email": "jane@example.com",
    "list": [{"b": 2}, {"c": 3}],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("{{score}}", 0, id="a number stays a number"),
        pytest.param("{{ yes }}", True, id="a boolean stays a boolean"),
        pytest.param("{{nothing}}", None, id="nothing stays nothing"),
        pytest.param("{{to.email}}", "jane@example.com", id="dotted name"),
        pytest.param("n={{score}} {{yes}}{{nothing}}", "n=0 true", id="in a text all is text"),
        pytest.param("{{name}}!", 'Zoé "{{secret}}"!', id="a value is not rendered again"),
        pytest.param({"a": "{{nothing}}", "b": "{{score}}"}, {"b": 0}, id="nothing leaves no key"),
        pytest.param(
            {"email": "jane@example.com", "...": "{{map}}"},
            {"email": "jane@example.com", "a": 1, "b": None},
            id="poured in, but not over a named key",
        ),
        pytest.param({"...": "{{nothing}}"}, {}, id="nothing to pour"),
        pytest.param(["{{score}}", {"x": "{{yes}}"}], [0, {"x": True}], id="nested"),
        pytest.param(
            [{"a": 1}, {"...": "{{list}}"}], [{"a": 1}, {"b": 2}, {"c": 3}], id="a list in a list"
        ),
        pytest.param({"_{{score}}": {"x": 1}}, {"_0": {"x": 1}}, id="a key by name"),
        pytest.param(7, 7, id="a constant"),
        pytest.param("{{ Score }} {score}", "{{ Score }} {score}", id="no template"),
    ],
)
def test_a_template_renders_to(template: object, expected: object) -> None:
    """JSON templates keep types and never look into values."""
    assert render.value(template, KNOWN) == expected


def test_names_are_found_at_any_depth() -> None:
    """So that a preset with a misspelt name is refused when it is loaded."""
    found = render.names({"a": ["{{x}}", {"b": "y {{z.z}}"}], "{{k}}": 1})
    assert found == {"x", "z.z", "k"}


@pytest.mark.parametrize("said", ["a\r\nb", "\tc\n", "\r", "\"<&>'"])
def test_a_reader_of_xml_finds_the_value_in_elements_and_attributes(said: str) -> None:
    """Line ends and tabs are not made into other ones on the way."""
    made = ElementTree.fromstring(render.xml('<x y="{{v}}">{{v}}</x>', {"v": said}))
    assert (made.text, made.attrib["y"]) == (said, said)


def test_values_by_name_become_elements_of_an_xml_text() -> None:
    """Escaped like any other; a name that is no element's is refused."""
    known = {"said": {"a": "</a>&", "b-1": 3, "c": None}, "odd": {'a b="c"': 1}}
    assert (
        render.xml("<x>{{said}}</x>", known) == b"<x><a>&lt;/a&gt;&amp;</a><b-1>3</b-1><c></c></x>"
    )
    with pytest.raises(Unrenderable, match="odd"):
        render.xml("<x>{{odd}}</x>", known)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("a b", "/p/a%20b/x"),
        ("a/b?c#d&e", "/p/a%2Fb%3Fc%23d%26e/x"),
        ("é+@", "/p/%C3%A9%2B%40/x"),
        ("{{secret}}", "/p/%7B%7Bsecret%7D%7D/x"),
        ("a\r\nb", "/p/a%0D%0Ab/x"),
    ],
)
def test_a_path_value_stays_in_its_segment(value: str, path: str) -> None:
    """Percent-encoded, separators included."""
    assert render.path("/p/{{v}}/x", {"v": value}) == path


@pytest.mark.parametrize("value", ["", ".", "..", None])
def test_a_path_value_that_would_change_the_path_is_refused(value: str | None) -> None:
    """Dots climb, and nothing collapses."""
    with pytest.raises(Unrenderable):
        render.path("/p/{{v}}/x", {"v": value})


def test_a_query_encodes_what_addresses_really_contain() -> None:
    """`+` is part of many addresses and would arrive as a space."""
    query = render.query({"e": "{{v}}", "n": "1"}, {"v": "a+b&c=d@example.com"})
    assert query == "e=a%2Bb%26c%3Dd%40example.com&n=1"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b", "\x7f", "é"])
def test_a_header_takes_plain_text_only(value: str) -> None:
    """No line end, no control character; the refusal does not repeat the value."""
    with pytest.raises(Unrenderable) as refusal:
        render.header("X-One", "v {{v}}", {"v": value})
    assert value not in str(refusal.value)


def test_a_header_without_value_is_left_out() -> None:
    """An account without keys sends no key."""
    assert render.header("Key", "{{v}}", {"v": None}) is None


def test_a_body_that_json_cannot_hold_is_refused() -> None:
    """Half a surrogate pair is no text."""
    with pytest.raises(Unrenderable):
        render.body({"a": "{{v}}"}, {"v": "\ud800"})
    with pytest.raises(Unrenderable):
        render.query({"a": "{{v}}"}, {"v": "\ud800"})
