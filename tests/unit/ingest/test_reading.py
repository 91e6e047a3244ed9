"""Fields that messages of every kind have: ids by hash, times, revisions, conditions, values."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.told import Ignored, Thin, Translated, Unmappable
from shared.events.feedback import ResponseReceived
from tests.builders.mappings import IDS, NOW, answer, event, outcome

SAID = "survey: {constant: s}\nanswers: {score: score}\n"
HASHED = SAID + "response_id: {hash: [day, who.id]}\n"
ZONED = IDS + (
    "answers: {score: score}\nzone: Europe/Paris\nzones: {CST: Asia/Shanghai}\ndates: day_first\n"
)


def response_id(**said: Any) -> str:
    """The id made of chosen fields."""
    data = event(HASHED, {"score": 9, **said}).data
    assert isinstance(data, ResponseReceived)
    return data.response_id


def test_an_id_made_of_fields_is_marked_and_the_same_each_time() -> None:
    """Nobody takes it for an id of the tool; other fields do not enter."""
    first = response_id(day="2026-11-21", who={"id": 7})
    assert first == response_id(day="2026-11-21", who={"id": 7}, score=3, more="x")
    assert first.startswith("hash:")
    assert len(first) == len("hash:") + 32


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"day": "2026-11-22", "who": {"id": 7}}, id="another day"),
        pytest.param({"day": "2026-11-21", "who": {"id": "7"}}, id="a text is no number"),
        pytest.param({"day": "2026-11-21"}, id="a part not said"),
        pytest.param({"day": "7", "who": {"id": "2026-11-21"}}, id="parts do not change places"),
    ],
)
def test_other_fields_make_another_id(other: dict[str, Any]) -> None:
    """Two people's answers never become one."""
    assert response_id(**other) != response_id(day="2026-11-21", who={"id": 7})


@pytest.mark.parametrize("said", [{}, {"day": ""}, {"day": None, "who": {"id": " "}}, {"who": 1}])
def test_an_id_of_nothing_is_refused(said: dict[str, Any]) -> None:
    """Else all answers without these fields would be one response."""
    found = outcome(HASHED, {"score": 9, **said})
    assert found == Unmappable("day + who.id", "none of the fields that make the id is said")


def test_an_id_of_a_number_without_bounds_is_refused() -> None:
    """An expression makes numbers that nobody's JSON holds."""
    source = SAID + "response_id: {hash: ['expr:[to_number(n)]']}\n"
    found = outcome(source, {"n": "9" * 400})
    assert isinstance(found, Unmappable)
    assert found.rule == "holds a number of more than 64 bits"


@pytest.mark.parametrize(
    ("at", "expected", "origin"),
    [
        pytest.param(
            "2026-11-20T10:00:00.123456789Z", "10:00:00.123456", "platform", id="9 digits"
        ),
        pytest.param("2026-11-20 11:00", "10:00:00", "platform", id="local, in the source's zone"),
        pytest.param("2026-11-20 11:00:00 CET", "10:00:00", "platform", id="an abbreviation"),
        pytest.param("2026-11-20 18:00:00 CST", "10:00:00", "platform", id="one the source tells"),
        pytest.param("20/11/2026 11:00", "10:00:00", "platform", id="in figures, day first"),
        pytest.param(1795168800, "10:00:00", "platform", id="unix seconds"),
        pytest.param("1795168800000", "10:00:00", "platform", id="unix ms as text"),
        pytest.param("2026-11-21T12:09:00Z", "12:09:00", "platform", id="a clock a little ahead"),
        pytest.param("2026-11-21T12:11:00Z", "12:00:00", "future", id="too far ahead"),
        pytest.param(None, "12:00:00", "receipt", id="none"),
    ],
)
def test_times_are_read_as_the_source_says(at: object, expected: str, origin: str) -> None:
    """Whatever the notation, one moment in UTC, and where it comes from."""
    data = answer(ZONED, score=1, at=at)
    assert data.answered_at_origin == origin
    assert data.answered_at.isoformat().partition("T")[2] == f"{expected}+00:00"


def test_how_old_an_answer_may_be_is_the_sources_word() -> None:
    """`not_before_days` to the second; older is kept for a person."""
    source = ZONED + "not_before_days: 30\n"
    oldest = NOW - timedelta(days=30)
    body = {"survey": "s", "id": "R-1", "at": oldest.isoformat()}
    assert isinstance(outcome(source, body), Translated)
    body["at"] = (oldest - timedelta(seconds=1)).isoformat()
    assert outcome(source, body) == Unmappable("at", "older than not_before_days allows")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC), id="a time"),
        pytest.param("", None, id="blank"),
        pytest.param("2027-01-01T00:00:00Z", None, id="ahead: it would win for ever"),
    ],
)
def test_a_revision_orders_by_the_platforms_time(raw: str, expected: datetime | None) -> None:
    """In unix milliseconds, or none."""
    found = answer(IDS + "answers: {score: score}\nrevision: seq\n", seq=raw).revision
    assert found == (expected and int(expected.timestamp() * 1000))


FAILING = "expr:contains(tags, 'x')"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'ignore: [{{from: "{FAILING}", is: [true]}}]', id="ignore"),
        pytest.param(f'complete: {{from: "{FAILING}", is: [true]}}', id="complete"),
        pytest.param(
            f'consents: [{{channel: email, purpose: survey, from: "{FAILING}"}}]', id="consent"
        ),
        pytest.param(f'kinds: [{{when: {{from: "{FAILING}", is: [true]}}}}]', id="kind"),
        pytest.param(f'attributes: {{tagged: "{FAILING}"}}', id="attribute"),
        pytest.param(f'identifiers: {{email: "{FAILING}"}}', id="identifier"),
        pytest.param(f'revision: "{FAILING}"', id="revision"),
        pytest.param(f'answered_at: "{FAILING}"', id="time"),
        pytest.param(f'survey: "{FAILING}"', id="survey"),
        pytest.param(f'response_id: {{hash: [id, "{FAILING}"]}}', id="hash"),
        pytest.param(f'score: {{scale: [0, 5]}}\nanswers: {{score: "{FAILING}"}}', id="score"),
        pytest.param(f'score: {{scale: {{most: "{FAILING}"}}}}', id="scale"),
    ],
)
def test_an_expression_that_refuses_what_is_there_names_its_path(text: str) -> None:
    """Wherever it stands: the message is kept, and the operator sees which line to correct."""
    lines = [line for line in (IDS + "answers: {score: score}\n").splitlines() if line]
    keys = {line.partition(":")[0] for line in text.splitlines()}
    source = "\n".join([line for line in lines if line.partition(":")[0] not in keys] + [text])
    found = outcome(source, {"survey": "s", "id": "R-1", "score": 3, "tags": 7})
    assert isinstance(found, Unmappable), found
    assert FAILING in found.path
    assert found.rule == "the expression does not take what is there"


@pytest.mark.parametrize("text", ["to_number(n)", "sum([to_number(n), to_number(n)])"])
@pytest.mark.parametrize("number", ["9" * 30, "1e999", "-1e999", "nan"])
def test_a_number_beyond_all_bounds_is_no_value(text: str, number: str) -> None:
    """An expression may make what no event can hold."""
    source = IDS + f'answers: {{score: score}}\nattributes: {{n: "expr:{text}"}}\n'
    found = outcome(source, {"survey": "s", "id": "R-1", "n": number})
    assert isinstance(found, Unmappable)
    assert found.path == f"expr:{text}"


@pytest.mark.parametrize(
    ("table", "raw", "expected"),
    [
        pytest.param("{1: low, 2: high}", 2, "high", id="a code"),
        pytest.param("{1: low, 2: high}", "2", "high", id="a code as text"),
        pytest.param("{'2': high}", 2, "high", id="quoted"),
        pytest.param("{yes: 'on', no: 'off'}", True, "on", id="an unquoted yes, as boolean"),
        pytest.param("{yes: 'on', no: 'off'}", "No", "off", id="an unquoted no, as word"),
        pytest.param("{2.5: half}", 2.5, "half", id="a fraction"),
        pytest.param("{a: A, b: B}", ["b", "c", "a"], ["B", "c", "A"], id="each of a list"),
        pytest.param("{none: null}", "none", None, id="a word that clears"),
        pytest.param("{a: 3}", "a", 3, id="into a number"),
        pytest.param("{a: A}", "z", "z", id="not in the table"),
        pytest.param("{a: A}", None, None, id="a null is none of its words"),
    ],
)
def test_values_are_translated_whatever_their_type(
    table: str, raw: object, expected: object
) -> None:
    """Forms send codes, booleans and lists; the table is written as YAML reads it."""
    source = IDS + f"answers: {{score: score}}\nattributes: {{f: {{from: f, values: {table}}}}}\n"
    assert answer(source, f=raw).attributes == {"f": expected}


KINDS = (
    IDS
    + """
identifiers: {email: email}
answers: {score: score}
kinds:
  - {when: {from: type, is: [thin]}, becomes: thin, variables: {page: page}}
  - when: [{from: type, is: [answer]}, {from: state, is: [done, partial]}]
    complete: {from: state, is: [done]}
  - {when: {from: type, is: [no_thanks]}, becomes: decline}
surveys: [s]
ignore: [{from: test, is: [true]}]
"""
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"type": "answer", "state": "done"}, "survey.response.received", id="both"),
        pytest.param({"type": "answer", "state": "deleted"}, "no kind fits", id="one of two"),
        pytest.param({"type": "No_Thanks"}, "survey.declined", id="folded"),
        pytest.param({"type": "other"}, "no kind fits", id="none"),
        pytest.param({"type": "answer", "state": "done", "test": True}, "test message", id="test"),
        pytest.param({"type": "no_thanks", "survey": "t"}, "survey not listed", id="other survey"),
        pytest.param({"type": "thin", "survey": "t"}, "survey not listed", id="thin, other survey"),
    ],
)
def test_the_first_kind_whose_conditions_all_hold_is_taken(
    said: dict[str, Any], expected: str
) -> None:
    """What no kind fits is accepted and not counted."""
    found = outcome(KINDS, {"survey": "s", "id": "R-1", "email": "a@example.com", **said})
    shown = found.reason if isinstance(found, Ignored) else ""
    if isinstance(found, Translated):
        shown = found.told.event.data.TYPE
    assert shown == expected


def test_a_thin_message_holds_its_ids_and_what_its_request_needs() -> None:
    """Nothing else of it is kept."""
    found = outcome(KINDS, {"survey": "s", "id": 7, "type": "thin", "page": 3, "score": 9})
    assert found == Thin("s", "7", NOW, {"page": "3"})
    wrong = outcome(KINDS, {"survey": "s", "id": 7, "type": "thin", "page": {"no": 3}})
    assert isinstance(wrong, Unmappable)
    assert wrong.path == "page"
