"""Klaviyo as documented: profiles with subscriptions, events that count once by their unique_id."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

KEY = "made-up-klaviyo-key"
_IMPORT, _EVENTS, _PROFILES = "/api/profile-import", "/api/events", "/api/profiles"
_FORGET = "/api/data-privacy-deletion-jobs"


def subscribed(consent: str) -> dict[str, Any]:
    """Write a profile's subscriptions; whoever unsubscribed is suppressed."""
    reasons = [{"reason": "UNSUBSCRIBE"}] if consent == "UNSUBSCRIBED" else []
    email = {
        "consent": consent,
        "can_receive_email_marketing": not reasons,
        "suppression": reasons,
        "list_suppressions": [],
    }
    return {"email": {"marketing": email}, "sms": {"marketing": {"consent": consent}}}


class FakeKlaviyo(Fake):
    """Profiles and events; what stands in `properties` is never consent."""

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[str, dict[str, Any]] = {
            "jane@example.com": {"subscriptions": subscribed("SUBSCRIBED")},
            "joe@example.com": {"subscriptions": subscribed("UNSUBSCRIBED")},
        }
        self.events: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Klaviyo-API-Key {KEY}":
            return failed(401, "not_authenticated")
        assert request.headers["revision"] == "2026-07-15"
        path = request.url.path
        if request.method == "GET" and path == _PROFILES:
            return self._found(request.url.params)
        said = json.loads(request.content)["data"]["attributes"]
        if path == _IMPORT:
            known = said["email"] in self.profiles
            self._profile(said["email"]).setdefault("properties", {}).update(said["properties"])
            return httpx.Response(200 if known else 201, json={"data": {"type": "profile"}})
        if path == _EVENTS:
            self._profile(said["profile"]["data"]["attributes"]["email"])
            self.events.add(said["unique_id"])
            return httpx.Response(202)
        if path == _FORGET:
            self.profiles.pop(said["profile"]["data"]["attributes"]["email"], None)
            return httpx.Response(202)
        return failed(404, "not_found")

    def _profile(self, email: str) -> dict[str, Any]:
        return self.profiles.setdefault(email, {"subscriptions": subscribed("NEVER_SUBSCRIBED")})

    def _found(self, params: httpx.QueryParams) -> httpx.Response:
        asked = json.loads(params["filter"].removeprefix("equals(email,").removesuffix(")"))
        assert params["additional-fields[profile]"] == "subscriptions"
        found = [
            {"type": "profile", "id": "01", "attributes": {"email": email, **profile}}
            for email, profile in self.profiles.items()
            if email == asked
        ]
        return httpx.Response(200, json={"data": found, "links": {"next": None}})

    def consent(self) -> Any:
        return copy.deepcopy({email: p["subscriptions"] for email, p in self.profiles.items()})

    def known(self) -> set[str]:
        return set(self.profiles)

    @property
    def effects(self) -> int:
        return len(self.events)


def failed(status: int, code: str, **headers: str) -> httpx.Response:
    """Answer as Klaviyo does when it refuses a call (JSON:API)."""
    error = {"id": "1", "status": status, "code": code, "title": "no", "detail": "no"}
    return httpx.Response(status, json={"errors": [error]}, headers=headers)


_BOUNCED = httpx.Response(
    200,
    json={
        "data": [
            {
                "type": "profile",
                "attributes": {
                    "email": "jane@example.com",
                    "subscriptions": {
                        "email": {
                            "marketing": {
                                "consent": "SUBSCRIBED",
                                "can_receive_email_marketing": False,
                                "suppression": [{"reason": "HARD_BOUNCE"}],
                            }
                        }
                    },
                },
            }
        ]
    },
)

CASE = Case(
    preset="klaviyo",
    settings={
        "vars": {"api_key": "env:NPS_SECRET_KLAVIYO"},
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": "nps_previous_segment",
            "nps_answered_at": {"field": "nps_answered_at", "kind": "moment"},
            "first_name": "nps_first_name",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
        "events": {"reassurance": "nps_reassurance"},
    },
    environ={"NPS_SECRET_KLAVIYO": KEY},
    fake=FakeKlaviyo,
    acting=_EVENTS,
    pushing=_IMPORT,
    repeat="key",
    sees_opt_out=True,
    errors=(
        Error("bad key", "push", _IMPORT, failed(401, "not_authenticated"), "disable_target"),
        Error("missing scope", "act", _EVENTS, failed(403, "permission_denied"), "disable_target"),
        Error("revision gone", "push", _IMPORT, failed(410, "gone"), "disable_target"),
        Error("bad value", "push", _IMPORT, failed(400, "invalid"), "reject"),
        Error("too large", "push", _IMPORT, failed(413, "too_large"), "reject"),
        Error("two profiles", "push", _IMPORT, failed(409, "duplicate_profile"), "park"),
        Error("bad event", "act", _EVENTS, failed(400, "invalid"), "reject"),
        Error("event there already", "act", _EVENTS, failed(409, "duplicate"), "accepted"),
        Error(
            "too fast",
            "push",
            _IMPORT,
            failed(429, "throttled", **{"Retry-After": "30"}),
            "throttle",
            wait=30,
        ),
        Error("subscribed, but bounced", "act", _PROFILES, _BOUNCED, "suppressed"),
        Error("consent unheard", "act", _PROFILES, httpx.Response(504), "retry"),
        Error("consent refused", "act", _PROFILES, failed(400, "invalid_filter"), "reject"),
        Error("gateway unheard", "act", _EVENTS, httpx.Response(502), "in_doubt"),
        Error("outage", "push", _IMPORT, failed(503, "service_unavailable"), "retry"),
        Error("nobody to forget", "erase", _FORGET, failed(404, "not_found"), "accepted"),
    ),
)
