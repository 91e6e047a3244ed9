"""A message becomes one event, or a clear no: ingest's one verb as tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.catalogue import laid_over_preset
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.mapper.mapping import Mapping
from services.ingest.mapper.paths import Payload
from services.ingest.settings import SourceEntry
from services.ingest.told import Ignored, Translated, Unmappable
from services.ingest.translate import translate
from shared.events.feedback import ResponseReceived

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLAIN = """
survey: survey
response_id: id
answered_at: at
revision: updated
complete: {from: done, is: [true]}
zone: Europe/Paris
identifiers: {email: email, external_id: customer, phone: phone}
answers: {score: score, comment: comment, language: lang, wait: wait, callback_requested: call}
attributes: {plan: {from: plan, values: {p1: Premium}}, tone: tone, origin: {constant: web}}
consents:
  - {channel: email, purpose: marketing, from: [consent, "header:X-Consent"]}
  - {channel: all, purpose: survey, from: surveys, granted: [yes], refused: [no]}
ignore: [{from: kind, is: [ping], reason: test message}]
"""


def mapping(text: str = PLAIN, name: str = "tool") -> Mapping:
    """Compile one source from YAML."""
    return compile_mapping(name, laid_over_preset(SourceEntry.model_validate(yaml.safe_load(text))))


SOURCE = mapping()


def said(**content: Any) -> dict[str, Any]:
    """A message with the two ids that each needs."""
    return {"survey": "relational", "id": "R-1", **content}


def event(content: object, *, source: Mapping = SOURCE, now: datetime = NOW) -> Translated:
    """Translate what must be translatable."""
    result = translate(source, Payload(content), now)
    assert isinstance(result, Translated), result
    return result


def data(content: object, *, source: Mapping = SOURCE, now: datetime = NOW) -> ResponseReceived:
    """Translate, and look at the event's data."""
    found = event(content, source=source, now=now).told.event.data
    assert isinstance(found, ResponseReceived)
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({"score": 0}, {"score": 0}, id="0 is a score"),
        pytest.param({"score": ""}, {}, id="empty score is not said"),
        pytest.param({"score": None}, {"score": None}, id="null is cleared"),
        pytest.param({}, {}, id="without a score: partial, no error"),
        pytest.param({"comment": " x "}, {"comment": "x"}, id="comment alone"),
        pytest.param({"comment": ""}, {}, id="empty comment is not said"),
        pytest.param({"comment": None}, {"comment": None}, id="comment cleared"),
        pytest.param({"lang": "de-AT"}, {"language": "de"}, id="language"),
        pytest.param({"wait": ["a", "b"]}, {"wait": ["a", "b"]}, id="any question"),
        pytest.param({"call": "oui"}, {"callback_requested": True}, id="call-back asked for"),
    ],
)
def test_answers_are_what_was_said(content: dict[str, Any], expected: dict[str, Any]) -> None:
    """Absent is not said, null is cleared, 0 is 0."""
    assert data(said(**content)).answers == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({}, {"origin": "web"}, id="constant"),
        pytest.param({"plan": "p1"}, {"origin": "web", "plan": "Premium"}, id="translated"),
        pytest.param({"plan": "p2"}, {"origin": "web", "plan": "p2"}, id="not in the table"),
        pytest.param({"plan": None}, {"origin": "web", "plan": None}, id="cleared"),
        pytest.param({"tone": "Tu"}, {"origin": "web", "tone": "tu"}, id="tone"),
        pytest.param({"tone": "sir"}, {"origin": "web"}, id="no tone"),
    ],
)
def test_attributes_are_what_was_said(content: dict[str, Any], expected: dict[str, Any]) -> None:
    """Values are translated by the source's table; constants are always there."""
    assert data(said(**content)).attributes == expected


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        pytest.param({"consent": "OUI"}, {}, [("email", True)], id="yes"),
        pytest.param({"consent": False}, {}, [("email", False)], id="no as boolean"),
        pytest.param({"consent": 1}, {}, [("email", True)], id="yes as number"),
        pytest.param({"consent": "sure"}, {}, [], id="another word says nothing"),
        pytest.param({"consent": None}, {}, [], id="null says nothing"),
        pytest.param({"consent": ["yes"]}, {}, [], id="a list says nothing"),
        pytest.param({}, {}, [], id="missing says nothing"),
        pytest.param({}, {"x-consent": "no"}, [("email", False)], id="fallback to a header"),
        pytest.param({"surveys": "no"}, {}, [("all", False)], id="unquoted no in the file"),
        pytest.param({"surveys": True}, {}, [("all", True)], id="boolean for unquoted yes"),
    ],
)
def test_only_configured_words_are_consent(
    content: dict[str, Any], headers: dict[str, str], expected: list[tuple[str, bool]]
) -> None:
    """A yes is a yes only in the operator's words; nothing else is ever taken for one."""
    result = translate(SOURCE, Payload(said(**content), headers), NOW)
    assert isinstance(result, Translated)
    assert isinstance(result.told.event.data, ResponseReceived)
    assert [(c.channel, c.granted) for c in result.told.event.data.consents] == expected


@pytest.mark.parametrize(
    ("at", "expected", "origin"),
    [
        pytest.param("2026-11-20T10:00:00Z", "2026-11-20T10:00:00+00:00", "platform", id="given"),
        pytest.param("2026-11-20 10:00", "2026-11-20T09:00:00+00:00", "platform", id="local"),
        pytest.param(None, "2026-11-21T12:00:00+00:00", "receipt", id="null"),
        pytest.param("", "2026-11-21T12:00:00+00:00", "receipt", id="empty"),
        pytest.param("2099-01-01T00:00:00Z", "2026-11-21T12:00:00+00:00", "future", id="2099"),
    ],
)
def test_the_answer_time_is_the_platforms_or_the_receipt_marked(
    at: str | None, expected: str, origin: str
) -> None:
    """Where the time comes from is part of the event."""
    found = data(said(at=at))
    assert (found.answered_at.isoformat(), found.answered_at_origin) == (expected, origin)
    assert found.received_at == NOW


@pytest.mark.parametrize(
    ("content", "path", "rule"),
    [
        pytest.param({"score": 11}, "score", "outside 0 to 10", id="another scale"),
        pytest.param({"score": True}, "score", "whole number", id="a boolean"),
        pytest.param({"score": 8.5}, "score", "whole number", id="a fraction"),
        pytest.param({"id": ""}, "id", "missing", id="no response id"),
        pytest.param({"id": {"x": 1}}, "id", "missing", id="response id is a map"),
        pytest.param({"id": "x" * 257}, "id", "longer than 256", id="response id too long"),
        pytest.param({"survey": None}, "survey", "missing", id="no survey"),
        pytest.param({"survey": "x" * 129}, "survey", "longer than 128", id="survey too long"),
        pytest.param({"at": "yesterday"}, "at", "not a time", id="no time"),
        pytest.param({"at": "2020-01-01T00:00:00Z"}, "at", "older than", id="too old"),
        pytest.param({"at": 0}, "at", "older than", id="unix 0"),
        pytest.param({"updated": "never"}, "updated", "not a time", id="no revision"),
        pytest.param({"comment": {"text": "x"}}, "comment", "not a text", id="path too short"),
        pytest.param({"plan": {"x": 1}}, "plan", "not a text, number", id="attribute is a map"),
    ],
)
def test_what_cannot_be_read_names_path_and_rule(
    content: dict[str, Any], path: str, rule: str
) -> None:
    """The operator sees which path to correct; the rule holds nothing of the value."""
    result = translate(SOURCE, Payload(said(**content)), NOW)
    assert isinstance(result, Unmappable)
    assert result.path == path
    assert rule in result.rule


def test_five_years_back_is_the_oldest_answer_taken() -> None:
    """`not_before_days` counts from the receipt."""
    oldest = NOW - timedelta(days=1826)
    assert data(said(at=oldest.isoformat())).answered_at == oldest
    late = (oldest - timedelta(seconds=1)).isoformat()
    assert isinstance(translate(SOURCE, Payload(said(at=late)), NOW), Unmappable)


def test_identifiers_are_normalised_and_a_mistyped_one_does_not_lose_the_answer() -> None:
    """What is no address is named as unread; the response itself is always an identifier."""
    whole = event(said(email=" A@Example.COM", customer=17, phone="+33 6 12 34 56 78"))
    assert [(i.kind, i.value) for i in whole.told.identifiers] == [
        ("email", "a@example.com"),
        ("external_id", "17"),
        ("phone", "+33612345678"),
        ("response", "tool/relational/R-1"),
    ]
    wrong = event(said(email="a at example.com", customer=True, phone="", score=3))
    assert [i.kind for i in wrong.told.identifiers] == ["response"]
    assert wrong.unread == ("email", "external_id")


def test_the_longest_ids_still_make_an_identifier() -> None:
    """Source, survey and response id at their limits fit the wire."""
    source = mapping(name="s" * 64)
    found = data(said(survey="v" * 128, id="r" * 256), source=source)
    assert len(found.identifiers[0].value) == 64 + 1 + 128 + 1 + 256


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({}, True, id="the same"),
        pytest.param({"unmapped": 1}, True, id="what is not mapped"),
        pytest.param({"at": "2099-05-05T00:00:00Z"}, False, id="another time ahead"),
        pytest.param({"score": 8}, False, id="another score"),
        pytest.param({"id": "R-2"}, False, id="another response"),
        pytest.param({"survey": "other"}, False, id="another survey"),
        pytest.param({"updated": "2026-11-20T10:00:00Z"}, False, id="a revision"),
        pytest.param({"done": True}, False, id="complete now"),
        pytest.param({"consent": "yes"}, False, id="a consent"),
        pytest.param({"email": "b@example.com"}, False, id="an identifier"),
        pytest.param({"at": "2026-11-20T10:00:00Z"}, False, id="a time of the platform"),
    ],
)
def test_the_event_id_is_what_the_platform_said(change: dict[str, Any], same: bool) -> None:
    """The same content later is the same event; any change of content is another."""
    first = said(score=9, at="2099-01-01T00:00:00Z")
    again = event({**first, **change}, now=NOW + timedelta(days=3))
    assert (again.told.event.id == event(first).told.event.id) is same


def test_two_sources_never_make_the_same_event() -> None:
    """The same content from another source is another response."""
    other = event(said(score=1), source=mapping(name="other"))
    assert other.told.event.id != event(said(score=1)).told.event.id


@pytest.mark.parametrize(
    ("updated", "expected"),
    [
        pytest.param("2026-11-20T10:00:00.123Z", 1763632800123 + 31536000000, id="time in ms"),
        pytest.param("2099-01-01T00:00:00Z", None, id="far ahead would win for ever"),
        pytest.param(None, None, id="none"),
    ],
)
def test_a_revision_is_the_platforms_update_time(updated: str | None, expected: int | None) -> None:
    """Messages of one response are ordered by it, in unix milliseconds."""
    assert data(said(updated=updated)).revision == expected


@pytest.mark.parametrize(("raw", "expected"), [(3, 3), ("12", 12), (0, 0)])
def test_a_revision_may_be_a_counter(raw: object, expected: int) -> None:
    """A source whose platform counts says so."""
    counted = mapping(PLAIN + "revision_is: counter\n")
    assert data(said(updated=raw), source=counted).revision == expected
    for wrong in (-1, 1.5, True, "x", "9" * 19):
        assert isinstance(translate(counted, Payload(said(updated=wrong)), NOW), Unmappable)


@pytest.mark.parametrize(
    ("complete", "done", "expected"),
    [
        ("final", None, True),
        ("unknown", True, False),
        ("{from: done, is: [true]}", True, True),
        ("{from: done, is: [true]}", False, False),
        ("{from: done, is: [finished]}", "Finished", True),
        ("{from: done, is: [finished]}", None, False),
    ],
)
def test_complete_is_what_the_source_says(complete: str, done: object, expected: bool) -> None:
    """Always, never, or by a value of the payload."""
    source = mapping(PLAIN.replace("{from: done, is: [true]}", complete))
    assert data(said(done=done), source=source).complete is expected


def test_pings_and_foreign_surveys_are_ignored_with_a_reason() -> None:
    """Accepted and not counted, whatever else they hold."""
    assert translate(SOURCE, Payload({"kind": "PING"}), NOW) == Ignored("test message")
    listed = mapping(PLAIN + "surveys: [relational]\n")
    assert translate(listed, Payload(said(survey="other", id=None)), NOW) == Ignored(
        "survey not listed"
    )
    assert isinstance(translate(listed, Payload(said()), NOW), Translated)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["survey", "id", "at", "updated", "email", "score", "comment", "plan"]
                ),
                inner,
            )
        ),
    )
)
def test_no_payload_makes_translate_raise(body: object) -> None:
    """Anything that JSON can hold is translated, ignored or named unmappable."""
    assert isinstance(translate(SOURCE, Payload(body), NOW), Translated | Ignored | Unmappable)


@pytest.mark.parametrize("field", ["at", "updated"])
def test_a_clock_ahead_makes_no_second_event_of_a_message_sent_again(field: str) -> None:
    """What lies too far ahead at first lies so no more when the message comes again."""
    content = said(score=3, **{field: "2026-11-21T12:14:00Z"})
    first = event(content).told.event

    assert event(content, now=NOW + timedelta(minutes=10)).told.event.id == first.id
    assert event({**content, field: "2026-11-21T12:15:00Z"}).told.event.id != first.id


@pytest.mark.parametrize("number", [1e300, -1e19, 2.0**64])
def test_a_number_beyond_64_bits_is_told_and_breaks_nothing(number: float) -> None:
    """`as: number` makes whole numbers of floats; of these it would make what no event holds."""
    source = mapping(PLAIN.replace("wait: wait", "wait: {from: wait, as: number}"))

    assert data(said(wait=number), source=source).answers["wait"] == number


@pytest.mark.parametrize("comment", ["[first, second]", '"answers[id=q].{first,second}"'])
def test_a_blank_says_nothing_so_the_next_path_is_asked(comment: str) -> None:
    """A tool that puts blanks into a field it does not use must not hide the real one."""
    texts = {"first": "  ", "second": "Merci"}
    source = mapping(PLAIN.replace("comment: comment", f"comment: {comment}"))

    found = data(said(**texts, answers=[{"id": "q", **texts}]), source=source)

    assert found.answers["comment"] == "Merci"


def test_a_blank_is_not_converted() -> None:
    """`as: number` over a box left blank loses no answer: it was not said."""
    source = mapping(PLAIN.replace("wait: wait", "wait: {from: wait, as: number}"))

    assert data(said(score=0, wait="  "), source=source).answers == {"score": 0}


@pytest.mark.parametrize(
    ("spec", "sent", "told"),
    [
        pytest.param('{from: wait, before: "/", as: number}', "8 / 10", 8, id="before a mark"),
        pytest.param('{from: wait, before: "/", as: number}', "8", 8, id="without the mark: whole"),
        pytest.param('{from: wait, before: " ", as: number}', "4,5 stars", 4.5, id="a unit"),
        pytest.param('{from: wait, after: "#", before: "-"}', "a#b-c", "b", id="between two"),
        pytest.param('{from: wait, after: ":"}', ["x: a", "y: b"], ["a", "b"], id="of each"),
        pytest.param('{from: wait, before: "/"}', 8, 8, id="no text"),
        pytest.param('{from: wait, before: "/", values: {a: A}}', "a / b", "A", id="then values"),
    ],
)
def test_a_part_of_a_text_is_taken(spec: str, sent: object, told: object) -> None:
    """A number beside its unit or scale, an address beside its name."""
    source = mapping(PLAIN.replace("wait: wait", f"wait: {spec}"))

    assert data(said(score=0, wait=sent), source=source).answers["wait"] == told


def test_a_part_that_is_empty_is_not_said() -> None:
    """It neither fails to convert nor stands as an empty answer."""
    source = mapping(PLAIN.replace("wait: wait", 'wait: {from: wait, before: "/", as: number}'))

    assert data(said(score=0, wait=" / 10"), source=source).answers == {"score": 0}
