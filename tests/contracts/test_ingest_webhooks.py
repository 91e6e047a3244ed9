"""What ingest promises a survey tool, on a real PostgreSQL and the real log."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.ingest import examples
from services.ingest.examples import Answer, SignedRequest
from services.ingest.verify.signatures import key_of, sign
from shared.events.feedback import ResponseReceived
from tests.builders import responses
from tests.builders.ingest import Ingest, running_ingest
from tests.builders.lines import written_lines


@pytest.fixture
async def ingest(database: str) -> AsyncIterator[Ingest]:
    """Ingest with the shipped configuration."""
    async with running_ingest(database) as running:
        yield running


def shop_body(**content: Any) -> SignedRequest:
    """Sign any content as the shop would."""
    return shop_bytes(orjson.dumps(content))


def shop_bytes(body: bytes) -> SignedRequest:
    """Sign any bytes as the shop would."""
    key = key_of(responses.SECRETS["NPS_SECRET_SHOP"], "plain")
    return SignedRequest("/v1/webhooks/shop", sign(examples.GENERIC, key, body), body)


def signed(tool: str, said: Answer) -> SignedRequest:
    """Send one answer as a tool does."""
    make = {
        "typeform": responses.typeform,
        "formbricks": responses.formbricks,
        "shop": responses.shop,
    }
    return make[tool](said)


@pytest.mark.parametrize("tool", ["typeform", "formbricks", "shop"])
async def test_a_signed_answer_is_one_durable_event(ingest: Ingest, tool: str) -> None:
    """202 names the event that lies on the log, with all that the tool said."""
    when = datetime.now(UTC) - timedelta(hours=1)
    said = responses.answer(
        score=0,
        comment="Trop cher",
        external_id="C-17",
        language="fr-FR",
        answered_at=when,
        consent_email="oui",
        tone="Vous",
    )
    answer = await ingest.post(signed(tool, said))
    assert answer.status_code == 202
    (event,) = await ingest.published()
    assert answer.json() == {"status": "accepted", "event_id": str(event.id)}
    assert isinstance(event.data, ResponseReceived)
    assert event.data.answers == {"score": 0, "comment": "Trop cher", "language": "fr"}
    assert event.data.attributes == {"tone": "vous"}
    assert [c.granted for c in event.data.consents] == [True]
    assert (event.data.answered_at, event.data.answered_at_origin) == (when, "platform")
    assert {i.kind: i.value for i in event.data.identifiers} == {
        "email": "camille@example.com",
        "external_id": "C-17",
        "response": f"{event.data.source}/relational/R-1",
    }


async def test_the_same_delivery_again_is_the_same_event(ingest: Ingest) -> None:
    """A sender's retry gets the id of the first, though received later and without a time."""
    request = responses.shop(responses.answer())
    first, second = await ingest.post(request), await ingest.post(request)
    assert first.json() == second.json()


async def test_the_bus_key_is_a_route_that_tells_nothing(ingest: Ingest) -> None:
    """One person's messages share a key; it is no address."""
    await ingest.post(responses.shop(responses.answer("R-1")))
    await ingest.post(responses.shop(responses.answer("R-2", email=" Camille@Example.com")))
    keys = {str(row[0]) for row in await ingest.rows("SELECT key FROM bus.records")}
    assert len(keys) == 1
    assert all(len(key) == 64 and "camille" not in key for key in keys)


async def test_every_refusal_is_the_same_401_and_leaves_no_trace(ingest: Ingest) -> None:
    """Unknown source, forged, stale, missing, doubled: equal bytes, nothing stored."""
    good = responses.shop(responses.answer())
    stale = responses.formbricks(responses.answer(), now=datetime.now(UTC) - timedelta(seconds=301))
    early = responses.formbricks(responses.answer(), now=datetime.now(UTC) + timedelta(seconds=330))
    header = ("X-Signature", good.headers["X-Signature"])
    client = ingest.client
    answers = [
        await client.post("/v1/webhooks/nobody", content=good.body, headers=good.headers),
        await client.post("/v1/webhooks/shop/deeper", content=good.body, headers=good.headers),
        await client.post("/v1/webhooks/", content=good.body, headers=good.headers),
        await client.post("/v1/webhooks", content=good.body, headers=good.headers),
        await client.post(good.path, content=good.body + b" ", headers=good.headers),
        await client.post(good.path, content=good.body),
        await client.post(good.path, content=good.body, headers=[header, header]),
        await client.post(good.path, content=b"\xff", headers=good.headers),
        await ingest.post(responses.shop(responses.answer(), secret="wrong")),
        await ingest.post(stale),
        await ingest.post(early),
    ]
    assert {(a.status_code, a.content) for a in answers} == {(401, answers[0].content)}
    assert {tuple(sorted(a.headers.items())) for a in answers} == {
        tuple(sorted(answers[0].headers.items()))
    }
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert await ingest.published() == []
    assert await ingest.kept() == 0


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_each_signed_header_must_be_there_once(ingest: Ingest, name: str) -> None:
    """Missing or doubled, the answer is that for an unknown source, byte for byte."""
    good = responses.formbricks(responses.answer())
    unknown = await ingest.client.post("/v1/webhooks/nobody", content=good.body)
    without = [(k, v) for k, v in good.headers.items() if k != name]
    doubled = [*good.headers.items(), (name, good.headers[name])]
    for headers in (without, doubled):
        answer = await ingest.client.post(good.path, content=good.body, headers=headers)
        assert (answer.status_code, answer.content) == (401, unknown.content)
        assert answer.headers == unknown.headers
    assert await ingest.published() == []
    assert (await ingest.post(good)).status_code == 202


async def test_a_refusal_is_logged_without_anything_of_the_request(ingest: Ingest) -> None:
    """Whoever is not authentic writes nothing of their own into our log, not even a name."""
    canary = "canary-4711"
    forged = responses.shop(responses.answer(comment=canary, email=f"{canary}@example.com"))
    headers = {"X-Signature": canary, "User-Agent": canary, "X-Request-Id": canary}
    with written_lines("services.ingest.sight") as lines:
        for path in (forged.path, f"/v1/webhooks/{canary}"):
            await ingest.client.post(f"{path}?q={canary}", content=forged.body, headers=headers)
    assert [(line["source"], line["status"]) for line in lines] == [("shop", 401), ("unknown", 401)]
    assert canary not in repr(lines)


@pytest.mark.parametrize(
    ("score", "read"),
    [("9 ", 9), ("09", 9), (9.0, 9), ("9.0", 9), (0, 0), ("", None), (None, None), (True, "kept"),
     (10**30, "kept"), (1 << 63, "kept"), (-1, "kept"), ("neuf", "kept"), ({"value": 9}, "kept")],
    ids=repr,
)  # fmt: skip
async def test_a_score_is_read_or_kept_for_a_person_never_guessed(
    ingest: Ingest, score: Any, read: int | str | None
) -> None:
    """From the bytes of the request to the event, or to the quarantine with the path."""
    body = b'{"survey":"s","response_id":"R-1","score":%s}' % json.dumps(score).encode()
    answer = await ingest.post(shop_bytes(body))
    assert answer.status_code == 202
    if read == "kept":
        assert answer.json()["status"] == "quarantined"
        assert await ingest.rows("SELECT path FROM ingest.quarantine") == [("score",)]
        return
    (event,) = await ingest.published()
    assert isinstance(event.data, ResponseReceived)
    assert event.data.answers.get("score") == read


async def test_a_typeform_without_a_score_and_with_an_empty_hidden_address(ingest: Ingest) -> None:
    """A comment alone is an answer; nobody is told by an empty field, and no consent is guessed."""
    said = responses.answer(score=None, comment="Merci", email="", consent_email="")
    answer = await ingest.post(responses.typeform(said))
    assert answer.json()["status"] == "accepted"
    (event,) = await ingest.published()
    assert isinstance(event.data, ResponseReceived)
    assert event.data.answers == {"comment": "Merci"}
    assert [i.kind for i in event.data.identifiers] == ["response"]
    assert event.data.consents == ()


async def test_the_test_button_of_formbricks_is_accepted_and_not_counted(ingest: Ingest) -> None:
    """Signed as any message, and holding no answer."""
    body = b'{"webhookId":"w","event":"testEndpoint"}'
    key = key_of(responses.SECRETS["NPS_SECRET_FORMBRICKS_NPS"], "whsec")
    headers = sign(examples.STANDARD, key, body, message_id="m-1", now=datetime.now(UTC))
    answer = await ingest.post(SignedRequest("/v1/webhooks/formbricks-nps", headers, body))
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert await ingest.published() == []


async def test_a_platform_that_only_asks_is_greeted(ingest: Ingest) -> None:
    """GET and HEAD are an empty 200 and do nothing, whatever the source."""
    for path in ("", "/", "/shop", "/nobody", "/shop/deeper"):
        for method in ("GET", "HEAD"):
            answer = await ingest.client.request(method, f"/v1/webhooks{path}")
            assert (answer.status_code, answer.content) == (200, b"")


async def test_no_path_below_webhooks_is_ever_404_or_410(ingest: Ingest) -> None:
    """Some senders switch a hook off at the first 404 or 410; none is redirected either."""
    for path in ("", "/", "/shop", "/shop/", "/nobody", "/a/b/c", "/%2F", "//", "/%0A"):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "POST", "GET"):
            answer = await ingest.client.request(method, f"/v1/webhooks{path}")
            assert answer.status_code in {200, 401, 405}, (method, path)


async def test_a_test_message_is_accepted_and_not_counted(ingest: Ingest) -> None:
    """A ping gets its 202, and there is no event and no row."""
    answer = await ingest.post(shop_body(event="ping"))
    assert (answer.status_code, answer.json()) == (202, {"status": "ignored", "event_id": None})
    assert await ingest.published() == []
    assert await ingest.kept() == 0
    assert ingest.metric("nps_ingest_requests_total", source="shop", outcome="ignored") == 1


async def test_what_cannot_be_decoded_is_400(ingest: Ingest) -> None:
    """Authentic bytes that are no JSON are the sender's fault and are not kept."""
    for body in (b"", b"score=9", b'{"a": "\xff"}', b'{"score": NaN}', b"[" * 100_000):
        answer = await ingest.post(shop_bytes(body))
        assert answer.status_code == 400
        assert answer.json()["type"] == "urn:nps:problem:undecodable"
    assert await ingest.kept() == 0


async def test_a_body_too_large_is_413_announced_or_not(ingest: Ingest) -> None:
    """The limit holds for a Content-Length and for chunks; nobody's signature is asked first."""
    large = shop_bytes(b'"' + b"x" * (1 << 20) + b'"')

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large.body), 65536):
            yield large.body[start : start + 65536]

    announced = await ingest.post(large)
    chunked = await ingest.client.post(large.path, content=chunks(), headers=large.headers)
    assert "content-length" not in chunked.request.headers
    assert (announced.status_code, chunked.status_code) == (413, 413)
    assert await ingest.kept() == 0


async def test_what_cannot_be_mapped_is_kept_with_the_failing_path(ingest: Ingest) -> None:
    """202, a row with path and rule, the raw body beside it, and no event."""
    request = shop_body(survey="relational", response_id="R-1", score=11, email="c@example.com")
    answer = await ingest.post(request)
    assert (answer.status_code, answer.json()["status"]) == (202, "quarantined")
    assert await ingest.published() == []
    ((row_id, source, path, rule, body),) = await ingest.rows(
        "SELECT id::text, source, path, rule, body FROM ingest.quarantine"
    )
    assert answer.json()["quarantine_id"] == row_id
    assert (source, path) == ("shop", "score")
    assert rule == "score: outside 0 to 10; another scale must not be taken for NPS"
    assert body == request.body
    assert ingest.metric("nps_ingest_quarantined_total", source="shop") == 1


async def test_the_same_unmappable_message_is_one_row(ingest: Ingest) -> None:
    """A sender that repeats itself does not fill the quarantine."""
    request = shop_body(survey="relational", score=3)
    first, second = await ingest.post(request), await ingest.post(request)
    assert first.json() == second.json()
    assert await ingest.kept() == 1


async def test_secrets_are_struck_out_of_what_is_kept(ingest: Ingest) -> None:
    """A platform that repeats its secret in the body does not get it stored."""
    secret = responses.SECRETS["NPS_SECRET_SHOP"]
    await ingest.post(shop_body(secret=secret))
    ((body,),) = await ingest.rows("SELECT body FROM ingest.quarantine")
    assert body == b'{"secret":"***"}'


async def test_a_message_that_grows_beyond_a_record_is_kept(database: str, tmp_path: Path) -> None:
    """Within the body limit and too large for the bus once mapped: in quarantine, not lost."""
    fields = ", ".join(f"a{number}: plan" for number in range(8))
    (tmp_path / "sources.yaml").write_text(
        "sources: {shop: {preset: generic, secrets: [env:NPS_SECRET_SHOP], attributes: {"
        f"{fields}}}}}}}"
    )
    request = shop_body(survey="s", response_id="R-1", score=1, plan=["é" * 1000] * 100)
    async with running_ingest(database, config=tmp_path) as ingest:
        answer = await ingest.post(request)
        assert (answer.status_code, answer.json()["status"]) == (202, "quarantined")
        ((rule,),) = await ingest.rows("SELECT rule FROM ingest.quarantine")
    assert rule == "too large for the bus once mapped"


async def test_metrics_name_no_source_that_is_not_configured(ingest: Ingest) -> None:
    """An attacker cannot make labels: every unknown source is `unknown`."""
    await ingest.client.post("/v1/webhooks/made-up-by-somebody", content=b"{}")
    shown = (await ingest.client.get("/metrics")).text
    assert "made-up" not in shown
    assert ingest.metric("nps_ingest_requests_total", source="unknown", outcome="unauthorized") == 1
    assert ingest.metric("nps_ingest_seconds_count", route="webhooks") == 1


async def test_neither_logs_nor_answers_hold_anything_personal(ingest: Ingest) -> None:
    """Accepted, quarantined, refused, undecodable: no address, comment, id or secret is told."""
    canary = "canary-4711"
    said = responses.answer(
        score=7, comment=canary, email=f"{canary}@example.com", external_id=canary
    )
    requests = [
        responses.typeform(said),
        responses.formbricks(said),
        responses.shop(said),
        responses.shop(said, secret="wrong"),
        shop_body(survey=canary, score=canary, comment=canary),
        shop_body(response_id="R-1", survey="s", email=canary, answered_at=canary),
        shop_bytes(f"{canary}{{".encode()),
    ]
    answers: list[httpx.Response] = []
    with written_lines("services.ingest.sight") as lines:
        for request in requests:
            answers.append(await ingest.post(request))
    assert len(lines) == len(requests)
    assert {a.status_code for a in answers} == {202, 400, 401}
    told = orjson.dumps(lines, default=str).decode() + "".join(a.text for a in answers)
    assert canary not in told
    assert not [secret for secret in responses.SECRETS.values() if secret in told]


async def test_one_wide_line_tells_each_request(ingest: Ingest) -> None:
    """Source, outcome, status, duration and the event id stand in one line."""
    with written_lines("services.ingest.sight") as lines:
        answer = await ingest.post(responses.shop(responses.answer(email="not an address")))
    (line,) = lines
    assert line["event"] == "ingest.request"
    assert (line["source"], line["outcome"], line["status"]) == ("shop", "accepted", 202)
    assert line["event_id"] == answer.json()["event_id"]
    assert line["unread"] == ["email"]
    assert line["duration_ms"] > 0


async def test_the_descriptions_name_the_routes(ingest: Ingest) -> None:
    """OpenAPI describes every route of ingest, also the one that FastAPI does not parse."""
    paths = (await ingest.client.get("/openapi.json")).json()["paths"]
    assert {"/v1/webhooks/{source}", "/v1/events", "/v1/quarantine"} <= set(paths)
    assert set(paths["/v1/webhooks/{source}"]["post"]["responses"]) >= {"202", "401", "503"}
