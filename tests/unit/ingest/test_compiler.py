"""A source that cannot be right fails the start: which key, which line, what to do."""

from pathlib import Path

import pytest

from services.ingest.catalogue import load_catalogue
from services.ingest.mapper.compiler import compile_columns, compile_mapping
from services.ingest.mapper.needs import MappingErrors
from services.ingest.settings import SourceEntry
from shared.errors import ConfigError
from shared.identifiers import AS_SAID
from shared.settings import Secrets
from tests.builders.mappings import mapping

#: Two lines before, three lines of a source that is right.
HEAD = "sources:\n  tool:\n    unsigned: true\n"
GOOD = HEAD + "    survey: survey\n    response_id: id\n    answers: {score: score}\n"
WHO = HEAD + "    identifiers: {email: email}\n    answered_at: at\n"


def refusal(tmp_path: Path, text: str) -> str:
    """Load a file that is wrong."""
    path = tmp_path / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_catalogue(path, Secrets({}), AS_SAID)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(HEAD, 2, "survey: missing: say where the survey is", id="no survey"),
        pytest.param(HEAD, 2, "answers: missing: say where the score is", id="no answers"),
        pytest.param(GOOD.replace("score: score", "score: null"), 6, "answers: missing", id="null"),
        pytest.param(
            f"{WHO}    becomes: case_opened\n", 2, "case: missing: say where the case is", id="case"
        ),
        pytest.param(
            f"{WHO}    becomes: message_sent\n", 2, "channel: missing: say where", id="channel"
        ),
        pytest.param(
            f"{WHO}    becomes: action_completed\n", 2, "what: missing: say where", id="what"
        ),
        pytest.param(
            f"{HEAD}    becomes: customer_update\n    answered_at: at\n",
            2,
            "identifiers: missing: say where e-mail or customer id is",
            id="an update of nobody",
        ),
        pytest.param(
            f"{HEAD}    becomes: customer_update\n    identifiers: {{email: email}}\n",
            2,
            "answered_at: missing: without it or an `event_id` two like messages",
            id="a report that no two can be told apart",
        ),
        pytest.param(
            f"{HEAD}    becomes: thin\n    survey: s\n    response_id: id\n",
            2,
            "fetch: missing: a thin message's response must be read somewhere",
            id="thin without fetch",
        ),
        pytest.param(
            f"{GOOD}    kinds:\n      - {{when: {{from: a, is: [b]}}}}\n"
            "      - complete: final\n      - {when: {from: c, is: [d]}}\n",
            9,
            "kinds.1.when: missing: without it no kind below is ever reached",
            id="unreachable kind",
        ),
        pytest.param(
            f"{GOOD}    kinds:\n      - when: {{from: 'expr:a[', is: [b]}}\n",
            8,
            "character 3",
            id="expression of a kind",
        ),
        pytest.param(
            f"{GOOD}    attributes:\n      plan: 'expr:nope(a)'\n",
            8,
            "no function 'nope' in JMESPath",
            id="function unknown",
        ),
        pytest.param(f"{GOOD}    revision: 'a..b'\n", 7, "character 3", id="path"),
        pytest.param(f"{GOOD}    revision: 'header:'\n", 7, "a header's name", id="header unnamed"),
        pytest.param(
            f"{GOOD}    revision: 'header:X.Y'\n",
            7,
            "a header's name and nothing more",
            id="header",
        ),
        pytest.param(
            f"{GOOD}    ignore:\n      - {{from: kind, is: []}}\n", 8, "at least 1", id="is of none"
        ),
        pytest.param(
            f"{GOOD}    ignore:\n      - {{from: kind, is: [x], reason: 'Bad!'}}\n",
            8,
            "pattern",
            id="reason",
        ),
        pytest.param(f"{GOOD}    each: 'a[b'\n", 7, "character", id="each"),
        pytest.param(f"{GOOD}    json_in: ['a[0]']\n", 7, "expected keys alone", id="json_in"),
        pytest.param(f"{GOOD}    zones: {{cst: Asia/Shanghai}}\n", 7, "pattern", id="zone word"),
        pytest.param(f"{GOOD}    zones: {{CST: Shanghai}}\n", 7, "not an IANA", id="zone of word"),
        pytest.param(f"{GOOD}    not_before_days: 0\n", 7, "must be more than 0", id="days"),
        pytest.param(
            f"{GOOD}    not_before_days: 36501\n", 7, "must be 36500 or less", id="centuries"
        ),
        pytest.param(f"{GOOD}    rate: {{per_second: 0}}\n", 7, "must be more than 0", id="rate"),
        pytest.param(f"{GOOD}    shorthands: {{q: [a.b]}}\n", 7, "must contain {}", id="shorthand"),
        pytest.param(
            f"{GOOD}    consents:\n      - {{channel: fax, purpose: survey, from: c}}\n",
            8,
            "channel",
            id="channel of a consent",
        ),
        pytest.param(
            f"{GOOD}    score: {{metric: csat}}\n", 7, "say how far csat goes", id="no scale"
        ),
        pytest.param(
            f"{GOOD}    score: {{scale: [10, 0]}}\n", 7, "the least value comes first", id="upside"
        ),
        pytest.param(
            f"{GOOD}    score: {{scale: {{least: 5, most: 5}}}}\n",
            7,
            "the least value comes first",
            id="no extent",
        ),
        pytest.param(f"{GOOD}    score: {{scale: [0, .inf]}}\n", 7, "scale", id="without end"),
        pytest.param(
            f"{GOOD}    score: {{bands: {{promoter: [9, 10]}}}}\n", 7, "fixed", id="bands of NPS"
        ),
        pytest.param(
            f"{GOOD}    score: {{metric: stars, scale: [1, 5], bands: {{promoter: [5, 4]}}}}\n",
            7,
            "write each as [lowest, highest]",
            id="band turned round",
        ),
        pytest.param(
            f"{GOOD}    score: {{metric: stars, scale: [1, 5],\n"
            "            bands: {detractor: [1, 3], passive: [3, 4]}}\n",
            7,
            "two of them overlap",
            id="bands overlap",
        ),
        pytest.param(f"{GOOD}    json: true\n", 7, "unknown key", id="unknown key"),
        pytest.param(
            f"{GOOD}    kinds: [{{becomes: reply, when: {{from: a, is: [b]}}}}]\n",
            7,
            "becomes",
            id="becomes what",
        ),
    ],
)
def test_what_cannot_be_right_names_file_line_and_fix(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    """The first line at fault, in the words of the file."""
    told = refusal(tmp_path, text)
    assert f"sources.yaml:{line}: sources.tool" in told
    assert says in told


def test_everything_wrong_with_a_source_is_told_at_once(tmp_path: Path) -> None:
    """Also what stands in several kinds."""
    told = refusal(
        tmp_path,
        f"{HEAD}    kinds:\n      - {{becomes: case_opened, when: {{from: a, is: [x]}}}}\n"
        "      - {becomes: decline, when: {from: a, is: [y]}}\n",
    )
    assert [line.partition(": ")[2].partition(": ")[0] for line in told.splitlines()] == [
        "sources.tool.kinds.0.answered_at",
        "sources.tool.kinds.0.case",
        "sources.tool.kinds.0.identifiers",
        "sources.tool.kinds.1.answered_at",
        "sources.tool.kinds.1.survey",
        "sources.tool.kinds.1.identifiers",
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("becomes: case_resolved\ncase: id\nevent_id: id", id="a case without anybody"),
        pytest.param(
            "becomes: message_opened\nchannel: {constant: email}\ndelivery_id: ours\nevent_id: id",
            id="our own delivery",
        ),
        pytest.param(
            "survey: s\nresponse_id: id\nanswers: {why: why}\nkinds: [{complete: final}]",
            id="one kind that takes all",
        ),
        pytest.param(
            "survey: s\nresponse_id: id\nanswers: {score: s}\n"
            "kinds: [{when: {from: a, is: [b]}}, {complete: final}]",
            id="the last kind takes the rest",
        ),
    ],
)
def test_what_can_be_right_is_taken(text: str) -> None:
    """No more is asked for than an event needs."""
    assert mapping(text).kinds


def test_a_kind_takes_what_it_leaves_out_from_its_source() -> None:
    """Maps are laid over key by key, null takes a key away; all else replaces."""
    compiled = mapping(
        "survey: s\nresponse_id: id\nanswered_at: at\nidentifiers: {email: e, phone: p}\n"
        "answers: {score: a, comment: c}\n"
        "kinds:\n  - {when: {from: k, is: [1]}, answered_at: other, identifiers: {phone: null},\n"
        "     answers: {comment: d, why: w}}\n"
    )
    (kind,) = compiled.kinds
    assert kind.answered_at is not None
    assert kind.answered_at.path == "other"
    assert [(name, reader.path) for name, reader in kind.identifiers] == [("email", "e")]
    assert [(name, reader.path) for name, reader, _ in kind.answers] == [
        ("score", "a"),
        ("comment", "d"),
        ("why", "w"),
    ]


def test_what_a_mapping_reads_beside_the_body_is_known() -> None:
    """So that a kept message can be mapped again, and nothing more of a request is kept."""
    plain = "survey: s\nresponse_id: id\nanswers: {score: s}\n"
    assert (mapping(plain).headers, mapping(plain).reads_query) == (frozenset(), False)
    compiled = mapping(
        "survey: [s, 'header:X-Survey']\nresponse_id: {hash: ['header:X-Id', d]}\n"
        "answers: {score: s, why: 'lang:why'}\nshorthands: {lang: ['h.{}']}\n"
        "ignore: [{from: 'header:X_Test', is: [1]}]\n"
        "kinds: [{when: {from: 'query:kind', is: [a]}}]\n"
        "consents: [{channel: email, purpose: survey, from: 'header:X-Consent'}]\n"
    )
    assert compiled.headers == {"x-survey", "x-id", "x_test", "x-consent"}
    assert compiled.reads_query


def test_a_files_columns_are_laid_over_the_source() -> None:
    """Without `columns` a row is read as a message is."""
    entry = SourceEntry.model_validate(
        {
            "survey": "s",
            "response_id": "id",
            "answers": {"score": "a.b"},
            "columns": {"answers": {"score": "NPS"}, "survey": {"constant": "old"}},
        }
    )
    (kind,) = compile_columns("tool", entry).kinds
    assert [(name, reader.path) for name, reader, _ in kind.answers] == [("score", "NPS")]
    assert kind.response_id is not None
    assert kind.response_id.path == "id"
    without = entry.model_copy(update={"columns": None})
    assert compile_columns("tool", without).kinds[0].answers[0][1].path == "a.b"


def test_wrong_columns_are_told_where_they_stand() -> None:
    """By the place below the source."""
    entry = SourceEntry.model_validate(
        {
            "survey": "s",
            "response_id": "id",
            "answers": {"score": "a"},
            "columns": {"answers": {"why": "ask:why"}},
        }
    )
    with pytest.raises(MappingErrors) as caught:
        compile_columns("tool", entry)
    assert caught.value.problems == (
        (("columns", "answers", "why"), "unknown shorthand 'ask' (this source knows: none)"),
    )
    assert compile_mapping("tool", entry).kinds
