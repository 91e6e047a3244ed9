"""Salesforce Marketing Cloud as documented: tokens, rows by contact key, journey entries."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

_ID, _SECRET = "made-up-sfmc-client", "made-up-sfmc-secret"
_ROWS, _ENTER = "/hub/v1/dataevents/key:NPS/rowset", "/interaction/v1/events"
_TOKEN, _FORGET = "/v2/token", "/contacts/v1/contacts/actions/delete"


class FakeSfmc(Fake):
    """Contacts by key, whose subscriptions no call of ours reaches; rows beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, str]] = {
            "C-1": {"email": "jane@example.com", "status": "Active"},
            "C-2": {"email": "joe@example.com", "status": "Unsubscribed"},
        }
        self.rows: dict[str, dict[str, Any]] = {}
        self.entries: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path == _TOKEN:
            return self._token(request, body)
        assert request.url.host == "mc0example.rest.marketingcloudapis.com"
        if request.headers.get("Authorization") != "Bearer made-up-token":
            return failed(401, 0)
        if request.url.path == _ROWS:
            return self._write(body)
        if request.url.path == _FORGET:
            for key in body["values"]:
                self.contacts.pop(key, None)
                self.rows.pop(key, None)
            return httpx.Response(200, json={"operationInitiated": True, "hasErrors": False})
        if request.url.path == _ENTER:
            assert body["ContactKey"] == body["Data"]["SubscriberKey"]
            self.entries.append(body)
            return httpx.Response(201, json={"eventInstanceId": f"e-{len(self.entries)}"})
        return failed(404, 0)

    def _write(self, rows: list[dict[str, Any]]) -> httpx.Response:
        for row in rows:
            if row["values"].get("FirstName") == self.poison:
                # What stands before it is written, what stands behind it is not.
                return failed(400, 10006, "a value of the rows is refused")
            self.rows.setdefault(row["keys"]["SubscriberKey"], {}).update(row["values"])
        return httpx.Response(200, json=rows)

    def _token(self, request: httpx.Request, body: dict[str, str]) -> httpx.Response:
        assert request.url.host == "mc0example.auth.marketingcloudapis.com"
        if (body["client_id"], body["client_secret"]) != (_ID, _SECRET):
            return httpx.Response(401, json={"error": "invalid_client"})
        said = {"access_token": "made-up-token", "token_type": "Bearer", "expires_in": 1079}
        return httpx.Response(200, json=said)

    def consent(self) -> Any:
        return copy.deepcopy({c["email"]: c["status"] for c in self.contacts.values()})

    def known(self) -> set[str]:
        return {contact["email"] for contact in self.contacts.values()}

    @property
    def effects(self) -> int:
        return len(self.entries)


def failed(status: int, code: int, *more: str, **headers: str) -> httpx.Response:
    """Answer as Marketing Cloud does when it refuses a call."""
    said: dict[str, Any] = {"errorcode": code, "message": "no", "documentation": ""}
    if more:
        said["additionalErrors"] = [{"message": one} for one in more]
    return httpx.Response(status, json=said, headers=headers)


_REFUSED = httpx.Response(200, json={"operationInitiated": False, "hasErrors": True})

CASE = Case(
    preset="sfmc",
    settings={
        "vars": {
            "subdomain": "mc0example",
            "client_id": "env:NPS_SECRET_SFMC_ID",
            "client_secret": "env:NPS_SECRET_SFMC",
            "account_id": "510000001",
            "extension": "NPS",
        },
        "attributes": {
            "nps_score": "NpsScore",
            "nps_segment": "NpsSegment",
            "nps_previous_segment": {"field": "NpsPreviousSegment", "empty": ""},
            "nps_answered_at": {"field": "NpsDate", "kind": "moment"},
            "first_name": "FirstName",
        },
        "message": {"nps_score": "Score", "nps_theme": "Reason", "first_name": "FirstName"},
        "events": {"reassurance": "APIEvent-nps-reassurance"},
    },
    environ={"NPS_SECRET_SFMC_ID": _ID, "NPS_SECRET_SFMC": _SECRET},
    fake=FakeSfmc,
    acting=_ENTER,
    pushing=_ROWS,
    errors=(
        Error(
            "bad credentials",
            "push",
            _TOKEN,
            httpx.Response(401, json={"error": "invalid_client"}),
            "disable_target",
        ),
        Error("token refused twice", "push", _ROWS, failed(401, 0), "disable_target"),
        Error("missing scope", "act", _ENTER, failed(403, 0), "disable_target"),
        Error(
            "too fast",
            "act",
            _ENTER,
            failed(429, 50100, **{"Retry-After": "5"}),
            "throttle",
            wait=5,
        ),
        Error("blocked", "act", _ENTER, failed(429, 50200), "disable_target"),
        Error("busy", "act", _ENTER, failed(503, 50300), "retry"),
        Error("rows not saved now", "push", _ROWS, failed(400, 10006), "retry"),
        Error("a value is refused", "push", _ROWS, failed(400, 10006, "no"), "reject"),
        Error("not understood", "push", _ROWS, failed(400, 10000), "reject"),
        Error("no such extension", "push", _ROWS, failed(404, 0), "disable_target"),
        Error("unknown event", "act", _ENTER, failed(400, 30003), "reject"),
        Error("taken without a number", "act", _ENTER, httpx.Response(200), "in_doubt"),
        Error("gateway unheard", "act", _ENTER, httpx.Response(504), "in_doubt"),
        Error("failed within", "act", _ENTER, failed(500, 0), "in_doubt"),
        Error("outage", "push", _ROWS, failed(500, 0), "retry"),
        Error("deletion unheard", "erase", _FORGET, failed(500, 0), "retry"),
        Error("deletion refused", "erase", _FORGET, _REFUSED, "reject"),
    ),
)
