"""Whatever a stranger or a broken tool sends: one small answer, and nothing left behind by a no."""

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.verify.signatures import Scheme, sign
from shared.events.envelope import decode
from tests.builders.receiving import Answered, Reception, reception

SECRET = "a-secret.of-the_tests~1"
READS = """
    survey: [survey, root:survey, "header:X-Survey"]
    response_id: {hash: [id, ids, "expr:more[0]"]}
    answered_at: at
    revision: rev
    revision_is: counter
    complete: {from: done, is: [true, "yes"]}
    zone: Europe/Paris
    identifiers: {email: email, phone: phone, external_id: who.id}
    answers: {score: score, comment: comment, reasons: {from: why, as: list},
              callback_slot: "answers[key=slot].{value=options[id].text,text}"}
    attributes: {plan: {from: plan, values: {1: gold}}, total: [total, "expr:list && sum(list)"],
                 visits: {from: visits, as: whole}, agent: "header:User-Agent", q: "query:q"}
    consents: [{channel: all, purpose: survey, from: [ok, "expr:ok_too"]}]
    event_id: event
    case: id
    channel: {from: channel, values: {mail: email}}
    delivery_id: ours
    what: what
    each: items
    ignore: [{from: test, is: [true]}]
    kinds:
      - {when: {from: kind, is: [csat]}, score: {metric: csat, scale: {most: max}},
         response_id: id}
      - {when: {from: kind, is: [hundred]}, score: {scale: [0, 100]}}
      - {when: {from: kind, is: [invitation]}, becomes: invitation}
      - {when: {from: kind, is: [opt_out]}, becomes: opt_out}
      - {when: {from: kind, is: [case]}, becomes: case_opened}
      - {when: {from: kind, is: [bounce]}, becomes: message_bounced}
      - {when: {from: kind, is: [action]}, becomes: action_completed}
      - {when: {from: kind, is: [customer]}, becomes: customer_update}
      - {when: {from: kind, is: [thin]}, becomes: thin, response_id: id, variables: {page: page}}
      - {}
    fetch: {url: "https://survey.example.com/{survey}/{response_id}"}
"""
OPEN = ("json", "form", "multipart", "cloudevents", "auto")
GUARDED = """
  signed: {preset: generic, secrets: [env:S]}
  standard: {preset: formbricks, secrets: [env:W], answers: {score: "question:q"}}
  of-field:
    preset: form
    verify: {field: HMAC, signed: "{field:MSG}"}
    json_in: [MSG]
    secrets: [env:S]
  token-field: {preset: generic, verify: {kind: token, field: a.token}, secrets: [env:S]}
  token-query: {preset: generic, verify: {kind: token, query: t}, secrets: [env:S]}
  token-path: {preset: generic, verify: {kind: token, path: true}, secrets: [env:S]}
  basic: {preset: generic, verify: {kind: token, header: Authorization, scheme: basic},
          secrets: [env:B]}
"""
SOURCES = "sources:\n" + "".join(
    f"  {name}:\n    unsigned: true\n    decoder: {name}{READS}" for name in OPEN
)
GUARDS = ("signed", "standard", "of-field", "token-field", "token-query", "token-path", "basic")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Reception:
    """All sources; a small limit of bytes."""
    text = f"body_bytes: 4096\n{SOURCES}{GUARDED}"
    secrets = {"S": SECRET, "B": f"user:{SECRET}", "W": "whsec_Zm9ybWJyaWNrcy1mb3JtYnJpY2tz"}
    return reception(tmp_path_factory.mktemp("desk"), text, secrets)


@pytest.fixture(scope="module")
def run() -> Iterator[asyncio.Runner]:
    """One loop for the very many small requests."""
    with asyncio.Runner() as runner:
        yield runner


def one_of(words: str) -> st.SearchStrategy[str]:
    """One of these words."""
    return st.sampled_from(words.split())


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["nan", "1e999", "9" * 40, "2026-11-21T10:00:00Z", "a@example.com", "\x00", "\ud7ff", "5"]
    )
)
KEYS = one_of(
    "survey id ids at rev done email phone who score comment why answers plan list visits ok ok_too"
    " event channel ours what test max page items key value options text data"
)
KINDS = one_of("csat hundred invitation opt_out case bounce action customer thin other")
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries(
    {
        "kind": KINDS,
        "survey": st.just("s") | st.just("s") | SCALARS,
        "id": st.sampled_from(["R-1", 7]) | SCALARS,
        "email": st.just("a@example.com"),
        "channel": st.just("mail") | SCALARS,
        "what": st.just("purchase") | SCALARS,
        "case": st.just(1) | SCALARS,
    },
    optional={
        "score": SCALARS, "at": SCALARS, "rev": SCALARS, "max": SCALARS, "list": TREES,
        "answers": TREES, "items": TREES, "why": TREES, "plan": TREES,
        "event": SCALARS, "visits": SCALARS, "more": TREES, "ids": TREES,
        "ok_too": TREES, "comment": TREES,
        "test": st.booleans(), "page": SCALARS, "who": TREES,
    },
)  # fmt: skip
BATCHES = MESSAGES | st.lists(MESSAGES | TREES, max_size=4)
HEADERS = st.lists(
    st.tuples(
        one_of(
            "content-type content-encoding content-length x-survey ce-id ce-type ce-source"
            " ce-specversion x-signature authorization webhook-id webhook-timestamp"
            " webhook-signature user-agent host"
        ).map(str.encode),
        st.binary(max_size=20)
        | one_of(
            "application/json application/x-www-form-urlencoded gzip deflate 1.0"
            " application/cloudevents+json application/cloudevents-batch+json"
        ).map(str.encode)
        | st.sampled_from([b"multipart/form-data; boundary=b", b"Basic dXNlcg==", b"9" * 5000]),
    ),
    max_size=5,
)
FORMS = st.dictionaries(KEYS | st.sampled_from(["kind", "who[id]", "ids[]"]), st.text(max_size=8))


def part(name: str, text: bytes) -> bytes:
    """One part of a multipart body."""
    head = b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n'
    return head + text + b"\r\n"


def whole(parts: dict[str, bytes]) -> bytes:
    """A multipart body."""
    return b"".join(part(name, text) for name, text in parts.items()) + b"--b--\r\n"


JSON = BATCHES.map(orjson.dumps)
BODIES = (
    JSON
    | st.binary(max_size=200)
    | BATCHES.map(lambda said: gzip.compress(orjson.dumps(said)))
    | FORMS.map(lambda said: urlencode(said).encode())
    | st.dictionaries(KEYS, st.binary(max_size=20), max_size=4).map(whole)
    | st.integers(4090, 4100).map(lambda size: b" " * size)
)


def right(answer: Answered, kept: int, desk: Reception) -> None:
    """Check what every answer promises; `kept` is how much there was before."""
    assert answer.status in {202, 400, 401, 413}, answer
    assert len(answer.body) < 30_000
    said = orjson.loads(answer.body)
    if answer.status == 202:
        promised = said.get("quarantined", 0) + said.get("ignored", 0) + said.get("fetching", 0)
        one = {"accepted": 1, "quarantined": 1, "fetching": 1, "ignored": 0}[said["status"]]
        many = len(said.get("event_ids", ())) + promised - said.get("ignored", 0)
        rows = 1 if said.get("quarantined") else 0
        added = many - said.get("quarantined", 0) + rows if "event_ids" in said else one
        assert desk.kept.count == kept + added
        for message in desk.kept.messages[-max(1, added) :]:
            decode(message.value)  # what is told without asking its model is what readers take
        return
    assert desk.kept.count == kept
    assert answer.headers[b"content-type"] == b"application/problem+json"
    assert said["status"] == answer.status


@settings(max_examples=120, deadline=None)
@given(
    sent=st.tuples(st.sampled_from(OPEN), BODIES)
    | st.tuples(st.sampled_from(["json", "auto"]), JSON),
    headers=HEADERS,
    query=st.binary(max_size=30) | st.just(b"q=%C3%A9"),
)
def test_whatever_an_open_source_is_sent_has_its_answer(
    desk: Reception,
    run: asyncio.Runner,
    sent: tuple[str, bytes],
    headers: list[tuple[bytes, bytes]],
    query: bytes,
) -> None:
    """Accepted, ignored, to be fetched or kept for a person; or a problem and no trace."""
    source, body = sent
    before = desk.kept.count
    right(run.run(desk.ask(f"/v1/webhooks/{source}", body, headers, query=query)), before, desk)


@settings(max_examples=60, deadline=None)
@given(
    path=st.sampled_from([*GUARDS, "nobody", ""]) | st.text(max_size=10),
    rest=st.just("") | st.text(max_size=10),
    body=BODIES,
    headers=HEADERS,
    query=st.binary(max_size=30) | st.binary(max_size=9).map(lambda t: b"t=" + t),
    method=st.sampled_from(["POST", "POST", "POST", "PUT", "DELETE", "BREW"]),
)
def test_nobody_without_the_secret_gets_in(
    desk: Reception,
    run: asyncio.Runner,
    path: str,
    rest: str,
    body: bytes,
    headers: list[tuple[bytes, bytes]],
    query: bytes,
    method: str,
) -> None:
    """A guess is the same 401 as an unknown source, and leaves nothing behind."""
    before = desk.kept.count
    where = f"/v1/webhooks/{path.replace('json', 'x')}/{rest}"
    answer = run.run(desk.ask(where, body, headers, query=query, method=method))
    assert answer.status in ({401, 413} if method == "POST" else {405})
    assert desk.kept.count == before


@settings(max_examples=60, deadline=None)
@given(said=MESSAGES, body=BODIES)
def test_what_is_vouched_for_is_taken_or_told(
    desk: Reception, run: asyncio.Runner, said: dict[str, Any], body: bytes
) -> None:
    """By header, field, query, path and Basic: a message that is authentic is never a 401."""
    text = orjson.dumps(said).decode()
    json_of_field = orjson.dumps({**said, "a": {"token": SECRET}})
    hmac = sign(
        Scheme(field="HMAC", signed="{field:MSG}"), SECRET.encode(), b"", tree={"MSG": text}
    )
    basic = b"Basic dXNlcjphLXNlY3JldC5vZi10aGVfdGVzdHN+MQ=="
    mark = sign(Scheme(header="x-signature", prefix="sha256="), SECRET.encode(), body)
    requests = [
        desk.ask("/v1/webhooks/signed", body, [(b"x-signature", mark["x-signature"].encode())]),
        desk.ask("/v1/webhooks/of-field", urlencode({"MSG": text, **hmac}).encode()),
        desk.ask("/v1/webhooks/token-field", json_of_field),
        desk.ask(
            "/v1/webhooks/token-query",
            body,
            query=b"t=" + quote_from_bytes(SECRET.encode()).encode(),
        ),
        desk.ask(f"/v1/webhooks/token-path/{SECRET}", body),
        desk.ask("/v1/webhooks/basic", body, [(b"authorization", basic)]),
    ]
    for request in requests:
        before = desk.kept.count
        answer = run.run(request)
        assert answer.status != 401
        right(answer, before, desk)
