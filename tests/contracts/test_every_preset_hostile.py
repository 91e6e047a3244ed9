"""What customers write arrives at every platform exactly as they wrote it, and as nothing else.

The calls are read back by parsers of their own (`tests/builders/landing`): what is compared is the
value that the platform sees, in every field that carries a customer's words.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import httpx
import pytest

from services.dispatcher.calls.calls import Correction
from services.dispatcher.platforms.preset import load_preset
from tests.builders import platforms
from tests.builders.fakes import Case, carrier_of, cases
from tests.builders.landing import Landed, compare
from tests.builders.platforms import NOW, Fake, person

BUDGET = timedelta(seconds=20)
CASES = cases()
JANE = person(email="jane@example.com", phone="+33612345678", external_id="C-1")
ANN = person(email="ann@example.com", phone="+33612345679", external_id="C-3")

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)
pushing = pytest.mark.parametrize(
    "case", [case for case in CASES if case.pushing], ids=lambda case: case.preset
)
acting = pytest.mark.parametrize(
    "case", [case for case in CASES if case.acting], ids=lambda case: case.preset
)
batching = pytest.mark.parametrize(
    "case",
    [c for c in CASES if (p := load_preset(c.preset).push_profile) is not None and p.batch],
    ids=lambda case: case.preset,
)
updating = pytest.mark.parametrize(
    "case", [c for c in CASES if load_preset(c.preset).update], ids=lambda case: case.preset
)
HOSTILE = [
    pytest.param('"}],"blackList":true,"x":"', id="json"),
    pytest.param("{{api_key}} {{secret}} ${7*7} {% x %} <%= y %>", id="template"),
    pytest.param("a\r\nX-Api-Key: mine\r\n\r\nGET / HTTP/1.1", id="header"),
    pytest.param("</ctx>]]><script>alert(1)</script>&amp;<!--", id="markup"),
    pytest.param("' OR '1'='1 -- ; PGS-220000 {0} %s \u202e", id="codes"),
    pytest.param("x\x00y\x1fz\u2028\ttab \\u0000 \\n %0d%0a +&=", id="controls"),
    pytest.param("é" * 4000, id="long"),
]
hostile = pytest.mark.parametrize("hostile", HOSTILE)
#: No words of anybody: numbers and moments, which have a form of their own.
UNWORDED: Final = frozenset(
    {"nps_score", "nps_answered_at", "nps_next_survey_at", "nps_fatigue_threshold"}
)
#: What she said herself is in no case's settings: here every target may write it.
COMMENT: Final = "nps_comment"
LONGEST_COMMENT: Final = 500


def mark(name: str) -> str:
    """Make a text that no syntax and no wording changes, and that stands nowhere else."""
    return f"qq{name.replace('_', '')}qq"


def written(case: Case, part: str) -> list[str]:
    """List what a case writes of a customer's words; the comment, too."""
    return sorted({*case.settings[part], COMMENT} - UNWORDED) if part in case.settings else []


def wider(case: Case) -> dict[str, Any]:
    """Let a case's target write the comment as well."""
    return {
        part: {**case.settings[part], COMMENT: "77" if case.preset == "activecampaign" else "said"}
        for part in ("attributes", "message")
        if part in case.settings
    }


def in_words(name: str, value: str) -> str:
    """Say a value as a colleague reads it: in one line, a comment no longer than a telephone."""
    if name in ("nps_theme", "was"):
        # The name of a reason, which is the operator's; it may be written with underscores.
        value = value.replace("_", " ")
    line = " ".join(value.split())
    if name == COMMENT and len(line) > LONGEST_COMMENT:
        return f"{line[: LONGEST_COMMENT - 1]}…"
    return line


async def push(case: Case, fake: Fake, said: Mapping[str, str]) -> None:
    """Push a profile that says this."""
    one = platforms.push(identifiers=JANE, attributes=dict(said))
    await carrier_of(case, fake, **wider(case)).push_profile(one, budget=BUDGET, now=NOW)


async def push_two(case: Case, fake: Fake, said: Mapping[str, str]) -> None:
    """Push two profiles that say this, in one request."""
    asked = [platforms.push(identifiers=whom, attributes=dict(said)) for whom in (JANE, ANN)]
    await carrier_of(case, fake, **wider(case)).push_profiles(asked, budget=BUDGET, now=NOW)


async def act(case: Case, fake: Fake, said: Mapping[str, str], **changes: Any) -> None:
    """Perform an action that says this: attributes, and the play's own context."""
    given: dict[str, Any] = {
        "identifiers": JANE,
        "channel": case.channel,
        "contact_class": case.contact_class,
        "attributes": {name: value for name, value in said.items() if name != "signed_by"},
        "context": {"signed_by": said.get("signed_by", "Zoé Martin")},
        **changes,
    }
    carrier = carrier_of(case, fake, **wider(case))
    await carrier.act(platforms.action(**given), budget=BUDGET, now=NOW)


async def correct(case: Case, fake: Fake, said: Mapping[str, str]) -> None:
    """Show an alert anew that had given another reason."""
    was = Correction(reference="4711", was={"nps_theme": said["was"], "nps_score": 3})
    now = {name: value for name, value in said.items() if name != "was"}
    await act(case, fake, now, corrects=was)


def found(case: Case, plain: Fake, fake: Fake, marks: Mapping[str, str], value: str) -> Landed:
    """Compare what two platforms were told, one of them the value in the place of marks."""
    words = case.contact_class == "internal"
    said = {name: in_words(name, value) if words else value for name in marks}
    assert [(c.method, c.url.host, c.url.path) for c in fake.calls] == [
        (c.method, c.url.host, c.url.path) for c in plain.calls
    ]
    for call, like in zip(fake.calls, plain.calls, strict=True):
        assert call.headers.keys() == like.headers.keys()
        assert shape(call) == shape(like)
    return compare(plain.calls, fake.calls, marks, said)


@pushing
@hostile
async def test_a_profile_is_written_as_it_was_said(case: Case, hostile: str) -> None:
    """Each attribute that a target lists stands in its field, to the letter."""
    fake, plain = case.fake(), case.fake()
    marks = {name: mark(name) for name in written(case, "attributes")}
    await push(case, plain, marks)
    await push(case, fake, dict.fromkeys(marks, hostile))
    landed = found(case, plain, fake, marks, hostile)
    assert (landed.wrong, landed.names) == ([], set(marks))


@batching
@hostile
async def test_profiles_that_go_together_are_written_as_they_were_said(
    case: Case, hostile: str
) -> None:
    """In a batch, too, no value ends its item or its field."""
    fake, plain = case.fake(), case.fake()
    marks = {name: mark(name) for name in written(case, "attributes")}
    await push_two(case, plain, marks)
    await push_two(case, fake, dict.fromkeys(marks, hostile))
    landed = found(case, plain, fake, marks, hostile)
    assert (landed.wrong, landed.names) == ([], set(marks))


@acting
@hostile
async def test_a_message_says_what_was_said(case: Case, hostile: str) -> None:
    """Each field of a message holds its value to the letter; in an alert, its words in one line."""
    fake, plain = case.fake(), case.fake()
    marks = {name: mark(name) for name in (*written(case, "message"), "signed_by")}
    await act(case, plain, marks)
    await act(case, fake, dict.fromkeys(marks, hostile))
    landed = found(case, plain, fake, marks, hostile)
    # Where the call that acts has no place for anything of ours, nothing lands.
    assert (landed.wrong, landed.names) == ([], set(marks) if case.carries_id else set())
    secrets = [value.encode() for value in case.environ.values()]
    bodies = b"".join(call.content for call in fake.calls if call.extensions.get("effect"))
    assert not any(secret in bodies for secret in secrets)


@updating
@hostile
async def test_a_correction_says_what_was_said(case: Case, hostile: str) -> None:
    """A note, a comment, a message shown anew: the same words, what was true before as well."""
    fake, plain = case.fake(), case.fake()
    marks = {name: mark(name) for name in (*written(case, "message"), "signed_by", "was")}
    await correct(case, plain, marks)
    await correct(case, fake, dict.fromkeys(marks, hostile))
    landed = found(case, plain, fake, marks, hostile)
    assert (landed.wrong, landed.names) == ([], set(marks))


@every
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("a&b=c+d@example.com", id="query syntax"),
        pytest.param("../../x%2f#?@example.com", id="path syntax"),
        pytest.param("o'neil\"@example.com", id="quotes"),
        pytest.param("{{api_key}}@example.com", id="template"),
        pytest.param("</ctx>&amp;@example.com", id="markup"),
        pytest.param("zoé@example.com", id="not ascii"),
    ],
)
async def test_she_is_named_by_the_address_that_she_gave(case: Case, address: str) -> None:
    """Addresses and our customers' own ids stand whole where a platform knows people by them."""
    fake, plain = case.fake(), case.fake()
    marks = {"email": "qqemailqq@example.com", "external_id": "qqexternalidqq"}
    for one, said in ((plain, marks), (fake, dict.fromkeys(marks, address))):
        whom = person(phone="+33611111111", **said)
        if case.pushing:
            # Twice: whom a platform knows it looks for before she is written.
            for version in (1, 2):
                asked = platforms.push(identifiers=whom, version=version)
                await carrier_of(case, one).push_profile(asked, budget=BUDGET, now=NOW)
        if case.acting:
            await act(case, one, {}, identifiers=whom)
    landed = compare(plain.calls, fake.calls, marks, dict.fromkeys(marks, address))
    assert landed.wrong == []
    if case.pushing:
        assert landed.names


def shape(call: httpx.Request) -> object:
    """Tell how a body is built, whatever its texts say."""
    kind = call.headers.get("Content-Type", "")
    if not call.content:
        return None
    if "json" in kind:
        return _skeleton(json.loads(call.content))
    if "xml" in kind:
        root = ElementTree.fromstring(call.content)
        return [(element.tag, sorted(element.attrib)) for element in root.iter()]
    return [name for name, _ in parse_qsl(call.content.decode(), keep_blank_values=True)]


def _skeleton(value: object) -> object:
    if isinstance(value, dict):
        return {key: _skeleton(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_skeleton(item) for item in value]
    return type(value).__name__
