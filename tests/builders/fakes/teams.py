"""The webhook of a Teams workflow as documented: its URL carries its authorization."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import KeepsNobody

_HOST = "https://example.westeurope.environment.api.powerplatform.com"
_PATH = "/powerautomate/automations/direct/workflows/0123456789abcdef/triggers/manual/paths/invoke"
_SIG = "made-up-teams-sig"
URL = f"{_HOST}{_PATH}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={_SIG}"
#: The most of a card, in bytes.
_LARGEST = 28 * 1024


class FakeTeams(KeepsNobody):
    """A workflow that posts to one channel; it knows no customers."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != _PATH or request.url.params.get("sig") != _SIG:
            return failed(401, "InvalidSharedAccessSignature")
        if len(request.content) > _LARGEST:
            return httpx.Response(413)
        body = json.loads(request.content)
        card = body["attachments"][0]["content"]
        assert (body["type"], card["type"]) == ("message", "AdaptiveCard")
        # The only element whose text is not Markdown.
        assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
        self.posted.append(body)
        return httpx.Response(202)

    @property
    def effects(self) -> int:
        return len(self.posted)


def failed(status: int, code: str, **headers: str) -> httpx.Response:
    """Answer as Power Automate does when it does not start the flow."""
    said = {"error": {"code": code, "message": "no"}}
    return httpx.Response(status, json=said, headers=headers)


CASE = Case(
    preset="teams",
    settings={
        "vars": {"url": "env:NPS_SECRET_TEAMS"},
        "message": {
            "nps_score": "score",
            "nps_theme": "reason",
            "first_name": "first_name",
        },
    },
    environ={"NPS_SECRET_TEAMS": URL},
    fake=FakeTeams,
    acting=_PATH,
    channel="chat",
    contact_class="internal",
    errors=(
        Error(
            "sig renewed",
            "act",
            _PATH,
            failed(401, "InvalidSharedAccessSignature"),
            "disable_target",
        ),
        Error(
            "asks for a sign-in",
            "act",
            _PATH,
            failed(401, "DirectApiAuthorizationRequired"),
            "disable_target",
        ),
        Error("forbidden", "act", _PATH, failed(403, "Forbidden"), "disable_target"),
        Error(
            "turned off", "act", _PATH, failed(400, "WorkflowTriggerIsNotEnabled"), "disable_target"
        ),
        Error("gone", "act", _PATH, failed(404, "WorkflowNotFound"), "disable_target"),
        Error("not understood", "act", _PATH, failed(400, "InvalidRequestContent"), "reject"),
        Error("too large", "act", _PATH, httpx.Response(413), "reject"),
        Error(
            "too fast",
            "act",
            _PATH,
            failed(429, "TooManyRequests", **{"Retry-After": "9"}),
            "throttle",
            wait=9,
        ),
        Error("outage", "act", _PATH, failed(503, "ServiceUnavailable"), "retry"),
        Error("gateway unheard", "act", _PATH, httpx.Response(502), "in_doubt"),
        Error("failed within", "act", _PATH, failed(500, "InternalServerError"), "in_doubt"),
    ),
)
