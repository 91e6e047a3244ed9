"""Slack's incoming webhook as documented: one channel of the staff, errors as bare words."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import KeepsNobody

URL = "https://hooks.slack.com/services/T0MADEUP/B0MADEUP/made-up-slack-secret"
_PATH = httpx.URL(URL).path
#: Slack's own limits of a header's and a section's text.
_HEADER, _SECTION = 150, 3000


class FakeSlack(KeepsNobody):
    """A channel; it knows no customers, so there is no consent to keep."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != _PATH:
            return said(403, "invalid_token")
        body = json.loads(request.content)
        header, section, context = body["blocks"]
        texts = [header["text"], section["text"], *context["elements"]]
        lengths = [len(text["text"]) for text in texts]
        if not all(lengths) or lengths[0] > _HEADER or lengths[1] > _SECTION:
            return said(400, "invalid_blocks")
        # Nothing that a customer may have written is read as markup.
        assert all(text["type"] == "plain_text" for text in texts)
        self.posted.append(body)
        return said(200, "ok")

    @property
    def effects(self) -> int:
        return len(self.posted)


def said(status: int, word: str, **headers: str) -> httpx.Response:
    """Answer as Slack does: a status and a word."""
    return httpx.Response(status, text=word, headers=headers)


CASE = Case(
    preset="slack",
    settings={
        "vars": {"url": "env:NPS_SECRET_SLACK"},
        "message": {
            "nps_score": "score",
            "nps_theme": "reason",
            "first_name": "first_name",
        },
    },
    environ={"NPS_SECRET_SLACK": URL},
    fake=FakeSlack,
    acting=_PATH,
    channel="chat",
    contact_class="internal",
    errors=(
        Error("revoked", "act", _PATH, said(403, "invalid_token"), "disable_target"),
        Error("forbidden", "act", _PATH, said(403, "action_prohibited"), "disable_target"),
        Error("no channel", "act", _PATH, said(404, "channel_not_found"), "disable_target"),
        Error("no webhook", "act", _PATH, said(404, "no_service"), "disable_target"),
        Error("archived", "act", _PATH, said(410, "channel_is_archived"), "disable_target"),
        Error("a word we do not know", "act", _PATH, said(403, "whatever"), "disable_target"),
        Error("not understood", "act", _PATH, said(400, "invalid_payload"), "reject"),
        Error("blocks refused", "act", _PATH, said(400, "invalid_blocks"), "reject"),
        Error("too fast", "act", _PATH, said(429, "", **{"Retry-After": "1"}), "throttle", wait=1),
        Error("strange", "act", _PATH, said(500, "rollup_error"), "retry"),
        Error("200 without its word", "act", _PATH, said(200, "<html>"), "in_doubt"),
        Error("gateway unheard", "act", _PATH, httpx.Response(504), "in_doubt"),
    ),
)
