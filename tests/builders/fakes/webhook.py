"""A receiver of Standard Webhooks: it knows repeats by `webhook-id`, and never refuses for good."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import SECRET, SECRET_BEFORE, Fake

_POST = "/nps"


class FakeReceiver(Fake):
    """A webhook receiver or the sandbox: keeps bodies, forgets repeats it is told of by key."""

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[str, dict[str, Any]] = {
            "jane@example.com": {"opted_out": False},
            "joe@example.com": {"opted_out": True},
        }
        self.keys: set[str] = set()
        self.sent = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        data = body.get("data", body)
        if body.get("type") == "customer.erased" or request.url.path.endswith("/erasures"):
            self.profiles.pop(_address(data) or "", None)
            return httpx.Response(200)
        if request.url.path.endswith("/profiles/batch"):
            refused = [
                {"index": place}
                for place, profile in enumerate(body["profiles"])
                if not self._write(profile)
            ]
            return httpx.Response(200, json={"errors": refused})
        if "delivery_id" not in data:
            return httpx.Response(200 if self._write(data) else 422)
        key = request.headers.get("webhook-id") or request.headers.get("Idempotency-Key")
        if key in self.keys:
            return httpx.Response(200, json={"repeat": True})
        if key:
            self.keys.add(key)
        self.sent += 1
        return httpx.Response(202)

    def _write(self, profile: dict[str, Any]) -> bool:
        if profile["attributes"].get("first_name") == self.poison:
            return False
        # Whoever has no address here is known by the sender's own id.
        email = _address(profile)
        if email:
            self.profiles.setdefault(email, {}).update(profile["attributes"])
        return True

    def consent(self) -> Any:
        return {e: p["opted_out"] for e, p in self.profiles.items() if "opted_out" in p}

    def known(self) -> set[str]:
        return set(self.profiles)

    @property
    def effects(self) -> int:
        return self.sent


def _address(said: dict[str, Any]) -> str | None:
    customer = said["customer"]
    email: str | None = customer.get("email") if isinstance(customer, dict) else said.get("email")
    return email


CASE = Case(
    preset="webhook",
    settings={
        "vars": {
            "url": "https://hooks.example.com/nps",
            "secret": "env:NPS_SECRET_WEBHOOK",
            "previous_secret": "env:NPS_SECRET_WEBHOOK_BEFORE",
        },
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": "nps_previous_segment",
            "first_name": "first_name",
        },
        "message": {"nps_score": "score", "nps_theme": "theme", "first_name": "first_name"},
    },
    environ={"NPS_SECRET_WEBHOOK": SECRET, "NPS_SECRET_WEBHOOK_BEFORE": SECRET_BEFORE},
    fake=FakeReceiver,
    acting=_POST,
    pushing=_POST,
    repeat="key",
    knows_our_id=True,
    # By its specification any other answer than 2xx and 410 is a failure to be tried again.
    told=frozenset({"disable_target", "retry", "throttle"}),
    errors=(
        Error("wants no more", "act", _POST, httpx.Response(410), "disable_target"),
        Error("slow down", "push", _POST, httpx.Response(429), "throttle"),
        Error("a gateway, of a push", "push", _POST, httpx.Response(502), "throttle"),
        Error("a gateway, of an action", "act", _POST, httpx.Response(504), "in_doubt"),
        Error("a bad request", "act", _POST, httpx.Response(400), "retry"),
        Error("a bad signature", "act", _POST, httpx.Response(401), "retry"),
        Error("moved", "act", _POST, httpx.Response(301, headers={"Location": "/x"}), "retry"),
        Error("outage", "erase", _POST, httpx.Response(500), "retry"),
    ),
)
