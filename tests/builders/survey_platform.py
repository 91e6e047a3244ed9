"""A survey platform on this machine, with the API that its thin web-hooks point to.

It keeps invented responses in the shape of SurveyMonkey's documentation, gives one or a page of
many, and misbehaves on demand: `then(...)` puts answers before the next calls.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "made-up token 4711"


@dataclass
class SurveyPlatform:
    """Its address, what it was asked, and what it knows."""

    base: str = ""
    responses: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    page_size: int = 100
    next_page: str | None = None
    meanwhile: Callable[[], Awaitable[None]] | None = None
    _scripted: list[web.Response] = field(default_factory=list)

    def add(
        self, response_id: str, score: object = 9, survey: str = "S1", **changes: Any
    ) -> dict[str, Any]:
        """Keep one response; `changes` replace what it says."""
        modified = changes.pop("date_modified", "2026-11-22T01:00:00+00:00")
        answers = [{"row_id": "r1", "choice_id": f"c{score}", "simple_text": str(score)}]
        document = {
            "id": response_id,
            "survey_id": survey,
            "response_status": "completed",
            "date_modified": modified,
            "custom_variables": {"email": f"{response_id.lower()}@example.com"},
            "custom_value": "",
            "pages": [
                {"id": "p1", "questions": []},
                {"id": "p2", "questions": [{"id": "144820001", "answers": answers}]},
            ],
            **changes,
        }
        self.responses[response_id] = document
        return document

    def then(self, *answers: web.Response) -> None:
        """Answer the next calls with these, in order."""
        self._scripted.extend(answers)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        self.asked.append(request.path_qs)
        self.headers.append({name.lower(): text for name, text in request.headers.items()})
        if self.meanwhile is not None:
            await self.meanwhile()
        if self._scripted:
            return self._scripted.pop(0)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": {"id": "1011"}}, status=401)
        survey, rest = request.match_info["survey"], request.match_info["rest"]
        if rest == "bulk":
            return self._page(request, survey)
        found = self.responses.get(rest.removesuffix("/details"))
        if found is None or found["survey_id"] != survey:
            return web.json_response({"error": {"id": "1020"}}, status=404)
        return web.json_response(found)

    def _page(self, request: web.Request, survey: str) -> web.Response:
        number = int(request.query.get("page", "1"))
        since = request.query["start_modified_at"]
        known = sorted(
            (one for one in self.responses.values() if one["survey_id"] == survey),
            key=lambda one: str(one["date_modified"]),
        )
        changed = [one for one in known if one["date_modified"] >= since]
        start = (number - 1) * self.page_size
        links = {}
        if start + self.page_size < len(changed):
            after = request.url.update_query(page=str(number + 1))
            links["next"] = self.next_page or str(after)
        return web.json_response({"data": changed[start : start + self.page_size], "links": links})


@asynccontextmanager
async def survey_platform() -> AsyncIterator[SurveyPlatform]:
    """Run one; its `base` is the address to call."""
    platform = SurveyPlatform()
    app = web.Application()
    app.router.add_get("/v3/surveys/{survey}/responses/{rest:.+}", platform.answer)
    app.router.add_get("/{rest:.*}", platform.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        platform.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield platform
    finally:
        await runner.cleanup()
