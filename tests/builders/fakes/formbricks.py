"""Formbricks as its source has it: contacts upserted by e-mail, attributes as texts."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

KEY = "made-up-formbricks-key"
_BULK = "/api/v2/management/contacts/bulk"


class FakeFormbricks(Fake):
    """Contacts by address; what a request does not name stays."""

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, str]] = {
            "jane@example.com": {"userId": "C-1", "plan": "pro"},
            "joe@example.com": {"userId": "C-2", "noSurveys": "true"},
        }

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("x-api-key") != KEY:
            return error(401)
        body = json.loads(request.content)
        assert len(body["contacts"]) <= 250
        told = [_attributes(contact) for contact in body["contacts"]]
        # One transaction: a value that is refused refuses all.
        if any(one is None or one.get("firstName") == self.poison for one in told):
            return error(400)
        for attributes in filter(None, told):
            self.contacts.setdefault(attributes.pop("email"), {}).update(attributes)
        return httpx.Response(200, json={"data": {"status": "success"}})

    def consent(self) -> Any:
        return copy.deepcopy(
            {e: c["noSurveys"] for e, c in self.contacts.items() if "noSurveys" in c}
        )

    def known(self) -> set[str]:
        return set(self.contacts)

    @property
    def effects(self) -> int:
        return 0


def _attributes(contact: dict[str, Any]) -> dict[str, str] | None:
    """Read the attributes of one contact; None: one of them is not as it must be."""
    attributes: dict[str, str] = {}
    for one in contact["attributes"]:
        if not one["attributeKey"]["name"] or not isinstance(one["value"], str):
            return None
        attributes[one["attributeKey"]["key"]] = one["value"]
    return attributes


def error(status: int, **headers: str) -> httpx.Response:
    """Say no as its management API does."""
    said = {"error": {"code": status, "message": "no"}}
    return httpx.Response(status, json=said, headers=headers)


def _skipped() -> httpx.Response:
    meta = {"skippedContacts": [{"index": 0, "userId": "C-1"}]}
    return httpx.Response(207, json={"data": {"status": "success", "meta": meta}})


CASE = Case(
    preset="formbricks",
    settings={
        "vars": {
            "api_key": "env:NPS_SECRET_FORMBRICKS",
            "environment": "cl00000000000000000000001",
        },
        "attributes": {
            "nps_segment": "npsSegment",
            "nps_score": "npsScore",
            "nps_next_survey_at": {"field": "npsNextSurvey", "kind": "moment"},
            "nps_fatigue_threshold": "npsFatigue",
            "first_name": "firstName",
        },
    },
    environ={"NPS_SECRET_FORMBRICKS": KEY},
    fake=FakeFormbricks,
    pushing=_BULK,
    errors=(
        Error("bad key", "push", _BULK, error(401), "disable_target"),
        Error("no licence", "push", _BULK, error(403), "disable_target"),
        Error("no environment", "push", _BULK, error(404), "disable_target"),
        Error("refused value", "push", _BULK, error(400), "reject"),
        Error("cannot be processed", "push", _BULK, error(422), "reject"),
        Error("skipped inside 207", "push", _BULK, _skipped(), "reject"),
        Error("too fast", "push", _BULK, error(429, **{"Retry-After": "8"}), "throttle", wait=8),
        Error("outage", "push", _BULK, error(500), "retry"),
    ),
)
