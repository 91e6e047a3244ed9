"""Campaign v8 as documented: profiles by REST at the gateway, events by SOAP at the instance."""

import copy
import json
from typing import Any
from xml.etree import ElementTree

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.ims import CREDENTIALS, ENVIRON, FakeBehindIms

_OPT_OUTS = ("blackList", "blackListEmail", "blackListMobile", "blackListPhone")
_HOME = "https://mc.adobe.io/example-v8/campaign"
_PROFILES = "/profileAndServicesExt/profile"


class FakeCampaignV8(FakeBehindIms):
    """Profiles with their opt-outs and opaque links; every event it gets is archived."""

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[str, dict[str, Any]] = {}
        self.events: list[ElementTree.Element] = []
        self._add({"email": "jane@example.com"})
        self._add({"email": "joe@example.com", **dict.fromkeys(_OPT_OUTS, True)})

    def _add(self, profile: dict[str, Any]) -> dict[str, Any]:
        key = f"@pkey-{len(self.profiles) + 1}"
        kept = {**dict.fromkeys(_OPT_OUTS, False), **profile, "PKey": key}
        self.profiles[key] = {**kept, "href": f"{_HOME}{_PROFILES}/{key}"}
        return self.profiles[key]

    def served(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "example-rt.campaign.adobe.com":
            return self._soap(request)
        path = request.url.path.removeprefix("/example-v8/campaign")
        key = path.removeprefix(f"{_PROFILES}/")
        if request.method == "GET":
            return self._find(key, request)
        if request.method == "POST":
            return httpx.Response(201, json=self._add(json.loads(request.content)))
        if key not in self.profiles:
            return httpx.Response(404, text=f"Unable to decrypt PKey. (PKey={key})")
        if request.method == "DELETE":
            del self.profiles[key]
            return httpx.Response(204)
        self.profiles[key].update(json.loads(request.content))
        return httpx.Response(200, json={"PKey": key, "href": self.profiles[key]["href"]})

    def _find(self, name: str, request: httpx.Request) -> httpx.Response:
        if name != "email":
            return httpx.Response(404, text="Unsupported endpoint.")
        # By prefix and without regard to case, the laxest that was documented anywhere.
        asked = request.url.params["email"].lower()
        found = [p for p in self.profiles.values() if p["email"].lower().startswith(asked)]
        return httpx.Response(200, json={"content": found})

    def _soap(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["SOAPAction"] == "nms:rtEvent#PushEvent"
        event = ElementTree.fromstring(request.content).find(".//rtEvent")
        if event is None or not event.get("type") or not event.get("email"):
            return fault("Client", "Error while reading parameters of method 'PushEvent'")
        self.events.append(event)
        return pushed(72057594037935966 + len(self.events))

    def consent(self) -> Any:
        return copy.deepcopy([{k: p[k] for k in _OPT_OUTS} for p in self.profiles.values()])

    def known(self) -> set[str]:
        return {profile["email"] for profile in self.profiles.values()}

    @property
    def effects(self) -> int:
        return len(self.events)


def pushed(number: int) -> httpx.Response:
    """Answer a PushEvent with the number of the archived event, or 0."""
    said = f'<plId xsi:type="xsd:long">{number}</plId>'
    return _envelope(200, f"<urn:PushEventResponse>{said}</urn:PushEventResponse>")


def fault(code: str, detail: str, status: int = 500) -> httpx.Response:
    """Answer a PushEvent with a Fault."""
    said = f"<faultcode>SOAP-ENV:{code}</faultcode><detail>{detail}</detail>"
    return _envelope(status, f"<SOAP-ENV:Fault>{said}</SOAP-ENV:Fault>")


def _envelope(status: int, inside: str) -> httpx.Response:
    said = f"<SOAP-ENV:Envelope><SOAP-ENV:Body>{inside}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    return httpx.Response(status, text=said)


_SOAP, _REST = "/soaprouter.jsp", "/profileAndServicesExt/profile"
_DENIED = "Invalid login or password. Connection denied."
_BARE = httpx.Response(500, text="An error has occurred - please contact your administrator.")
_OOPS = httpx.Response(502, json={"code": 502, "message": "Oops. Something went wrong."})


def _gateway(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error_code": code, "message": "no"})


CASE = Case(
    preset="adobe_campaign_v8",
    settings={
        "vars": {
            "org": "example-v8",
            "instance": "https://example-rt.campaign.adobe.com",
            **CREDENTIALS,
        },
        "attributes": {
            "nps_score": "cusNpsScore",
            "nps_segment": "cusNpsSegment",
            "nps_previous_segment": "cusNpsPreviousSegment",
            "nps_theme": {"field": "cusNpsTheme", "empty": ""},
            "nps_answered_at": {"field": "cusNpsDate", "kind": "moment"},
            "first_name": "firstName",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "firstName"},
        "events": {"reassurance": "nps_reassurance"},
    },
    environ=ENVIRON,
    fake=FakeCampaignV8,
    acting=_SOAP,
    pushing=_REST,
    sees_opt_out=True,
    errors=(
        Error("old link", "push", "/@pkey-1", httpx.Response(404, text="decrypt PKey"), "park"),
        Error("no such filter", "push", "/email", httpx.Response(404), "disable_target"),
        Error("no product profile", "push", _REST, _gateway(403, "403023"), "disable_target"),
        Error("credential refused", "push", _REST, _gateway(401, "401013"), "disable_target"),
        Error("gateway slow", "push", _REST, _gateway(429, "429050"), "throttle"),
        Error("too many a second", "act", _SOAP, httpx.Response(429), "throttle"),
        Error("a bare 500", "push", "/@pkey-1", _BARE, "retry"),
        Error("wrong organisation", "push", _REST, _OOPS, "retry"),
        Error("gateway unheard", "act", _SOAP, httpx.Response(504), "in_doubt"),
        Error("gateway unheard, harmless", "push", _REST, httpx.Response(504), "retry"),
        Error("door closed", "act", _SOAP, httpx.Response(503), "retry"),
        Error("archived under 0", "act", _SOAP, pushed(0), "reject"),
        Error("archived under less", "act", _SOAP, pushed(-1), "reject"),
        Error("invalid event", "act", _SOAP, fault("Client", "is invalid"), "reject"),
        Error("invalid, with 200", "act", _SOAP, fault("Client", "no", 200), "reject"),
        Error("login refused", "act", _SOAP, fault("Client", _DENIED), "disable_target"),
        Error("instance failed", "act", _SOAP, fault("Server", "script"), "retry"),
        Error("failed, with 200", "act", _SOAP, fault("Server", "script", 200), "retry"),
        Error("a bare failure", "act", _SOAP, _BARE, "in_doubt"),
        Error("a bare failure, harmless", "act", _REST, _BARE, "retry"),
        Error("no envelope", "act", _SOAP, httpx.Response(200, text="<html>"), "in_doubt"),
        Error("no router", "act", _SOAP, httpx.Response(404), "disable_target"),
    ),
)
