"""Campaign Standard as documented; its whole table of errors is in `test_platforms_errors`."""

import httpx

from tests.builders.fakes import Case, Error, Said
from tests.builders.platforms import ENVIRON, FakeAdobe

_EVENT, _PROFILE, _FIND = "/EVT", "/profileAndServicesExt/profile", "/byEmail"


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
