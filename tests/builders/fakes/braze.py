"""Braze as documented: users by external id, transactional sends that count once by their id."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import NOW, Fake

KEY = "made-up-braze-key"
_TRACK, _EXPORT, _DELETE = "/users/track", "/users/export/ids", "/users/delete"
_CAMPAIGN = "7c1f0c1e-3d2b-4a53-9c55-0d2f4c6b8a12"
_SEND = f"/transactional/v1/campaigns/{_CAMPAIGN}/send"


class FakeBraze(Fake):
    """Users with their subscription; a send under a known id is not made again."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, Any]] = {
            "C-1": {"email": "jane@example.com", "email_subscribe": "subscribed"},
            "C-2": {"email": "joe@example.com", "email_subscribe": "unsubscribed"},
        }
        self.sends: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return httpx.Response(401, json={"message": "Invalid API Key"})
        body = json.loads(request.content)
        path = request.url.path
        if path == _TRACK:
            return self._track(body["attributes"])
        if path == _EXPORT:
            asked = [name for name in body["external_ids"] if name in self.users]
            users = [self._shown(name, body["fields_to_export"]) for name in asked]
            return httpx.Response(201, json={"users": users, "message": "success"})
        if path == _DELETE:
            gone = [self.users.pop(name, None) for name in body["external_ids"]]
            return httpx.Response(201, json={"deleted": len(gone), "message": "success"})
        if path == _SEND:
            return self._send(body)
        return httpx.Response(404, json={"message": "Invalid URL"})

    def _track(self, given: list[dict[str, Any]]) -> httpx.Response:
        errors = []
        for index, one in enumerate(given):
            if one.get("first_name") == self.poison:
                error = {"type": "a value is invalid", "input_array": "attributes", "index": index}
                errors.append(error)
                continue
            name, only_known = one.pop("external_id"), one.pop("_update_existing_only", False)
            if name not in self.users and only_known:
                continue
            user = self.users.setdefault(name, {"email_subscribe": "subscribed"})
            user.update(one)
        said = {"message": "success", "attributes_processed": len(given)}
        if errors:
            return httpx.Response(201, json={**said, "errors": errors})
        return httpx.Response(201, json=said)

    def _shown(self, name: str, fields: list[str]) -> dict[str, Any]:
        user = {"external_id": name, **self.users[name]}
        return {field: user[field] for field in fields if user.get(field)}

    def _send(self, body: dict[str, Any]) -> httpx.Response:
        if body["external_send_id"] in self.sends:
            return refused(
                "The external reference has been queued.  Please retry to obtain send_id."
            )
        if body["recipient"]["external_user_id"] not in self.users:
            return refused("No user with this external id")
        self.sends.add(body["external_send_id"])
        return httpx.Response(201, json={"dispatch_id": "d-1", "status": "sent", "metadata": {}})

    def consent(self) -> Any:
        return copy.deepcopy({u["email"]: u["email_subscribe"] for u in self.users.values()})

    def known(self) -> set[str]:
        return {user["email"] for user in self.users.values()}

    @property
    def effects(self) -> int:
        return len(self.sends)


def refused(message: str, status: int = 400) -> httpx.Response:
    """Answer as Braze does when a call cannot be made."""
    return httpx.Response(status, json={"message": message})


_PARTLY = httpx.Response(
    201,
    json={
        "message": "success",
        "errors": [{"type": "an attribute is invalid", "input_array": "attributes", "index": 0}],
    },
)
_PAUSED = (
    "The campaign is paused. Resume the campaign in order for trigger requests to take effect."
)
_NOTICE = httpx.Response(201, json={"dispatch_id": "d-2", "notice": "The campaign is paused."})
_RESET = {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 3)}

CASE = Case(
    preset="braze",
    settings={
        "vars": {"api_key": "env:NPS_SECRET_BRAZE", "cluster": "fra-01", "zone": "eu"},
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": "nps_previous_segment",
            "nps_answered_at": "nps_answered_at",
            "first_name": "first_name",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
        "events": {"reassurance": _CAMPAIGN},
    },
    environ={"NPS_SECRET_BRAZE": KEY},
    fake=FakeBraze,
    acting="/transactional/",
    pushing=_TRACK,
    repeat="key",
    sees_opt_out=True,
    makes_nobody_up=True,
    errors=(
        Error("bad key", "push", _TRACK, refused("Invalid API Key", 401), "disable_target"),
        Error("no permission", "act", _SEND, refused("no", 403), "disable_target"),
        Error("bad key, by text", "act", _SEND, refused("Error authenticating credentials"),
              "disable_target"),
        Error("address not allowed", "act", _SEND, refused("Invalid whitelisted IPs"),
              "disable_target"),
        Error("not taken, in 201", "push", _TRACK, _PARTLY, "reject"),
        Error("fatal", "push", _TRACK, refused("Valid data must be provided"), "reject"),
        Error("campaign paused", "act", _SEND, refused(_PAUSED), "park"),
        Error("no such campaign", "act", _SEND, refused("Campaign does not exist"), "park"),
        Error("taken, with a notice", "act", _SEND, _NOTICE, "park"),
        Error("too fast", "push", _TRACK, refused("slow", 429), "throttle"),
        Error(
            "too fast, by its own header",
            "push",
            _TRACK,
            httpx.Response(429, headers=_RESET),
            "throttle",
            wait=3,
        ),
        Error("consent unheard", "act", _EXPORT, httpx.Response(502), "retry"),
        Error("consent without users", "act", _EXPORT, httpx.Response(201, json={}), "retry"),
        Error("gateway unheard", "act", _SEND, httpx.Response(502), "in_doubt"),
        Error("outage", "push", _TRACK, httpx.Response(500), "retry"),
    ),
)  # fmt: skip
