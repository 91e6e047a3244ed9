"""Qualtrics XM Directory as documented: contacts found by address, embedded data merged."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

TOKEN = "made-up-qualtrics-token"
_CONTACTS = "/API/v3/directories/POOL_1/contacts"
_SEARCH = f"{_CONTACTS}/search"


class FakeQualtrics(Fake):
    """A directory of two; Joe has opted out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, Any]] = {
            "CID_1": {"email": "jane@example.com", "directoryUnsubscribed": False},
            "CID_2": {"email": "joe@example.com", "directoryUnsubscribed": True},
        }

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("X-API-TOKEN") != TOKEN:
            return error(401)
        if request.url.path == _SEARCH:
            asked = json.loads(request.content)["filter"]
            found = [
                {"id": name, **contact}
                for name, contact in self.contacts.items()
                if contact[asked["filterType"]].lower() == asked["value"].lower()
            ]
            return httpx.Response(200, json={"result": {"elements": found, "nextPage": None}})
        name = request.url.path.removeprefix(f"{_CONTACTS}/")
        if name not in self.contacts:
            return error(404)
        if request.method == "DELETE":
            del self.contacts[name]
        else:
            data = json.loads(request.content)["embeddedData"]
            self.contacts[name].setdefault("embeddedData", {}).update(data)
        return httpx.Response(200, json={"meta": {"httpStatus": "200 - OK"}})

    def consent(self) -> Any:
        return copy.deepcopy(
            {c["email"]: c["directoryUnsubscribed"] for c in self.contacts.values()}
        )

    def known(self) -> set[str]:
        return {contact["email"] for contact in self.contacts.values()}

    @property
    def effects(self) -> int:
        return 0


def error(status: int, **headers: str) -> httpx.Response:
    """Say no as Qualtrics does: in `meta`."""
    said = {"meta": {"httpStatus": str(status), "error": {"errorCode": "X_1"}}}
    return httpx.Response(status, json=said, headers=headers)


CASE = Case(
    preset="qualtrics",
    settings={
        "vars": {
            "datacenter": "fra1",
            "directory": "POOL_1",
            "api_token": "env:NPS_SECRET_QUALTRICS",
        },
        "attributes": {
            "nps_segment": "npsSegment",
            "nps_score": "npsScore",
            "nps_next_survey_at": {"field": "npsNextSurvey", "kind": "moment", "empty": ""},
            "nps_fatigue_threshold": "npsFatigue",
            "first_name": "npsFirstName",
        },
    },
    environ={"NPS_SECRET_QUALTRICS": TOKEN},
    fake=FakeQualtrics,
    pushing="/contacts/CID_1",
    errors=(
        Error("bad token", "push", _SEARCH, error(401), "disable_target"),
        Error("no access", "push", _SEARCH, error(403), "disable_target"),
        Error("no directory", "push", _SEARCH, error(404), "disable_target"),
        Error("gone again and again", "push", "/contacts/CID_", error(404), "park"),
        Error("refused value", "push", "/contacts/CID_", error(400), "reject"),
        Error("too fast", "push", _SEARCH, error(429, **{"Retry-After": "60"}), "throttle", 60),
        Error("outage", "push", _SEARCH, error(500), "retry"),
    ),
)
