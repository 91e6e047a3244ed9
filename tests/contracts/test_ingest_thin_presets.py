"""SurveyMonkey and Qualtrics, whole: a signed message of ids, one call to the API, one event."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from aiohttp import web

from services.ingest.verify.signatures import Scheme, sign
from shared.events.feedback import ResponseReceived
from tests.builders.ingest import Ingest, running_ingest
from tests.builders.survey_platform import TOKEN, SurveyPlatform, survey_platform
from tests.builders.waiting import eventually

FILES = Path(__file__).parent / "fetched"
SIGNS = "client-4711&made-up-secret"
SHARED = "made-up shared key"
SOURCES = """
sources:
  monkey:
    preset: surveymonkey
    secrets: ["file:FOLDER/signs"]
    answers: {score: "question:501", comment: "question:502", reasons: "choices:503"}
    attributes: {order: "variable:order"}
    fetch: {base: BASE, secret: "file:FOLDER/token", allow_http: true, allow_private: true}
  qual:
    preset: qualtrics
    secrets: ["file:FOLDER/shared"]
    answers: {score: "question:QID9", comment: "question:QID24_TEXT"}
    attributes: {plan: "embedded:PLAN"}
    fetch: {base: BASE, secret: "file:FOLDER/token", allow_http: true, allow_private: true}
"""
MONKEY = Scheme(header="Sm-Signature", algorithm="sha1", encoding="base64")
QUALTRICS = Scheme(field="HMAC", algorithm="sha512", signed="{field:MSG}")


@dataclass(frozen=True)
class Place:
    """Ingest and a platform that answers as told."""

    ingest: Ingest
    platform: SurveyPlatform

    async def monkey(self, body: bytes, secret: str = SIGNS) -> httpx.Response:
        """Send a message as SurveyMonkey does."""
        return await self.ingest.client.post(
            "/v1/webhooks/monkey",
            content=body,
            headers={
                "Content-Type": "application/vnd.surveymonkey.response.v1+json",
                "Sm-Apikey": "client-4711",
                **sign(MONKEY, secret.encode(), body),
            },
        )

    async def qualtrics(self, message: str, signature: str | None = None) -> httpx.Response:
        """Send a message as Qualtrics does."""
        signed = sign(QUALTRICS, SHARED.encode(), b"", tree={"MSG": message})
        fields = {
            "Topic": "brand.surveyengine.completedResponse.SV_other",
            "MSG": message,
            "HMAC": signature or signed["HMAC"],
        }
        return await self.ingest.client.post(
            "/v1/webhooks/qual",
            content=urlencode(fields),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    @asynccontextmanager
    async def fetching(self, source: str) -> AsyncIterator[None]:
        """Let one source's loop run meanwhile."""
        stopping = asyncio.Event()
        loop = asyncio.ensure_future(self.ingest.part.tasks[f"fetching-{source}"](stopping))
        try:
            yield
        finally:
            stopping.set()
            await loop

    async def one_event(self) -> ResponseReceived:
        """Wait for the one event."""

        async def told() -> bool:
            return bool(await self.ingest.published())

        await eventually(told, what="the fetched response")
        (event,) = await self.ingest.published()
        assert isinstance(event.data, ResponseReceived)
        return event.data


@pytest.fixture
async def place(database: str, tmp_path: Path) -> AsyncIterator[Place]:
    """Both sources, towards a platform of the test."""
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(survey_platform())
        for name, text in (("signs", SIGNS), ("shared", SHARED), ("token", TOKEN)):
            (tmp_path / name).write_text(text, encoding="utf-8")
        sources = SOURCES.replace("FOLDER", str(tmp_path)).replace("BASE", platform.base)
        (tmp_path / "sources.yaml").write_text(sources, encoding="utf-8")
        ingest = await stack.enter_async_context(running_ingest(database, config=tmp_path))
        yield Place(ingest, platform)


def document(name: str) -> web.Response:
    """Answer with a document of the folder."""
    body = (FILES / f"{name}.document.json").read_bytes()
    return web.Response(body=body, content_type="application/json")


def golden(name: str, data: ResponseReceived) -> None:
    """Compare with what was agreed on; our own receipt time is in none of it."""
    said = data.model_dump(mode="json")
    assert said.pop("received_at")
    assert said == json.loads((FILES / f"{name}.event.json").read_text(encoding="utf-8"))


async def test_surveymonkey(place: Place) -> None:
    """HEAD is answered, the signature checked over the raw body, the response read simply."""
    assert (await place.ingest.client.head("/v1/webhooks/monkey")).status_code == 200
    body = (FILES / "surveymonkey.message.json").read_bytes()
    assert (await place.monkey(body, secret="made-up-secret")).status_code == 401
    assert (await place.monkey(body + b" ")).json() == {"status": "fetching", "event_id": None}
    place.platform.then(document("surveymonkey"))
    async with place.fetching("monkey"):
        golden("surveymonkey", await place.one_event())
    assert (await place.monkey(body)).json()["status"] == "fetching"
    assert place.platform.asked == ["/v3/surveys/900100200/responses/800100201/details?simple=true"]
    assert place.platform.headers[0]["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("event", ["response_deleted", "collector_created", "survey_updated"])
async def test_other_events_of_surveymonkey_are_not_counted(place: Place, event: str) -> None:
    """They are accepted, so that the hook stays, and nothing is fetched."""
    body = (FILES / "surveymonkey.message.json").read_bytes()
    answer = await place.monkey(body.replace(b"response_completed", event.encode()))
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert await place.ingest.rows("SELECT 1 FROM ingest.fetches") == []


MESSAGE = (
    '{"Status":"Complete","SurveyID":"SV_invented0001","ResponseID":"R_3invented00001",'
    '"CompletedDate":"2026-11-21 09:15:00","BrandID":"brand"}'
)


async def test_qualtrics(place: Place) -> None:
    """The ids are those of the signed field; time, score and person those of the document."""
    assert (await place.ingest.client.get("/v1/webhooks/qual")).status_code == 200
    assert (await place.qualtrics(MESSAGE, signature="0" * 128)).status_code == 401
    assert (await place.qualtrics(MESSAGE)).json() == {"status": "fetching", "event_id": None}
    place.platform.then(document("qualtrics"))
    async with place.fetching("qual"):
        golden("qualtrics", await place.one_event())
    assert place.platform.asked == ["/API/v3/surveys/SV_invented0001/responses/R_3invented00001"]
    assert place.platform.headers[0]["x-api-token"] == TOKEN


async def test_a_preview_in_qualtrics_is_not_counted(place: Place) -> None:
    """Somebody looked at the survey before it was published."""
    preview = json.loads((FILES / "qualtrics.document.json").read_text(encoding="utf-8"))
    preview["result"]["values"]["status"] = 1
    place.platform.then(web.json_response(preview))
    assert (await place.qualtrics(MESSAGE)).status_code == 202

    async def ignored() -> bool:
        name = "nps_ingest_fetch_responses_total"
        return place.ingest.metric(name, source="qual", fate="ignored") == 1

    async with place.fetching("qual"):
        await eventually(ignored, what="the preview being ignored")
    assert await place.ingest.published() == []
