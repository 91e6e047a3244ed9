"""Every way in which a tool may prove itself, by the YAML of a source alone, over HTTP."""

import base64
import hmac
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from tests.builders.sources import BASIC, NEWEST, OLD, Sources, running_sources

READS = "survey: {constant: s}, response_id: id, answers: {score: score}"
SOURCES = f"""
body_bytes: 4096
sources:
  field-signed:
    {{decoder: form, verify: {{field: HMAC, algorithm: sha512, signed: "{{field:MSG}}"}},
     secrets: [SECRETS/newest], json_in: [MSG], survey: MSG.survey, response_id: MSG.id,
     answers: {{score: MSG.score}}}}
  in-path: {{verify: {{kind: token, path: true}}, secrets: [SECRETS/newest, SECRETS/old], {READS}}}
  in-query: {{verify: {{kind: token, query: key}}, secrets: [SECRETS/newest], {READS}}}
  in-field: {{verify: {{kind: token, field: auth.token}}, secrets: [SECRETS/newest], {READS}}}
  in-header: {{verify: {{kind: token, header: X-Key}}, secrets: [SECRETS/newest], {READS}}}
  basic:
    {{verify: {{kind: token, header: Authorization, scheme: basic}}, secrets: [SECRETS/basic],
     {READS}}}
  two: {{preset: generic, secrets: [SECRETS/newest, SECRETS/old]}}
  of-an-address:
    {{verify: {{header: X-Sig, signed: "{{method}}{{url}}{{body}}"}}, secrets: [SECRETS/newest],
     {READS}}}
  near: {{unsigned: true, allow_ips: [192.0.2.0/24, 127.0.0.0/8], {READS}}}
  far: {{unsigned: true, allow_ips: [192.0.2.0/24], {READS}}}
  far-signed: {{preset: generic, secrets: [SECRETS/newest], allow_ips: ["2001:db8::/32"]}}
  slow: {{preset: generic, secrets: [SECRETS/newest], rate: {{per_second: 0.05, burst: 2}}}}
  slow-batch: {{unsigned: true, rate: {{per_second: 0.05, burst: 3}}, {READS}}}
"""
SAID = {"id": "R-1", "score": 9}


@pytest.fixture(scope="module")
async def sources(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sources]:
    """One ingest with all of them."""
    folder = tmp_path_factory.mktemp("sources")
    async with running_sources(server, template, folder, SOURCES) as running:
        yield running


def digest(text: bytes, secret: str = NEWEST, algorithm: str = "sha256") -> str:
    """Sign as most tools do."""
    return hmac.new(secret.encode(), text, algorithm).hexdigest()


def signed(body: bytes, secret: str = NEWEST) -> dict[str, str]:
    """The header of the generic preset."""
    return {"X-Signature": f"sha256={digest(body, secret)}"}


def refused_alike(answers: list[httpx.Response]) -> None:
    """Check that nobody can tell these answers apart."""
    first = answers[0]
    assert first.status_code == 401
    assert {(a.content, tuple(sorted(a.headers.items()))) for a in answers} == {
        (first.content, tuple(sorted(first.headers.items())))
    }


async def test_a_signature_in_a_field_covers_the_decoded_field(sources: Sources) -> None:
    """The form is decoded first, under all limits; the field's JSON is read once it is vouched."""
    text = '{"survey":"S","id":"R-1","score":"7"}'
    form = {"MSG": text, "HMAC": digest(text.encode(), algorithm="sha512")}
    data = await sources.answered("field-signed", urlencode(form).encode())
    assert (data.survey, data.response_id, data.answers) == ("S", "R-1", {"score": 7})


async def test_there_undecodable_and_unsigned_are_the_same_401(sources: Sources) -> None:
    """Broken, forged, doubled, without the field, and an unknown source: equal, and no trace."""
    text = '{"survey":"S","id":"R-2","score":"7"}'
    right = digest(text.encode(), algorithm="sha512")
    bodies = [
        b"\xff\xfe=%%%",
        b"",
        b"&" * 4000,
        urlencode({"MSG": text, "HMAC": right[:-1]}).encode(),
        urlencode({"MSG": text + " ", "HMAC": right}).encode(),
        urlencode({"MSG": text}).encode(),
        urlencode({"HMAC": right}).encode(),
        urlencode([("MSG", text), ("MSG", text), ("HMAC", right)]).encode(),
        urlencode([("MSG", text), ("HMAC", right), ("HMAC", right)]).encode(),
        urlencode({"MSG": "{broken", "HMAC": right}).encode(),
    ]
    before = len(await sources.ingest.published())
    answers = [await sources.post("field-signed", body) for body in bodies]
    refused_alike([*answers, await sources.post("nobody", b"x")])
    assert len(await sources.ingest.published()) == before
    assert await sources.aside("field-signed", "1") == []


async def test_what_was_vouched_for_and_does_not_decode_is_400(sources: Sources) -> None:
    """An authentic field that holds no JSON is its sender's fault."""
    form = {"MSG": "{broken", "HMAC": digest(b"{broken", algorithm="sha512")}
    answer = await sources.post("field-signed", urlencode(form).encode())
    assert answer.status_code == 400
    assert answer.json()["detail"] == "the body is field MSG of JSON text: not JSON in UTF-8"


@pytest.mark.parametrize(
    ("right", "content", "headers", "wrong"),
    [
        pytest.param(
            f"in-path/{NEWEST}", SAID, {},
            ["in-path", "in-path/", "in-path/other", f"in-path/{NEWEST}/more", f"in-path/x{OLD}"],
            id="path",
        ),
        pytest.param(
            f"in-query?a=b&key={NEWEST}", SAID, {},
            ["in-query", f"in-query?Key={NEWEST}", f"in-query?key={NEWEST}&key={NEWEST}",
             f"in-query/{NEWEST}", "in-query?key="],
            id="query",
        ),
        pytest.param(
            "in-field", {**SAID, "auth": {"token": NEWEST}}, {},
            [f"in-field/{NEWEST}", f"in-field?token={NEWEST}"], id="field",
        ),
        pytest.param(
            "in-header", SAID, {"X-Key": f"Bearer {NEWEST}"}, ["in-header"], id="header",
        ),
        pytest.param(
            "basic", SAID,
            {"Authorization": f"Basic {base64.b64encode(BASIC.encode()).decode()}"},
            ["basic"], id="basic",
        ),
    ],
)  # fmt: skip
async def test_a_token_stands_where_the_source_says_and_nowhere_else(
    sources: Sources,
    right: str,
    content: dict[str, object],
    headers: dict[str, str],
    wrong: list[str],
) -> None:
    """Path, query, field, header, Basic; any other place, twice, or another text is the 401."""
    name = right.partition("/")[0].partition("?")[0]
    assert (await sources.accepted(right, content, **headers)).source == name
    answers = [await sources.post(where, SAID) for where in wrong]
    answers.append(await sources.post(name, SAID, {"Authorization": "Basic dXNlcjpwYXNz"}))
    answers.append(await sources.post(name, SAID, {"X-Key": "Bearer"}))
    refused_alike([*answers, await sources.post("nobody", SAID)])
    assert len(await sources.events(name)) == 1


async def test_a_field_token_that_cannot_be_read_is_the_same_401(sources: Sources) -> None:
    """The body is decoded to look for it; what does not decode tells nobody more."""
    bodies = (
        b"{",
        b"[" * 3000,
        b'{"auth": 1}',
        b'{"auth": {"token": ["' + NEWEST.encode() + b'"]}}',
    )
    refused_alike([await sources.post("in-field", body) for body in bodies])


async def test_an_address_that_is_signed_is_taken_as_it_was_written(sources: Sources) -> None:
    """Method, scheme, host, path and query as sent, %-escapes and all."""
    body, address = orjson.dumps(SAID), "http://ingest/v1/webhooks/of-an%2Daddress?a=%C3%A9&b=1+2"
    headers = {"X-Sig": digest(b"POST" + address.encode() + body)}
    answer = await sources.ingest.client.post(address, content=body, headers=headers)
    assert answer.status_code == 202
    other = await sources.ingest.client.post(f"{address}&c=3", content=body, headers=headers)
    assert other.status_code == 401


async def test_the_senders_address_is_a_further_condition(sources: Sources) -> None:
    """From elsewhere even a right signature is the 401 of an unknown source."""
    assert (await sources.post("near", SAID)).status_code == 202
    body = orjson.dumps(SAID)
    refused_alike(
        [
            await sources.post("far", SAID),
            await sources.post("far-signed", body, signed(body)),
            await sources.post("nobody", SAID),
        ]
    )


async def test_while_secrets_change_both_vouch_and_the_metric_tells_which(
    sources: Sources,
) -> None:
    """When `old` stands still, the old one can go; a source of one secret shows none of it."""

    def used(source: str, secret: str) -> float:
        return sources.ingest.metric("nps_ingest_secret_used_total", source=source, secret=secret)

    shown = (await sources.ingest.client.get("/metrics")).text
    assert 'nps_ingest_secret_used_total{secret="old",source="two"} 0.0' in shown
    body = orjson.dumps({"survey": "s", "response_id": "R-1", "score": 9})
    for secret in (NEWEST, OLD, OLD):
        assert (await sources.post("two", body, signed(body, secret))).status_code == 202
    assert (await sources.post("two", body, signed(body, "another"))).status_code == 401
    assert (used("two", "newest"), used("two", "old")) == (1, 2)
    assert (await sources.post(f"in-path/{OLD}", SAID)).status_code == 202
    assert used("in-path", "old") == 1


async def test_more_than_a_sources_rate_is_429_with_the_wait(sources: Sources) -> None:
    """Nothing is stored beyond it, and a stranger's flood takes nothing from it."""
    body = orjson.dumps({"survey": "s", "response_id": "R-1", "score": 9})
    flood = [await sources.post("slow", body, signed(body, "a guess")) for _ in range(20)]
    assert {answer.status_code for answer in flood} == {401}
    answers = [await sources.post("slow", body, signed(body)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].json()["type"] == "urn:nps:problem:too-many"
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 21
    assert len(await sources.events("slow")) == 2
    assert (
        sources.ingest.metric("nps_ingest_requests_total", source="slow", outcome="too-many") == 1
    )


async def test_a_batch_counts_with_all_its_messages(sources: Sources) -> None:
    """It is taken whole; then its source waits for what it held."""
    batch = [{"id": f"R-{number}", "score": number} for number in range(5)]
    first, second = [await sources.post("slow-batch", batch) for _ in range(2)]
    assert (first.status_code, second.status_code) == (202, 429)
    assert len(first.json()["event_ids"]) == 5
    assert int(second.headers["retry-after"]) > 40


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        pytest.param({}, {}, id="a plain question"),
        pytest.param(
            {"WebHook-Request-Origin": "events.example.com"},
            {"webhook-allowed-origin": "*"},
            id="who may send",
        ),
        pytest.param(
            {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120",
             "WebHook-Request-Callback": "https://events.example.com/confirm"},
            {"webhook-allowed-origin": "*", "webhook-allowed-rate": "*"},
            id="and how often",
        ),
        pytest.param({"WebHook-Request-Rate": "120"}, {}, id="a rate of nobody"),
    ],
)  # fmt: skip
async def test_the_hand_shake_of_cloudevents_is_agreed_to_and_does_nothing(
    sources: Sources, asked: dict[str, str], agreed: dict[str, str]
) -> None:
    """OPTIONS as its web-hook profile says, for whatever name; the callback is never called."""
    before = await sources.ingest.published()
    for name in ("two", "nobody", f"in-path/{NEWEST}"):
        answer = await sources.ingest.client.options(f"/v1/webhooks/{name}", headers=asked)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["allow"] == "POST, GET, HEAD, OPTIONS"
        said = {k: v for k, v in answer.headers.items() if k.startswith("webhook-")}
        assert said == agreed
    assert await sources.ingest.published() == before


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "PROPFIND"])
async def test_another_method_is_405_and_names_those_there_are(
    sources: Sources, method: str
) -> None:
    """A problem document, the same for every source."""
    known, unknown = [
        await sources.ingest.client.request(method, f"/v1/webhooks/{name}", content=b"{}")
        for name in ("two", "nobody")
    ]
    assert known.status_code == 405
    assert known.headers["allow"] == "POST, GET, HEAD, OPTIONS"
    assert known.headers["content-type"] == "application/problem+json"
    assert (known.content, known.headers) == (unknown.content, unknown.headers)
