"""Salesforce as documented: OAuth by client credentials, Cases upserted under an external id."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import KeepsNobody

_CASES = "/services/data/v62.0/sobjects/Case/NPS_Delivery_Id__c/"
_COMMENTS = "/services/data/v62.0/sobjects/CaseComment"
_CASE = "500xx0000000001AAA"


class FakeSalesforce(KeepsNobody):
    """Cases by external id; a token is good until another was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0
        self.tickets: dict[str, dict[str, Any]] = {}
        self.notes: list[tuple[str, str]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/services/oauth2/token":
            self.tokens += 1
            return httpx.Response(
                200, json={"access_token": f"token-{self.tokens}", "token_type": "Bearer"}
            )
        if request.headers["Authorization"] != f"Bearer token-{self.tokens}":
            return error(401, "INVALID_SESSION_ID")
        fields = json.loads(request.content)
        if request.url.path == _COMMENTS:
            return self._comment(fields)
        if "NPS_Delivery_Id__c" in fields or len(fields.get("SuppliedName", "")) > 80:
            return error(400, "INVALID_FIELD")
        name = request.url.path.removeprefix(_CASES)
        known = name in self.tickets
        self.tickets.setdefault(name, {}).update(fields)
        said = {"id": _CASE, "success": True, "errors": [], "created": not known}
        return httpx.Response(200 if known else 201, json=said)

    def _comment(self, fields: dict[str, Any]) -> httpx.Response:
        if fields["ParentId"] != _CASE or not self.tickets:
            return error(400, "ENTITY_IS_DELETED")
        if len(fields["CommentBody"].encode()) > 4000:
            return error(400, "STRING_TOO_LONG")
        assert fields["IsPublished"] is False
        self.notes.append((fields["ParentId"], fields["CommentBody"]))
        said = {"id": "00axx0000000001AAA", "success": True, "errors": []}
        return httpx.Response(201, json=said)

    @property
    def effects(self) -> int:
        return len(self.tickets)


def error(status: int, code: str) -> httpx.Response:
    """Say no as Salesforce does: a list of errors."""
    return httpx.Response(status, json=[{"message": "no", "errorCode": code}])


CASE = Case(
    preset="salesforce_case",
    settings={
        "vars": {
            "domain": "example",
            "client_id": "env:NPS_SALESFORCE_CLIENT_ID",
            "client_secret": "env:NPS_SECRET_SALESFORCE",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
    },
    environ={
        "NPS_SALESFORCE_CLIENT_ID": "made-up-consumer",
        "NPS_SECRET_SALESFORCE": "made-up-salesforce-secret",
    },
    fake=FakeSalesforce,
    acting=_CASES,
    repeat="key",
    channel="ticket",
    contact_class="internal",
    errors=(
        Error("bad client", "act", "/oauth2/token", error(400, "x"), "disable_target"),
        Error("session refused twice", "act", _CASES, error(401, "x"), "disable_target"),
        Error("no access", "act", _CASES, error(403, "INSUFFICIENT_ACCESS"), "disable_target"),
        Error("no such field", "act", _CASES, error(404, "NOT_FOUND"), "disable_target"),
        Error("day's limit", "act", _CASES, error(403, "REQUEST_LIMIT_EXCEEDED"), "throttle"),
        Error("refused value", "act", _CASES, error(400, "STRING_TOO_LONG"), "reject"),
        Error("a duplicate just now", "act", _CASES, error(400, "DUPLICATE_VALUE"), "retry"),
        Error("row locked", "act", _CASES, error(400, "UNABLE_TO_LOCK_ROW"), "retry"),
        Error("several", "act", _CASES, httpx.Response(300, json=["/a", "/b"]), "park"),
        Error(
            "failure inside 200",
            "act",
            _CASES,
            httpx.Response(200, json={"id": None, "success": False, "errors": ["x"]}),
            "reject",
        ),
        Error("away", "act", _CASES, error(503, "SERVER_UNAVAILABLE"), "retry"),
    ),
)
