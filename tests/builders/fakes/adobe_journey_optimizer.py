"""Journey Optimizer as documented: an inlet, one campaign, a suppression list."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.ims import CREDENTIALS, ENVIRON, FakeBehindIms

_LIST = "/ajo/config/suppression/addresses/"
_TRIGGER, _INLET = "/ajo/im/executions/unitary", "/collection/example-inlet"
_BATCH = "/collection/batch/example-inlet"
_CAMPAIGN = "7c1f0c1e-3d2b-4a53-9c55-0d2f4c6b8a11"


class FakeJourneyOptimizer(FakeBehindIms):
    """Profiles by address, a list of those who are never written to, and one campaign."""

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[str, dict[str, Any]] = {"jane@example.com": {}, "joe@example.com": {}}
        self.suppressed = {"joe@example.com"}
        self.executed: list[str] = []

    def served(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-gw-ims-org-id"] == "EXAMPLE0123@AdobeOrg"
        path = request.url.path
        if path.startswith(_LIST):
            return self._listed(path.removeprefix(_LIST))
        said = json.loads(request.content)
        if path == _INLET:
            return self._streamed(said)
        if path == _BATCH:
            return self._streamed_together(said["messages"])
        if path == _TRIGGER:
            return self._executed(said)
        if path == "/data/core/privacy/jobs":
            for user in said["users"]:
                self.profiles.pop(user["userIDs"][0]["value"], None)
            return httpx.Response(202, json={"requestId": "1", "totalRecords": 1})
        return httpx.Response(404)

    def _listed(self, email: str) -> httpx.Response:
        if email not in self.suppressed:
            return httpx.Response(404)
        return listed(email)

    def _streamed(self, said: dict[str, Any]) -> httpx.Response:
        self._record(said)
        said = {"inletId": "example-inlet", "xactionId": "1:1:0", "receivedTimeMs": 1795291200000}
        return httpx.Response(200, json=said)

    def _streamed_together(self, messages: list[dict[str, Any]]) -> httpx.Response:
        responses: list[dict[str, Any]] = []
        for place, message in enumerate(messages):
            if message["body"]["xdmEntity"]["_example"]["nps"].get("firstName") == self.poison:
                responses.append({"statusCode": 400, "message": "inletId: [example-inlet] no"})
                continue
            self._record(message)
            responses.append({"xactionId": f"1:1:0:{place}"})
        said = {"inletId": "example-inlet", "batchId": "1:1:0", "responses": responses}
        return httpx.Response(207, json=said)

    def _record(self, said: dict[str, Any]) -> None:
        entity = said["body"]["xdmEntity"]
        # A record is the whole fragment: what it leaves out is gone.
        self.profiles[entity["identityMap"]["Email"][0]["id"]] = entity["_example"]["nps"]

    def _executed(self, said: dict[str, Any]) -> httpx.Response:
        if said["campaignId"] != _CAMPAIGN or len(said["recipients"]) != 1:
            return refused(400)
        self.executed.append(said["requestId"])
        answer = {"executionId": "HUMA-00859153", "requestId": said["requestId"]}
        return httpx.Response(202, json=answer)

    def consent(self) -> Any:
        return copy.deepcopy({email: email in self.suppressed for email in sorted(self.profiles)})

    def known(self) -> set[str]:
        return set(self.profiles)

    @property
    def effects(self) -> int:
        return len(self.executed)


def listed(email: str, status: str = "active") -> httpx.Response:
    """Answer with an entry of the suppression list."""
    entity = {"type": "email", "entityValue": email}
    said = {"entity": entity, "suppressed": {"type": "HARD"}, "listType": "client"}
    return httpx.Response(200, json={"id": "91acd0b4", **said, "status": status})


def refused(status: int) -> httpx.Response:
    """Answer as the execution API does when it refuses."""
    kind = f"https://ns.adobe.com/aep/errors/MSG-000052-{status}"
    said = {"type": kind, "title": "An error has occurred", "status": status}
    return httpx.Response(status, json={**said, "report": {"additionalContext": {}}})


def _item(status: int) -> httpx.Response:
    """Answer as an inlet does that takes some and not others."""
    said = {"responses": [{"statusCode": status, "message": "no"}]}
    return httpx.Response(207, json={"inletId": "example-inlet", **said})


_TOO_FAST = httpx.Response(429, json={"error_code": "429050", "message": "Too many requests"})
_EXPIRED = httpx.Response(401, json={"error_code": "401013", "message": "not valid"})
_UNFIT = httpx.Response(200, json={"synchronousValidation": {"status": "fail"}})

CASE = Case(
    preset="adobe_journey_optimizer",
    settings={
        "vars": {
            "ims_org": "EXAMPLE0123@AdobeOrg",
            "sandbox_name": "example-dev",
            "inlet": "example-inlet",
            "dataset": "0123456789abcdef",
            "schema": "https://ns.adobe.com/example/schemas/0123456789abcdef",
            "tenant": "example",
            **CREDENTIALS,
        },
        "attributes": {
            "nps_score": "score",
            "nps_segment": "segment",
            "nps_previous_segment": "previousSegment",
            "nps_answered_at": "answeredAt",
            "first_name": "firstName",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "firstName"},
        "events": {"reassurance": _CAMPAIGN},
    },
    environ=ENVIRON,
    fake=FakeJourneyOptimizer,
    acting=_TRIGGER,
    pushing=_INLET,
    batching=_BATCH,
    sees_opt_out=True,
    errors=(
        Error("token refused", "act", _TRIGGER, _EXPIRED, "disable_target"),
        Error("no permission", "act", _TRIGGER, refused(403), "disable_target"),
        Error("no such campaign", "act", _TRIGGER, refused(400), "reject"),
        Error("gateway slow", "act", _TRIGGER, _TOO_FAST, "throttle"),
        Error("door closed", "act", _TRIGGER, httpx.Response(503), "retry"),
        Error("failed within", "act", _TRIGGER, refused(500), "in_doubt"),
        Error("list unheard", "act", _LIST, httpx.Response(500), "retry"),
        Error("no permission on the list", "act", _LIST, httpx.Response(403), "disable_target"),
        Error("on the list", "act", _LIST, listed("jane@example.com"), "suppressed"),
        Error("off the list", "act", _LIST, listed("jane@example.com", "deleted"), "accepted"),
        Error("an empty answer", "act", _LIST, httpx.Response(200, json={}), "accepted"),
        Error("gateway unheard", "act", _TRIGGER, httpx.Response(504), "in_doubt"),
        Error("unknown format", "push", _INLET, httpx.Response(400), "reject"),
        Error("record too large", "push", _INLET, httpx.Response(413), "reject"),
        Error("no such inlet", "push", _INLET, httpx.Response(404), "disable_target"),
        Error("inlet unavailable", "push", _INLET, httpx.Response(503), "retry"),
        Error("item refused", "push", _INLET, _item(400), "reject"),
        Error("item throttled", "push", _INLET, _item(429), "throttle"),
        Error("item failed", "push", _INLET, _item(503), "retry"),
        Error("invalid in synchronous validation", "push", _INLET, _UNFIT, "reject"),
        Error("no privacy permission", "erase", "/privacy", refused(403), "disable_target"),
    ),
)
