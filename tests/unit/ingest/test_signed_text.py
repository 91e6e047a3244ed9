"""The template of a signed text: what it writes, and what it cannot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.receive.inbound import Inbound
from services.ingest.verify.signed_text import Said, compile_text, placeholders

TREE = {"MSG": "hé", "at": 7, "list": ["x"], "yes": True, "n": None, "in": {"a.b": "deep"}}
SAID = Said(Inbound(b"\xff{id}", url="https://example.com/?a=1"), "m-1", "17", TREE)


@pytest.mark.parametrize(
    ("template", "written"),
    [
        pytest.param("{body}", b"\xff{id}", id="the body alone, its braces untouched"),
        pytest.param("{id}.{timestamp}.{body}", b"m-1.17.\xff{id}", id="id, time and body"),
        pytest.param("{method}{url}", b"POSThttps://example.com/?a=1", id="method and address"),
        pytest.param("v0:{timestamp}:é", "v0:17:é".encode(), id="plain text around"),
        pytest.param("{field:MSG}|{field:at}", "hé|7".encode(), id="a text and a number"),
        pytest.param('{field:in."a.b"}', b"deep", id="a path"),
        pytest.param("body", b"body", id="a word without braces is plain text"),
        pytest.param("{body}{field:none}", None, id="a missing field"),
        pytest.param("{field:list}", None, id="a doubled form field"),
        pytest.param("{field:yes}", None, id="a boolean"),
        pytest.param("{field:n}", None, id="null"),
    ],
)
def test_a_text_is_written_as_its_template_says(template: str, written: bytes | None) -> None:
    """Byte for byte; with a field that is not there, not at all."""
    assert compile_text(template)(SAID) == written


def test_header_values_are_the_bytes_that_came() -> None:
    """The server reads them as Latin-1; what is signed is what was sent."""
    sent = "é".encode().decode("latin-1")
    assert compile_text("{id}{timestamp}")(Said(Inbound(b""), sent, sent)) == "éé".encode()


@settings(max_examples=60)
@given(template=st.text("{}:ab. field[]=", max_size=20) | st.text(max_size=20), text=st.text())
def test_any_template_compiles_or_is_refused(template: str, text: str) -> None:
    """What `placeholders` takes compiles, and writes without raising."""
    try:
        words = placeholders(template)
    except ValueError:
        return
    written = compile_text(template)(Said(Inbound(b"", url=text), text, text, {"a": text}))
    assert written is not None or any(word.startswith("field:") for word in words)
