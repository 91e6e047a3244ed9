"""Campaign Standard as documented; its whole table of errors is in `test_platforms_errors`."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error, Said
from tests.builders.platforms import ENVIRON, Fake

_EVENT, _PROFILE, _FIND = "/EVT", "/profileAndServicesExt/profile", "/byEmail"


class FakeAdobe(Fake):
    """Adobe IMS and Campaign Standard with a few profiles."""

    base = "https://mc.adobe.io/example-mkt-stage/campaign"

    def __init__(self, *profiles: dict[str, Any]) -> None:
        super().__init__()
        self.tokens = 0
        self.profiles: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        for profile in profiles:
            self.add(profile)

    def add(self, profile: dict[str, Any]) -> dict[str, Any]:
        """Keep a profile; it agrees to everything unless it says otherwise."""
        key = f"@pkey-{len(self.profiles) + 1}"
        opt_outs = dict.fromkeys(
            ("blackList", "blackListEmail", "blackListMobile", "blackListPhone"), False
        )
        kept = {**opt_outs, **profile, "PKey": key, "href": f"{self.base}{_PROFILE}/{key}"}
        self.profiles[key] = kept
        return kept

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/example-mkt-stage/campaign")
        if request.url.host == "ims-na1.adobelogin.com":
            self.tokens += 1
            token = f"token-{self.tokens}"
            return httpx.Response(
                200, json={"access_token": token, "token_type": "bearer", "expires_in": 86399}
            )
        if request.headers["Authorization"] != f"Bearer token-{self.tokens}":
            return httpx.Response(401, json={"error_code": "401013", "message": "not valid"})
        if path.startswith("/mcexample-mkt-stage/") and request.method == "GET":
            named = path.rpartition("/@evt-")[2]
            known = named.isdecimal() and int(named) <= len(self.events)
            shown = {"PKey": f"@evt-{named}", "status": "processed"}
            return httpx.Response(200, json=shown) if known else httpx.Response(404)
        if path.startswith("/mcexample-mkt-stage/"):
            event = json.loads(request.content)
            self.events.append(event)
            number = len(self.events)
            return httpx.Response(
                200,
                json={
                    "PKey": f"@evt-{number}",
                    "status": "pending",
                    "href": f"{path[1:]}/@evt-{number}",
                },
            )
        return self._profile_call(request, path)

    def _profile_call(self, request: httpx.Request, path: str) -> httpx.Response:
        if path == f"{_PROFILE}/byEmail":
            # By prefix and without regard to case, the laxest that was documented anywhere.
            asked = request.url.params["email"].lower()
            found = [p for p in self.profiles.values() if p["email"].lower().startswith(asked)]
            return httpx.Response(200, json={"content": found})
        if request.method == "DELETE":
            gone = self.profiles.pop(path.removeprefix(f"{_PROFILE}/"), None)
            return httpx.Response(404 if gone is None else 200)
        body = json.loads(request.content)
        if path == _PROFILE:
            return httpx.Response(201, json=self.add(body))
        profile = self.profiles.get(path.removeprefix(f"{_PROFILE}/"))
        if profile is None:
            return httpx.Response(500, text="attribute unknown XTK-170036 Unable to parse")
        profile.update(body)
        return httpx.Response(200, json={"PKey": profile["PKey"], "href": profile["href"]})

    def consent(self) -> Any:
        return copy.deepcopy(
            [
                {k: v for k, v in p.items() if k.startswith("blackList")}
                for p in self.profiles.values()
            ]
        )

    def known(self) -> set[str]:
        return {profile["email"] for profile in self.profiles.values()}

    @property
    def effects(self) -> int:
        return len(self.events)


def fake() -> FakeAdobe:
    """Make an instance that knows Jane, and Joe, who is on every blacklist."""
    made = FakeAdobe({"email": "jane@example.com"})
    lists = ("blackList", "blackListEmail", "blackListMobile", "blackListPhone")
    made.add({"email": "joe@example.com", **dict.fromkeys(lists, True)})
    return made


def _error(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error_code": code, "message": "no"}, headers=headers)


def _event(status: str) -> httpx.Response:
    return httpx.Response(200, json={"PKey": "@evt-1", "status": status})


CASE = Case(
    preset="adobe_campaign_standard",
    settings={
        "vars": {
            "org": "example-mkt-stage",
            "client_id": "env:NPS_ADOBE_CLIENT_ID",
            "client_secret": "env:NPS_SECRET_ADOBE",
        },
        "attributes": {
            "nps_score": "cusNpsScore",
            "nps_segment": "cusNpsSegment",
            "nps_previous_segment": "cusNpsPreviousSegment",
            "nps_theme": {"field": "cusNpsTheme", "empty": ""},
            "nps_answered_at": {"field": "cusNpsDate", "kind": "moment"},
            "first_name": "cusNpsFirstName",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "firstName"},
        "events": {"reassurance": "EVTnpsReassurance"},
    },
    environ={name: ENVIRON[name] for name in ("NPS_ADOBE_CLIENT_ID", "NPS_SECRET_ADOBE")},
    fake=fake,
    acting=_EVENT,
    pushing=_PROFILE,
    sees_opt_out=True,
    fails_undone=frozenset({500}),
    errors=(
        Error("bad client", "act", "/ims/token", httpx.Response(400), "disable_target"),
        Error("no product profile", "act", _EVENT, _error(403, "403023"), "disable_target"),
        Error("bad value", "act", _EVENT, httpx.Response(500, text="RST-360011 x"), "reject"),
        Error(
            "too fast",
            "push",
            _FIND,
            _error(429, "429050", **{"Retry-After": "17"}),
            "throttle",
            17,
        ),
        Error("consent unheard", "act", _FIND, httpx.Response(504), "retry"),
        Error("gateway unheard", "act", _EVENT, httpx.Response(502), "in_doubt"),
        Error("outage", "erase", _FIND, httpx.Response(503), "retry"),
    ),
    asking=_EVENT,
    said=(
        Said("waits", _event("pending"), None),
        Said("is made", _event("processing"), None),
        Said("is held", _event("paused"), None),
        Said("went out", _event("processed"), "sent", last=True),
        Said("left out", _event("ignored"), "failed", last=True),
        Said("not delivered", _event("deliveryFailed"), "failed", last=True),
        Said("not routed", _event("routingFailed"), "failed", last=True),
        Said("not enriched", _event("targetingFailed"), "failed", last=True),
        Said("too late", _event("tooOld"), "failed", last=True),
        Said("gone", httpx.Response(404), None),
        Said("no product profile", _error(403, "403023"), None, outcome="disable_target"),
        Said("too fast", _error(429, "429050"), None, outcome="throttle"),
        Said("bad key", httpx.Response(500, text="XTK-170036 x"), None, outcome="reject"),
        Said("outage", httpx.Response(503), None, outcome="retry"),
    ),
)
