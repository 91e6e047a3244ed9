"""A source proposed from a sample: what it says loads, and maps the sample it was made of."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from services.ingest.catalogue import decoder_of, load_preset
from services.ingest.decode.decoders import Undecodable
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourcesFile
from services.ingest.told import Translated
from services.ingest.translate import translate
from services.ingest.tryout.capture import inbound
from services.ingest.tryout.cli import source
from services.ingest.tryout.suggest import Suggestion, resembles, suggest
from services.ingest.verify.verifier import compile_verifier
from shared.events.feedback import ResponseReceived

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHEN = "2026-11-20T10:00:00Z"
SENTENCE = "The delivery took two weeks."

NESTED = {
    "type": "feedback",
    "data": {
        "survey": {"id": "s-9", "title": "How do you like us?"},
        "response": {"id": "r-77", "completedAt": WHEN, "status": "completed"},
        "customer": {"id": "C-17", "emailAddress": "camille@example.com", "firstName": "Camille"},
        "agent": {"email": "staff@example.org"},
        "nps": {"rating": 9, "verbatim": SENTENCE},
    },
}
BY_KEY = {
    "submission_id": 501,
    "form": "after-sales",
    "submitted": "2026-11-20 10:00:00",
    "contact": {"mail": "camille@example.com"},
    "answers": [
        {"key": "q_nps", "question": "Would you recommend us?", "value": "9"},
        {"key": "q_why", "question": "Why?", "value": SENTENCE},
        {"key": "q_colour", "question": "Which colour?", "value": "blue"},
    ],
}
BY_TEXT = {
    "interview": {"uuid": "9f3c", "finishedOn": WHEN},
    "questionnaire": "brand",
    "respondent": {"e-mail": "camille@example.com"},
    "items": [
        {"title": "Recommanderiez-vous notre marque ?", "reply": {"number": 9}},
        {"title": "Votre commentaire", "reply": {"text": SENTENCE}},
    ],
}
IN_TEXT = {
    "hook": "x",
    "payload": orjson.dumps(
        {"responseId": "r-77", "surveyId": "s-9", "endDate": WHEN, "NPS Score": 9,
         "respondent.email": "camille@example.com", "Comment $1": SENTENCE}
    ).decode(),
}  # fmt: skip
ROWS = {
    "sent": 1,
    "rows": [
        {"id": f"r-{n}", "survey": "s-9", "email": f"c{n}@example.com", "score": 9, "at": WHEN}
        for n in (1, 2)
    ],
}
EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "tool",
    "type": "answer",
    "data": {"response_id": "r-77", "survey": "s", "nps": 9, "email": "camille@example.com"},
}
PAIRS = {
    "envelope": {"uid": "rp-9", "at": 1795168800000, "poll": {"code": "PL-77"}},
    "who": [{"kind": "mail", "v": "camille@example.com"}, {"kind": "ref", "v": "CU-88121"}],
    "body": {"replies": [
        {"q": "nps", "a": "9"}, {"q": "why", "a": SENTENCE}, {"q": "callback", "a": "yes"},
    ]},
}  # fmt: skip
ODD_PAIRS = {
    "entry": {"ref": "e-1", "no": 4, "questionnaire": "visit", "finished": WHEN},
    "facts": [
        {"x": "Would you recommend us?", "y": 9},
        {"x": "Why?", "y": SENTENCE},
        {"x": "Mail", "y": "camille@example.com"},
    ],
}
BESIDE = {
    "feedback_id": "f-1",
    "survey": "s",
    "completed": "20/11/2026 10:00",
    "email": "camille@example.com",
    "answers": {
        "q1": {"question": "How likely are you to recommend us?", "answer": 9},
        "q2": {"question": "Why?", "answer": SENTENCE},
    },
}
FORM = (
    b"survey_id=12&submissionId=77&nps=9&comment=The+delivery+took+two+weeks."
    b"&contact[email]=camille%40example.com&submitted=2026-11-20+10:00:00"
)
BARE = {"score": 9, "email": "camille@example.com"}


def proposed(body: object, *headers: tuple[str, str]) -> tuple[Inbound, Suggestion]:
    """Propose a source for a body."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    request = inbound(content, headers)
    return request, suggest(request, "new-tool")


def mapped(request: Inbound, suggestion: Suggestion) -> list[ResponseReceived]:
    """Load the proposed YAML and map the sample with it."""
    file = SourcesFile.model_validate(yaml.safe_load(suggestion.yaml))
    entry = file.sources["new-tool"]
    compile_verifier(entry.verify, ["whsec_" + "0" * 43], entry.allow_ips, entry.unsigned)
    decoder = decoder_of(entry, 1 << 20)
    mapping = compile_mapping("new-tool", entry)
    found = []
    for payload in decoder.split(decoder.read(request), request):
        outcome = translate(mapping, payload, NOW)
        assert isinstance(outcome, Translated), outcome
        assert isinstance(outcome.told.event.data, ResponseReceived)
        found.append(outcome.told.event.data)
    return found


@pytest.mark.parametrize(
    ("body", "survey", "response_id", "others"),
    [
        pytest.param(NESTED, "s-9", "r-77", {"C-17"}, id="maps in maps"),
        pytest.param(BY_KEY, "after-sales", "501", set(), id="answers by a key"),
        pytest.param(BY_TEXT, "brand", "9f3c", set(), id="answers by their question"),
        pytest.param(IN_TEXT, "s-9", "r-77", set(), id="JSON in a field"),
        pytest.param(FORM, "12", "77", set(), id="a form"),
        pytest.param(PAIRS, "PL-77", "rp-9", set(), id="pairs with keys of one letter"),
        pytest.param(ODD_PAIRS, "visit", "e-1", set(), id="pairs with keys that tell nothing"),
        pytest.param(BESIDE, "s", "f-1", set(), id="a question beside its answer"),
    ],
)
def test_the_proposed_source_maps_its_sample(
    body: object, survey: str, response_id: str, others: set[str]
) -> None:
    """Ids, score, e-mail, comment and time are found in shapes that nobody here has coded for."""
    (data,) = mapped(*proposed(body))

    assert (data.survey, data.response_id) == (survey, response_id)
    assert data.answers["score"] == 9
    assert data.answers["comment"] == SENTENCE
    assert data.answered_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    people = {one.value for one in data.identifiers if one.kind != "response"}
    assert people == {"camille@example.com", *others}


def test_a_list_of_messages_is_a_batch() -> None:
    """Each element is a response of its own, not a question of one."""
    request, suggestion = proposed(ROWS)

    assert "each: rows" in suggestion.yaml
    assert [data.response_id for data in mapped(request, suggestion)] == ["r-1", "r-2"]


def test_a_batch_of_several_kinds_is_one_all_the_same() -> None:
    """It is found below other keys, its fullest message is read, and the kinds are told."""
    person = {"person": {"email": "camille@example.com"}, "survey": "s-9", "at": 1795168800}
    events = [
        {"type": "ping", "at": 1795168800},
        {"type": "answer", **person, "response": {"id": "r-1", "nps": 9, "done": True}},
        {"type": "sent", **person, "response": {"id": "r-2"}},
    ]
    _, suggestion = proposed({"data": {"page": {"items": events}}})
    entry = yaml.safe_load(suggestion.yaml)["sources"]["new-tool"]

    assert (entry["each"], entry["response_id"]) == ("data.page.items", "response.id")
    assert entry["complete"] == {"from": "response.done", "is": ["true"]}
    assert any("by type (ping, answer, sent)" in note for note in suggestion.notes)


def test_a_part_of_a_text_is_proposed() -> None:
    """The score before its scale, the address beside its name; another scale is none of NPS."""
    body = {"response_id": "r", "survey": "s", "who": "Jon Bauer <c@example.com>", "at": WHEN}
    request, suggestion = proposed({**body, "nps": "8 / 10", "rating": "4 / 5"})
    (data,) = mapped(request, suggestion)

    assert data.answers["score"] == 8
    assert "c@example.com" in {one.value for one in data.identifiers}
    assert "score: {" not in proposed({**body, "nps": "4 / 5"})[1].yaml


@pytest.mark.parametrize(
    ("body", "becomes", "needs"),
    [
        pytest.param(
            {"ticket": {"number": "T-1", "state": {"old": "open", "new": "solved"},
                        "requester": "c@example.com", "changed": WHEN}},
            "case_resolved", ("case", "ticket.number"), id="a ticket that was solved",
        ),
        pytest.param(
            {"issue": {"id": 7, "status": "open", "mail": "c@example.com", "created": WHEN}},
            "case_opened", ("case", "issue.id"), id="an issue that was opened",
        ),
        pytest.param(
            [{"rcpt": "c@example.com", "smtp": "550 5.1.1 no such user", "when": WHEN}],
            "message_bounced", ("channel", {"constant": "email"}), id="what a mail server said",
        ),
        pytest.param(
            {"event": "hard_bounce", "email": "c@example.com", "date": WHEN},
            "message_bounced", ("channel", {"constant": "email"}), id="a bounce by its name",
        ),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_taken_by_its_looks(
    body: object, becomes: str, needs: tuple[str, object]
) -> None:
    """The entry loads and maps the sample, and a note says what was assumed."""
    request, suggestion = proposed(body)
    file = SourcesFile.model_validate(yaml.safe_load(suggestion.yaml))
    entry = yaml.safe_load(suggestion.yaml)["sources"]["new-tool"]
    decoder = decoder_of(file.sources["new-tool"], 1 << 20)
    (payload,) = decoder.split(decoder.read(request), request)

    assert (entry["becomes"], entry[needs[0]]) == (becomes, needs[1])
    mapping = compile_mapping("new-tool", file.sources["new-tool"])
    assert isinstance(translate(mapping, payload, NOW), Translated)
    assert any(f"taken as {becomes}" in note for note in suggestion.notes)


def test_a_multipart_body_is_known_without_its_headers() -> None:
    """By how it begins; the JSON in its field is read."""
    content = orjson.dumps({"response_id": "r", "survey": "s", "nps": 9, "email": "c@example.com"})
    body = (
        b'--Xb\r\nContent-Disposition: form-data; name="payload"\r\n\r\n'
        + content
        + b"\r\n--Xb--\r\n"
    )
    entry = yaml.safe_load(proposed(body)[1].yaml)["sources"]["new-tool"]

    assert (entry["decoder"], entry["json_in"]) == ("multipart", ["payload"])
    assert entry["answers"] == {"score": "payload.nps"}


@pytest.mark.parametrize(
    ("written", "order"),
    [
        pytest.param("20/11/2026 10:00", "day_first", id="no month is the 20th"),
        pytest.param("11/20/2026 10:00 AM", "month_first", id="neither is this"),
        pytest.param("03/04/2026", "day_first", id="both fit: one is proposed"),
        pytest.param(WHEN, None, id="no date in figures"),
    ],
)
def test_what_comes_first_in_a_date_is_proposed(written: str, order: str | None) -> None:
    """Where the sample fits both orders, the line says so."""
    _, suggestion = proposed({**BARE, "completed": written})
    entry = yaml.safe_load(suggestion.yaml)["sources"]["new-tool"]

    assert entry["answered_at"] == "completed"
    assert entry.get("dates") == order
    assert ("or month_first" in suggestion.yaml) == (written == "03/04/2026")


def test_an_answer_that_says_it_is_unfinished_is_not_taken_as_whole() -> None:
    """The other way round of a state that says done."""
    _, suggestion = proposed({**BARE, "unfinished": False})
    entry = yaml.safe_load(suggestion.yaml)["sources"]["new-tool"]

    assert entry["complete"] == {"from": "unfinished", "is": [False]}


def test_a_secret_in_the_query_is_seen() -> None:
    """By its name, or by its looks."""
    for query in ("token=abc", "k=quill7quill7quill7quill7"):
        target = f"https://nps.example.com/v1/webhooks/x?page=2&{query}"
        found = suggest(inbound(orjson.dumps(BARE), [], target=target), "new-tool")
        entry = yaml.safe_load(found.yaml)["sources"]["new-tool"]
        assert entry["verify"] == {"kind": "token", "query": query.partition("=")[0]}


def test_a_cloud_event_is_read_as_one() -> None:
    """Its envelope names the message, its data the answer."""
    request, suggestion = proposed(EVENT)

    assert "decoder: cloudevents" in suggestion.yaml
    assert mapped(request, suggestion)[0].response_id == "r-77"


def test_what_is_not_in_the_sample_has_a_stand_in_that_loads() -> None:
    """No survey: a constant; no id: a hash of what tells one answer from the next."""
    request, suggestion = proposed(BARE)
    (data,) = mapped(request, suggestion)

    assert data.survey == "new-tool"
    assert data.response_id.startswith("hash:")
    assert "hash: [email, score]" in suggestion.yaml


def test_a_time_is_known_by_its_looks_and_tells_answers_apart() -> None:
    """In the operator's own language, too; then a correction is no new answer."""
    body = {"note": "7", "remarque": SENTENCE, "courriel": "c@example.com", "quand": 1795255200}
    request, suggestion = proposed([body])

    assert "hash: [courriel, quand]" in suggestion.yaml
    assert mapped(request, suggestion)[0].answers == {"score": 7, "comment": SENTENCE}


def test_a_message_without_a_score_says_so() -> None:
    """It may be a thin one: the source loads, and a note tells what is missing."""
    request, suggestion = proposed({"survey_id": "s", "response_id": "r", "resource": "x"})

    assert mapped(request, suggestion)[0].answers == {}
    assert any("no score was found" in note for note in suggestion.notes)


def test_questions_without_a_name_of_ours_are_left_for_a_person() -> None:
    """As comments with their paths: to take one up is to remove its mark."""
    _, suggestion = proposed(BY_KEY)

    assert '# q_colour: "answers[key=q_colour].value"' in suggestion.yaml


def test_elements_that_nothing_names_are_not_mapped_by_their_place() -> None:
    """The next message would have another order."""
    for elements in ([{"v": 9}, {"v": 3}], [{"n": 1, "v": 9}, {"n": 2, "v": 3}]):
        _, suggestion = proposed({"id": "r", "email": "c@example.com", "list": elements})

        assert "[0]" not in suggestion.yaml
        assert any(note.startswith("elements of list") for note in suggestion.notes)


@pytest.mark.parametrize(
    ("headers", "verify"),
    [
        pytest.param(
            [("X-Hub-Signature-256", "sha256=" + "a" * 64)],
            {"header": "x-hub-signature-256", "algorithm": "sha256", "prefix": "sha256="},
            id="hex after a prefix",
        ),
        pytest.param(
            [("X-Sign-Hmac", "A" * 87 + "=")],
            {"algorithm": "sha512", "encoding": "base64"},
            id="base64 of SHA-512",
        ),
        pytest.param(
            [("X-Signature", "f" * 64), ("X-Timestamp", "1795255200")],
            {"timestamp_header": "x-timestamp", "signed": "{timestamp}.{body}"},
            id="a time beside it",
        ),
        pytest.param(
            [("Tool-Signature", "t=1795255200,v1=" + "f" * 64)],
            {"timestamp_prefix": "t=", "prefix": "v1=", "separator": ","},
            id="elements",
        ),
        pytest.param(
            [("X-Tool-Auth", "ts=1795255200|mac=" + "A" * 86 + "==")],
            {"timestamp_prefix": "ts=", "prefix": "mac=", "separator": "|", "algorithm": "sha512"},
            id="elements with marks of its own",
        ),
        pytest.param(
            [("webhook-id", "m"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,x")],
            {"key": "whsec", "signed": "{id}.{timestamp}.{body}"},
            id="Standard Webhooks",
        ),
        pytest.param(
            [("Authorization", "Basic dTpw")],
            {"kind": "token", "scheme": "basic"},
            id="Basic authorisation",
        ),
        pytest.param([("X-Api-Key", "k")], {"kind": "token", "header": "x-api-key"}, id="a token"),
        pytest.param([], {"kind": "token", "path": True}, id="nothing: a secret in the address"),
    ],
)
def test_how_it_is_signed_is_guessed_by_its_headers(
    headers: list[tuple[str, str]], verify: dict[str, object]
) -> None:
    """A guess that loads; `try` tells whether it holds."""
    _, suggestion = proposed(BARE, *headers)
    entry = yaml.safe_load(suggestion.yaml)["sources"]["new-tool"]

    assert verify.items() <= entry["verify"].items()
    SourcesFile.model_validate(yaml.safe_load(suggestion.yaml))


def test_a_sample_of_a_shipped_preset_is_recognised() -> None:
    """Then the preset knows more than a guess does."""
    tally = {"eventType": "FORM_RESPONSE", "data": {"formId": "f", "responseId": "r"}}
    request, _ = proposed(tally)

    assert resembles(load_preset("tally"), request)
    assert not resembles(load_preset("typeform"), request)
    assert not resembles(load_preset("generic"), request)


def test_what_no_decoder_reads_is_told() -> None:
    """Nothing is proposed for a body that is neither JSON nor a form."""
    with pytest.raises(Undecodable):
        proposed(b"{not json")


def test_the_command_writes_yaml_that_check_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a sample to a mapped message by three commands."""
    monkeypatch.setenv("NPS_SECRET_MY_TOOL", "a-secret-in-the-address")
    body, config = tmp_path / "body.json", ("--config", str(tmp_path))
    body.write_bytes(orjson.dumps(BY_KEY))
    runner = CliRunner()

    first = runner.invoke(source, ["suggest", str(body), "--name", "my-tool"])
    (tmp_path / "sources.yaml").write_text(first.stdout, encoding="utf-8")
    assert max(map(len, first.stdout.splitlines())) <= 100
    assert runner.invoke(source, ["check", *config]).exit_code == 0
    url = "https://nps.example.com/v1/webhooks/my-tool/a-secret-in-the-address"
    last = runner.invoke(source, ["try", "my-tool", str(body), "--url", url, "--json", *config])
    told = orjson.loads(last.stdout)
    assert (last.exit_code, told["answer"]) == (0, "202")
    assert told["messages"][0]["event"]["data"]["answers"]["score"] == 9


def test_the_command_tells_its_candidates_as_json(tmp_path: Path) -> None:
    """For a program: the YAML, and every candidate with reason and confidence."""
    body = tmp_path / "body.json"
    body.write_bytes(orjson.dumps(NESTED))
    told = orjson.loads(CliRunner().invoke(source, ["suggest", str(body), "--json"]).stdout)

    assert {one["field"] for one in told["candidates"]} >= {"score", "email", "response_id"}
    assert all(one["reason"] and 0 < one["confidence"] <= 1 for one in told["candidates"])
    body.write_bytes(b"{")
    assert CliRunner().invoke(source, ["suggest", str(body)]).exit_code == 2
