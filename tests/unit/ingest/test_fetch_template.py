"""Addresses with {names}: what may be written, and that no id leads anywhere else."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.fetch.template import compile_template

URL = "https://api.example.com/v3/surveys/{survey}/responses/{response_id}?at={since}"


def test_ids_are_percent_encoded() -> None:
    """In the path and in the query, whatever they hold."""
    filled = compile_template(URL).fill({"survey": "S 1", "response_id": "é&?", "since": "a+b:c"})
    assert filled == (
        "https://api.example.com/v3/surveys/S%201/responses/%C3%A9%26%3F?at=a%2Bb%3Ac"
    )


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://api.example.com/x", "https://api.example.com:443"),
        ("https://API.example.com:8443/x?a={since}", "https://api.example.com:8443"),
        ("http://127.0.0.1:80/x", "http://127.0.0.1:80"),
        ("https://[::1]/x", "https://::1:443"),
    ],
)
def test_where_it_leads_is_known_at_the_start(text: str, origin: str) -> None:
    """Scheme, host and port."""
    assert compile_template(text).origin == origin


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        pytest.param("/v3/x", "https:// and a host", id="no host"),
        pytest.param("ftp://a.example/x", "https:// and a host", id="another scheme"),
        pytest.param("https:///x", "https:// and a host", id="empty host"),
        pytest.param("https://{dc}.example.com/x", "the host stands as it is", id="host by name"),
        pytest.param("https://a:b@a.example/x", "no password", id="password"),
        pytest.param("https://a.example/{Survey}", "a brace", id="capital"),
        pytest.param("https://a.example/{survey", "a brace", id="open brace"),
        pytest.param("https://a.example/x#y", "after #", id="fragment"),
        pytest.param("https://a.example/a b", "without spaces", id="space"),
        pytest.param("https://a.example/é", "without spaces", id="not ASCII"),
        pytest.param("https://a.example:99999/x", "not an address", id="port"),
        pytest.param("https://[a/x", "not an address", id="bracket"),
    ],
)
def test_a_wrong_template_says_what_to_do(text: str, fix: str) -> None:
    """At the start, not at the first response."""
    with pytest.raises(ValueError, match=fix):
        compile_template(text)


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        pytest.param("", "did not say {survey}", id="empty"),
        pytest.param("..", "only dots", id="one up"),
        pytest.param(".", "only dots", id="here"),
        pytest.param("a/b", "cannot stand in an address", id="slash"),
        pytest.param("a\\b", "cannot stand in an address", id="backslash"),
        pytest.param("\ud800", "cannot stand in an address", id="half a character"),
        pytest.param("a\r\nb", "cannot stand in an address", id="line break"),
    ],
)
def test_an_id_that_cannot_stand_in_an_address_is_refused(value: str, fix: str) -> None:
    """The text says which name, and nothing of the value."""
    with pytest.raises(ValueError, match=fix) as caught:
        compile_template(URL).fill({"survey": value, "response_id": "R1", "since": "x"})
    assert not value.strip("./\\") or value not in str(caught.value)


@settings(max_examples=60)
@given(st.text(max_size=20), st.text(max_size=20))
def test_no_value_leaves_its_place(survey: str, response_id: str) -> None:
    """Every URL made has the template's host and the template's segments, with the ids in them."""
    template = compile_template(URL)
    try:
        made = template.fill({"survey": survey, "response_id": response_id, "since": "now"})
    except ValueError:
        return
    parts = urlsplit(made)
    assert (parts.scheme, parts.netloc, parts.query) == ("https", "api.example.com", "at=now")
    assert [unquote(part) for part in parts.path.split("/")] == [
        "",
        "v3",
        "surveys",
        survey,
        "responses",
        response_id,
    ]
