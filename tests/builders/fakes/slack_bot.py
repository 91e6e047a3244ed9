"""Slack's chat.postMessage and chat.update as documented: 200 for nearly all, `ok` says which."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import KeepsNobody

TOKEN = "xoxb-made-up-bot-token"
ROOM = "C0MADEUP1"
POST, CHANGE = "/api/chat.postMessage", "/api/chat.update"


class FakeSlackBot(KeepsNobody):
    """Channels of messages by their moment; it knows no customers."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return no("invalid_auth")
        body = json.loads(request.content)
        texts = [body["blocks"][0]["text"], body["blocks"][1]["text"]]
        # Nothing that a customer may have written is read as markup.
        assert all(text["type"] == "plain_text" for text in texts)
        if len(texts[0]["text"]) > 150 or len(texts[1]["text"]) > 3000:
            return no("invalid_blocks")
        ts = body.get("ts") or f"1795000000.{len(self.messages) + 1:06}"
        if request.url.path == CHANGE and (body["channel"], ts) not in self.messages:
            return no("message_not_found")
        self.messages[body["channel"], ts] = body
        return httpx.Response(200, json={"ok": True, "channel": body["channel"], "ts": ts})

    @property
    def effects(self) -> int:
        return len(self.messages)


def no(error: str) -> httpx.Response:
    """Answer as Slack does when it did not do it."""
    return httpx.Response(200, json={"ok": False, "error": error})


def _error(error: str, outcome: Any) -> Error:
    return Error(error, "act", POST, no(error), outcome)


CASE = Case(
    preset="slack_bot",
    settings={
        "vars": {"token": "env:NPS_SECRET_SLACK_BOT", "room": ROOM},
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
    },
    environ={"NPS_SECRET_SLACK_BOT": TOKEN},
    fake=FakeSlackBot,
    acting=POST,
    channel="chat",
    contact_class="internal",
    errors=(
        _error("invalid_auth", "disable_target"),
        _error("token_revoked", "disable_target"),
        _error("missing_scope", "disable_target"),
        _error("not_in_channel", "disable_target"),
        _error("is_archived", "disable_target"),
        _error("channel_not_found", "disable_target"),
        _error("msg_too_long", "reject"),
        _error("invalid_blocks", "reject"),
        _error("ratelimited", "throttle"),
        _error("fatal_error", "in_doubt"),
        _error("service_unavailable", "retry"),
        Error(
            "too fast",
            "act",
            POST,
            httpx.Response(429, headers={"Retry-After": "30"}, json={"ok": False}),
            "throttle",
            wait=30,
        ),
        Error("no word", "act", POST, httpx.Response(200, text="<html>"), "in_doubt"),
        Error("gateway unheard", "act", POST, httpx.Response(504), "in_doubt"),
    ),
)
