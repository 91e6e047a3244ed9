"""Customer.io's App API as documented: transactional e-mails, each call a mail of its own."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

KEY = "made-up-app-key"
_SEND, _PEOPLE = "/v1/send/email", "/v1/customers/"


class FakeCustomerIoEmail(Fake):
    """People with their `unsubscribed` flag, and the mails that went to them."""

    def __init__(self) -> None:
        super().__init__()
        self.people = {"jane@example.com": False, "joe@example.com": True}
        self.sent: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.customer.io"
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return failed(401)
        if request.url.path == _SEND:
            return self._send(json.loads(request.content))
        email = request.url.path.removeprefix(_PEOPLE).removesuffix("/attributes")
        if email not in self.people:
            return failed(404)
        said = {"attributes": {"email": email}, "unsubscribed": self.people[email]}
        return httpx.Response(200, json={"customer": said})

    def _send(self, body: dict[str, Any]) -> httpx.Response:
        assert body["send_to_unsubscribed"] is False
        self.people.setdefault(body["identifiers"]["email"], False)
        self.sent.append(body)
        said = {"delivery_id": f"RAEC{len(self.sent)}", "queued_at": 1795291200}
        return httpx.Response(200, json=said)

    def consent(self) -> Any:
        return copy.deepcopy(self.people)

    def known(self) -> set[str]:
        return set(self.people)

    @property
    def effects(self) -> int:
        return len(self.sent)


def failed(status: int, **headers: str) -> httpx.Response:
    """Answer as Customer.io does when it refuses a call."""
    return httpx.Response(status, json={"meta": {"error": "no"}}, headers=headers)


CASE = Case(
    preset="customerio_email",
    settings={
        "vars": {"app_key": "env:NPS_SECRET_CUSTOMERIO_APP"},
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
        "templates": {"reassurance_price": "nps_reassurance"},
    },
    environ={"NPS_SECRET_CUSTOMERIO_APP": KEY},
    fake=FakeCustomerIoEmail,
    acting=_SEND,
    sees_opt_out=True,
    makes_nobody_up=True,
    errors=(
        Error("bad key", "act", _PEOPLE, failed(401), "disable_target"),
        Error("no permission", "act", _SEND, failed(403), "disable_target"),
        Error("unknown person", "act", _PEOPLE, failed(404), "reject"),
        Error("unknown message", "act", _SEND, failed(404), "park"),
        Error("not understood", "act", _SEND, failed(400), "reject"),
        Error("taken without a number", "act", _SEND, httpx.Response(200, json={}), "in_doubt"),
        Error("too fast, at the look", "act", _PEOPLE, failed(429), "throttle"),
        Error("too fast", "act", _SEND, failed(429, **{"Retry-After": "2"}), "throttle", wait=2),
        Error("cannot be reached", "act", _SEND, httpx.Response(522), "retry"),
        Error("asked and not answered", "act", _SEND, httpx.Response(524), "in_doubt"),
        Error("outage", "act", _SEND, failed(500), "retry"),
    ),
)
