"""What a row of a file becomes: the past, which is known and which nobody reacts to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.decode.payload import Payload
from services.ingest.history.rows import read_row
from services.ingest.mapper.compiler import compile_columns, compile_mapping
from services.ingest.settings import SourceEntry
from services.ingest.told import Ignored, Translated, Unmappable
from services.ingest.translate import translate
from shared.events.feedback import CustomerUpdated, Provenance, ResponseReceived, SurveyOptedOut

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
#: A tool whose messages are nested, and whose exports are flat with titles of their own.
ENTRY: dict[str, Any] = {
    "unsigned": True,
    "survey": "form.id",
    "response_id": "form.answer",
    "answered_at": "form.at",
    "identifiers": {"email": "who.mail"},
    "answers": {"score": "form.score"},
    "columns": {
        "survey": {"constant": "relational"},
        "response_id": "Response ID",
        "answered_at": "Date",
        "identifiers": {"email": '"E-mail"'},
        "answers": {"score": "Score (0-10)", "comment": "Why?"},
        "attributes": {"plan": "Plan"},
    },
}
ROW = {
    "Response ID": "R-1",
    "Date": "2026-03-01T10:00:00Z",
    "E-mail": "Camille@Example.com",
    "Score (0-10)": "9",
    "Why?": "",
    "Plan": "gold",
}


def read(row: object, whence: Provenance = "own", /, **changes: Any) -> Any:
    """Read one row by the source's columns; `changes` replace keys of them."""
    columns = {**ENTRY["columns"], **changes}
    entry = SourceEntry.model_validate({**ENTRY, "columns": columns})
    return read_row(compile_columns("tool", entry), row, whence, NOW)


def answer(outcome: Any) -> ResponseReceived:
    """Take the answer that was told."""
    assert isinstance(outcome, Translated), outcome
    assert isinstance(outcome.told.event.data, ResponseReceived)
    return outcome.told.event.data


def test_a_row_is_the_past_and_says_where_it_comes_from() -> None:
    """Fields by the titles of the file; "" is not said."""
    found = answer(read(ROW, "partner"))
    assert (found.history, found.provenance) == (True, "partner")
    assert (found.survey, found.response_id, found.answers) == ("relational", "R-1", {"score": 9})
    assert found.attributes == {"plan": "gold"}
    assert found.answered_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert found.received_at == NOW


def test_the_same_answer_by_webhook_is_the_same_event() -> None:
    """Its identity knows nothing of how it came: what is known already is not told twice."""
    form = {"id": "relational", "answer": "R-1", "at": "2026-03-01T10:00:00Z", "score": 9}
    message = {"form": form, "who": {"mail": "camille@example.com"}}
    entry = SourceEntry.model_validate(ENTRY)
    by_webhook = translate(compile_mapping("tool", entry), Payload(message), NOW)
    by_file = read({**ROW, "Plan": ""})
    assert isinstance(by_webhook, Translated)
    assert by_file.told.event.id == by_webhook.told.event.id
    assert read(ROW, "own").told.event.id == read(ROW, "bought").told.event.id


@pytest.mark.parametrize(
    ("source", "asked", "found"),
    [
        pytest.param("bought", "own", "bought", id="the source knows it to be bought"),
        pytest.param("own", "bought", "bought", id="the person knows it to be bought"),
        pytest.param("partner", "own", "partner", id="a partner's"),
    ],
)
def test_of_two_words_about_provenance_the_stricter_counts(
    source: Provenance, asked: Provenance, found: Provenance
) -> None:
    """A consent that came with bought addresses must not become one by a careless word."""
    assert answer(read(ROW, asked, provenance=source)).provenance == found


def test_a_customer_and_an_opt_out_may_come_from_a_file() -> None:
    """A list says where it comes from; an opt-out without a time counts from now."""
    customer = read(ROW, "bought", becomes="customer_update").told.event.data
    assert isinstance(customer, CustomerUpdated)
    assert (customer.provenance, customer.attributes) == ("bought", {"plan": "gold"})
    out = read({**ROW, "Date": ""}, becomes="opt_out").told.event.data
    assert isinstance(out, SurveyOptedOut)


NO_TIME = "history must say when it was, in the past: map a column, or give a constant"


@pytest.mark.parametrize(
    ("row", "changes", "path", "rule"),
    [
        pytest.param(None, {}, "*", "not a row of named fields", id="no row"),
        pytest.param(["R-1"], {}, "*", "not a row of named fields", id="a list"),
        pytest.param({**ROW, "Date": ""}, {}, "answered_at", NO_TIME, id="no time"),
        pytest.param({**ROW, "Date": "2027-01-01"}, {}, "answered_at", NO_TIME, id="in the future"),
        pytest.param(
            {**ROW, "Date": ""}, {"becomes": "invitation"}, "answered_at", NO_TIME, id="invitation"
        ),
        pytest.param(
            {**ROW, "Date": "2020-01-01"},
            {},
            "Date",
            "older than not_before_days allows",
            id="too old",
        ),
        pytest.param(
            ROW,
            {"becomes": "action_completed", "what": {"constant": "purchase"}},
            "becomes",
            "a file tells answers, customers, invitations, declines and opt-outs only",
            id="what plays react to",
        ),
        pytest.param(
            ROW,
            {"becomes": "thin"},
            "becomes",
            "a file tells answers, customers, invitations, declines and opt-outs only",
            id="ids only",
        ),
    ],
)
def test_what_is_no_past_is_refused(
    row: object, changes: dict[str, Any], path: str, rule: str
) -> None:
    """An answer of unknown time would count as one of today, and an order might be thanked for."""
    assert read(row, **changes) == Unmappable(path, rule)


def test_a_source_without_columns_reads_rows_like_messages() -> None:
    """With all that it ignores."""
    entry = SourceEntry.model_validate(
        {
            "unsigned": True,
            "survey": "survey",
            "response_id": "id",
            "answered_at": "at",
            "identifiers": {"email": "email"},
            "answers": {"score": "score"},
            "ignore": [{"from": "test", "is": ["1"]}],
        }
    )
    mapping = compile_columns("tool", entry)
    row = {"survey": "s", "id": "1", "at": "2026-03-01", "email": "c@example.com", "score": "0"}
    assert answer(read_row(mapping, row, "own", NOW)).answers == {"score": 0}
    assert read_row(mapping, {**row, "test": "1"}, "own", NOW) == Ignored("test message")
