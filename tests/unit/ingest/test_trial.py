"""One captured request on its way through a source, as `nps source try` tells it."""

from datetime import UTC, datetime, timedelta
from itertools import count

import orjson
import pytest
import yaml

from services.ingest.catalogue import decoder_of, laid_over_preset
from services.ingest.examples import GENERIC, STANDARD, TYPEFORM
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourceEntry
from services.ingest.told import Ignored, Thin, Translated, Unmappable
from services.ingest.tryout.capture import captured, header, inbound
from services.ingest.tryout.trace import Field
from services.ingest.tryout.trial import Message, Subject, Trial, tried
from services.ingest.verify.signatures import Scheme, key_of, sign

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "whsec_aW52ZW50ZWQtc2VjcmV0LW9mLXRoZS10ZXN0cy0zMmI"

PLAIN = """
verify: {header: X-Signature, prefix: "sha256="}
secrets: [env:S]
survey: {constant: relational}
response_id: id
answered_at: [at.done, at.seen]
identifiers: {email: mail, phone: tel}
answers: {score: nps, comment: words, callback_requested: call}
attributes: {plan: {from: plan, values: {p1: Premium}}}
consents: [{channel: email, purpose: marketing, from: ok}]
"""
BODY = {
    "id": "R-1",
    "at": {"seen": "2026-11-20T10:00:00Z"},
    "mail": "Camille@Example.com",
    "nps": "9",
    "plan": "p1",
    "extra": {"a": 1, "b": [2, 3]},
}


def subject(text: str, secrets: tuple[str, ...] | None = (SECRET,)) -> Subject:
    """Make the source of this YAML."""
    entry = laid_over_preset(SourceEntry.model_validate(yaml.safe_load(text)))
    return Subject(entry, compile_mapping("s", entry), decoder_of(entry, 1 << 20), secrets)


def tried_once(text: str, content: object, request: Inbound | None = None) -> Trial:
    """Try one message; every step of the clock is a microsecond."""
    ticks = count()
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    sent = Inbound(body) if request is None else request
    return tried(subject(text), sent, NOW, clock=lambda: next(ticks) / 1e6, times=2)


def only(trial: Trial) -> Message:
    """Take the one message of a trial."""
    (message,) = trial.messages
    return message


def fields(message: Message) -> dict[str, Field]:
    """List the fields by name."""
    return {one.name: one for one in message.fields}


def test_each_field_tells_its_value_and_the_path_that_found_it() -> None:
    """Of several paths the one that said something; what a value became, not what was sent."""
    message = only(tried_once(PLAIN, BODY))
    told = fields(message)

    assert isinstance(message.outcome, Translated)
    assert (told["answered_at"].path, told["answered_at"].state) == ("at.seen", "said")
    assert told["identifiers.email"].value == "camille@example.com"
    assert (told["answers.score"].value, told["answers.score"].path) == (9, "nps")
    assert told["attributes.plan"].value == "Premium"
    assert told["survey"].path == "constant"
    assert told["identifiers.phone"].state == "not said"
    assert message.event is not None
    assert message.event["type"] == "survey.response.received"


def test_what_a_field_costs_is_counted_by_the_clock() -> None:
    """A reading lasts from one look at the clock to the next: here one microsecond."""
    trial = tried_once(PLAIN, BODY)

    assert {round(one.micros, 3) for one in only(trial).fields} == {1.0}
    assert trial.costs.decode == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "name", "state", "note"),
    [
        pytest.param(
            {"nps": 11}, "answers.score", "refused", "outside 0 to 10", id="off the scale"
        ),
        pytest.param({"mail": "nobody"}, "identifiers.email", "left out", "e-mail", id="mistyped"),
        pytest.param({"ok": "maybe"}, "consents.email.marketing", "left out", "yes", id="maybe"),
        pytest.param({"words": None}, "answers.comment", "cleared", "", id="null clears"),
        pytest.param({"words": ""}, "answers.comment", "not said", "", id="blank"),
        pytest.param(
            {"call": "perhaps"}, "answers.callback_requested", "left out", "", id="a flag"
        ),
        pytest.param({"at": {}}, "answered_at", "left out", "receipt", id="no time"),
        pytest.param(
            {"at": {"seen": "2026-11-30T10:00:00Z"}},
            "answered_at",
            "left out",
            "ahead",
            id="future",
        ),
        pytest.param({"id": ""}, "response_id", "refused", "missing", id="no id"),
    ],
)
def test_a_field_that_is_not_taken_says_why(
    change: dict[str, object], name: str, state: str, note: str
) -> None:
    """Said, not said, cleared, refused and left out are five different things."""
    found = fields(only(tried_once(PLAIN, {**BODY, **change})))[name]

    assert found.state == state
    assert note in found.note


def test_all_refusals_are_told_at_once() -> None:
    """The quarantine names the first; who sets a source up wants them all."""
    message = only(tried_once(PLAIN, {**BODY, "nps": "many", "id": None}))

    assert isinstance(message.outcome, Unmappable)
    assert {one.name for one in message.fields if one.state == "refused"} == {
        "response_id",
        "answers.score",
    }


def test_what_no_field_reads_is_listed_by_branches() -> None:
    """A branch of which nothing is read is one line; the tree is left as it was."""
    content = {**BODY, "at": {"seen": "2026-11-20T10:00:00Z", "zone": "Paris"}}
    sent = orjson.dumps(content)
    message = only(tried_once(PLAIN, sent))

    assert message.unread == (("at.zone", "Paris"), ("extra", {"a": 1, "b": [2, 3]}))


def test_an_answer_that_no_field_reads_is_seen_in_its_list() -> None:
    """The question that was forgotten in the source is what one looks for."""
    text = PLAIN.replace("score: nps", 'score: "answers[ref=q1].value"')
    answers = [{"ref": "q1", "value": 9}, {"ref": "q2", "value": "too dear"}]
    message = only(tried_once(text, {**BODY, "nps": None, "answers": answers}))

    assert ("answers[1]", answers[1]) in message.unread
    assert not any(path.startswith("answers[0]") for path, _ in message.unread)


def test_a_batch_is_told_message_by_message() -> None:
    """One element may be fine and the next one not."""
    trial = tried_once("each: rows" + PLAIN, {"rows": [BODY, {**BODY, "nps": 8.5}]})

    assert [type(message.outcome) for message in trial.messages] == [Translated, Unmappable]
    assert not trial.ok


def test_the_kind_that_fits_is_told_with_its_own_fields() -> None:
    """Of a ticket the case is read, not the answers of the other kind."""
    text = (
        PLAIN + "case: ticket\nkinds:\n"
        "- {when: {from: type, is: [solved]}, becomes: case_resolved}\n"
        "- {when: {from: type, is: [answer]}, becomes: response}\n"
        "- {when: {from: type, is: [ids]}, becomes: thin}\n"
        "ignore: [{from: type, is: [ping]}]\n"
    )
    solved = only(tried_once(text, {"type": "solved", "ticket": 7, "mail": "a@example.com"}))

    assert solved.becomes == "case_resolved"
    assert {"case", "identifiers.email"} <= fields(solved).keys()
    assert "answers.score" not in fields(solved)
    assert only(tried_once(text, {**BODY, "type": "answer"})).becomes == "response"
    assert isinstance(only(tried_once(text, {"type": "ids", "id": 4})).outcome, Thin)
    ping = only(tried_once(text, {"type": "ping"}))
    assert (ping.becomes, ping.outcome) == (None, Ignored("test message"))


def test_what_cannot_be_decoded_says_why() -> None:
    """No message, and the words that the server would answer with."""
    trial = tried_once(PLAIN, b'{"a": ')

    assert trial.answer.startswith("400")
    assert trial.undecodable
    assert trial.messages == ()


def signed(scheme: Scheme, body: bytes, *, at: datetime = NOW) -> Inbound:
    """Send a body as a platform of this scheme does."""
    key = key_of(SECRET, scheme.key)
    added = sign(scheme, key, body, message_id="m-1", now=at)
    return inbound(body, list(added.items()))


STANDARD_TEXT = PLAIN.replace(
    '{header: X-Signature, prefix: "sha256="}',
    '{header: webhook-signature, encoding: base64, prefix: "v1,", separator: " ", key: whsec, '
    'signed: "{id}.{timestamp}.{body}", id_header: webhook-id, '
    "timestamp_header: webhook-timestamp}",
)


def test_a_signature_that_holds_is_told_with_the_answer() -> None:
    """Then the server would answer 202."""
    body = orjson.dumps(BODY)
    trial = tried_once(PLAIN, body, signed(GENERIC, body))

    assert (trial.signature.holds, trial.answer, trial.ok) == (True, "202", True)


@pytest.mark.parametrize(
    ("text", "request_", "reason"),
    [
        pytest.param(
            PLAIN,
            inbound(b"{}", [("x-other", "1")]),
            "the signature is missing: the header 'X-Signature' is not there",
            id="no header",
        ),
        pytest.param(
            PLAIN,
            inbound(b"{}", [("x-signature", "sha256=00"), ("x-signature", "sha256=01")]),
            "comes 2 times",
            id="doubled header",
        ),
        pytest.param(
            PLAIN, inbound(b"{}", [("x-signature", "00")]), "prefix: 'sha256='", id="no prefix"
        ),
        pytest.param(
            PLAIN,
            inbound(b"{}", [("x-signature", "sha256=AAAA")]),
            "the hex of sha256 (64 digits",
            id="not its encoding",
        ),
        pytest.param(
            PLAIN,
            inbound(b"{}\n", list(sign(GENERIC, SECRET.encode(), b"{}").items())),
            "without the line break at its end",
            id="an editor's line break",
        ),
        pytest.param(
            PLAIN.replace('prefix: "sha256="', 'prefix: "sha256=", algorithm: sha512'),
            signed(GENERIC, b"{}"),
            "algorithm: 'sha256'",
            id="another algorithm",
        ),
        pytest.param(
            PLAIN.replace('prefix: "sha256="', 'prefix: "sha256=", key: whsec'),
            signed(GENERIC, b"{}"),
            "key: 'plain'",
            id="another recipe of the key",
        ),
        pytest.param(
            PLAIN.replace("header: X-Signature", "header: Typeform-Signature"),
            signed(TYPEFORM, b"{}"),
            "encoding: 'base64'",
            id="another encoding",
        ),
        pytest.param(
            PLAIN,
            inbound(b"{}", [("x-signature", "sha256=" + "0" * 64)]),
            "another secret",
            id="another secret",
        ),
        pytest.param(
            STANDARD_TEXT,
            signed(STANDARD, b"{}", at=NOW - timedelta(days=3)),
            "It was right when it was sent",
            id="captured long ago",
        ),
        pytest.param(
            STANDARD_TEXT.replace("webhook-timestamp}", "webhook-timestamp, timestamp_unit: ms}"),
            signed(STANDARD, b"{}"),
            "it looks like s",
            id="another unit of time",
        ),
        pytest.param(
            PLAIN.replace('{header: X-Signature, prefix: "sha256="}', "{kind: token, query: key}"),
            inbound(b"{}", [], target="/v1/webhooks/s?other=1"),
            "the query's 'key' is not there",
            id="no token",
        ),
        pytest.param(
            PLAIN.replace('{header: X-Signature, prefix: "sha256="}', "{kind: token, path: true}"),
            inbound(b"{}", [], target="/v1/webhooks/s/other"),
            "holds another token",
            id="another token",
        ),
        pytest.param(
            PLAIN + "allow_ips: [192.0.2.0/24]",
            inbound(
                b"{}", list(sign(GENERIC, SECRET.encode(), b"{}").items()), client="198.51.100.1"
            ),
            "not in allow_ips",
            id="another address",
        ),
    ],
)
def test_a_signature_that_does_not_hold_says_why(text: str, request_: Inbound, reason: str) -> None:
    """The operator is told what the sender never is."""
    trial = tried_once(text, b"{}", request_)

    assert trial.signature.holds is False
    assert reason in " ".join(trial.signature.why)
    assert trial.answer.startswith("401")


def test_what_was_not_captured_is_not_held_against_it() -> None:
    """A file with a body alone maps; whether it was signed nobody can say."""
    trial = tried_once(PLAIN, BODY)

    assert (trial.signature.holds, trial.ok) == (None, True)


def test_a_secret_that_is_not_here_leaves_the_signature_unchecked() -> None:
    """On an operator's own computer the mapping is what she looks at."""
    found = tried(subject(PLAIN, None), signed(GENERIC, b"{}"), NOW, clock=lambda: 0.0, times=1)

    assert found.signature.holds is None
    assert "not set here" in found.signature.why[0]


def test_a_token_in_the_body_is_not_shown() -> None:
    """It vouches for the message, and a terminal is read over shoulders."""
    text = PLAIN.replace('{header: X-Signature, prefix: "sha256="}', "{kind: token, field: key}")
    trial = tried_once(text, {**BODY, "key": SECRET})

    assert trial.signature.holds is True
    assert ("key", '"***"') in only(trial).unread


def test_a_captured_request_is_read_whole() -> None:
    """Request line, headers, body; the line break of an editor is not part of a counted body."""
    request = captured(
        b"POST /v1/webhooks/shop/token?key=1 HTTP/1.1\r\nHost: nps.example.com\r\n"
        b"Content-Length: 2\r\nX-A: b: c\r\n\r\n{}\n"
    )

    assert (request.method, request.body, request.query) == ("POST", b"{}", b"key=1")
    assert (request.rest, request.headers.get("X-A")) == ("token", "b: c")
    assert request.url == "https://nps.example.com/v1/webhooks/shop/token?key=1"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        pytest.param(b"", "line 1", id="nothing"),
        pytest.param(b'{"a": 1}', "line 1", id="a body alone"),
        pytest.param(b"POST / HTTP/1.1\nno header\n\n{}", "line 2", id="no colon"),
    ],
)
def test_what_is_no_request_names_its_line(content: bytes, wrong: str) -> None:
    """The person who pasted it can see what is wrong."""
    with pytest.raises(ValueError, match=wrong):
        captured(content)


def test_a_header_needs_a_name() -> None:
    """As in `-H 'Name: value'`."""
    assert header("X-Signature:  sha256=0 ") == ("x-signature", "sha256=0")
    with pytest.raises(ValueError, match="Name: value"):
        header("nothing")
