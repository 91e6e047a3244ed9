"""The forms in which a template may ask for a value."""

from typing import Any

import pytest

from services.dispatcher.platforms import render
from services.dispatcher.platforms.filters import FILTERS, filtered
from services.dispatcher.platforms.render import Unrenderable

FORMS = [
    # filter, value, form
    ("lower", "Jane@Example.COM", "jane@example.com"),
    # Mailchimp's own example of a subscriber hash.
    ("md5", "Urist.McVankab@freddiesjokes.com", "62eeb292278cc15f5817cb78f7790b08"),
    (
        "sha256",
        "Jane@example.com",
        "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d",
    ),
    ("base64", "user:pass", "dXNlcjpwYXNz"),
    ("digits", "+33 6 12-34", "3361234"),
    ("text", 7, "7"),
    ("text", True, "true"),
    ("int", "12", 12),
    ("json", {"a": 'é"'}, '{"a":"é\\""}'),
    ("html", 'a <b>\n"c" & d', "a &lt;b&gt;<br>&quot;c&quot; &amp; d"),
    ("most_14400", 86_400, 14_400),
    ("most_14400", 60, 60),
    ("cut_80", "é" * 90, "é" * 79 + "…"),
    ("sql", "o'neil' --", "o''neil'' --"),
    ("unix", "2026-11-21T20:00:00.900000Z", 1795291200),
    ("unix", "1969-12-31T23:59:59.500000Z", -1),
    ("unix_ms", "2026-11-21T20:00:00.900000Z", 1795291200900),
    ("date", "2026-11-21T23:30:00+02:00", "2026-11-21"),
    ("ulid", "00000000-0000-0000-0000-000000000000", "0" * 26),
    ("cut_150", "é" * 150, "é" * 150),
    ("cut_150", "é" * 151, "é" * 149 + "…"),
    ("cut_840", "x" * 841, "x" * 839 + "…"),
    ("cut_2900", "x" * 2901, "x" * 2899 + "…"),
    ("ulid", "ffffffff-ffff-ffff-ffff-ffffffffffff", "7" + "Z" * 25),
]


@pytest.mark.parametrize(("name", "value", "form"), FORMS)
def test_a_value_in_another_form(name: str, value: object, form: object) -> None:
    """What platforms ask for, byte for byte."""
    assert filtered(value, name) == form
    assert render.value(f"{{{{ x | {name} }}}}", {"x": value}) == form


def test_every_filter_is_in_the_table() -> None:
    """A filter that nobody tried is a filter that nobody knows."""
    assert {name for name, _, _ in FORMS} == set(FILTERS)


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_what_is_not_known_stays_unknown(name: str) -> None:
    """A key without value is left out, whatever form was asked for."""
    assert render.value({"a": f"{{{{x|{name}}}}}"}, {"x": None}) == {}


@pytest.mark.parametrize(
    ("name", "value"), [("int", "twelve"), ("unix", "soon"), ("ulid", "x"), ("json", object())]
)
def test_a_value_without_that_form_is_refused_without_being_told(name: str, value: Any) -> None:
    """The reason names the place; a value may be personal."""
    with pytest.raises(Unrenderable, match=f"^x cannot be written as {name}$"):
        render.text(f"{{{{x|{name}}}}}", {"x": value})


def test_an_unknown_filter_is_found_when_the_preset_is_read() -> None:
    """Not when the first customer comes."""
    with pytest.raises(ValueError, match="unknown filter"):
        render.names(["{{email|rot13}}"])


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("a & b", "a &amp; b"),
        ("</ctx><x>", "&lt;/ctx&gt;&lt;x&gt;"),
        ("\"double\" 'single'", "&quot;double&quot; &apos;single&apos;"),
        ("]]>", "]]&gt;"),
        ("no \x00\x0b\ud800 such", "no  such"),
        ("{{secret}}", "{{secret}}"),
        (None, ""),
        (3, "3"),
    ],
)
def test_a_value_in_xml_is_only_a_text(said: object, written: str) -> None:
    """No value closes an element, opens one, or breaks the document."""
    assert render.xml('<a b="{{x}}"/>', {"x": said}) == f'<a b="{written}"/>'.encode()
