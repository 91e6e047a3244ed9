"""Mautic as documented: an upsert that tells what is refused, e-mails by contact number."""

import copy
import json
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

_BATCH = "/api/contacts/batch/new"
_NEW, _MAIL, _DELETE = "/api/contacts/new", "/api/emails/12/contact/", "/delete"


class FakeMautic(Fake):
    """Contacts with their do-not-contact entries; e-mail 12 goes out to anybody."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0
        self.mails = 0
        self.contacts: dict[int, dict[str, Any]] = {}
        self._upsert({"email": "jane@example.com"})
        joe = self._upsert({"email": "joe@example.com"})
        joe["doNotContact"].append({"id": 1, "reason": 1, "channel": "email"})

    def _upsert(self, said: dict[str, Any]) -> dict[str, Any]:
        for contact in self.contacts.values():
            if contact["fields"]["all"]["email"] == said["email"]:
                # Blanks and zeros do not overwrite.
                contact["fields"]["all"].update({k: v for k, v in said.items() if v})
                return contact
        number = len(self.calls) + len(self.contacts) + 46
        contact = {"id": number, "fields": {"all": dict(said)}, "doNotContact": []}
        self.contacts[number] = contact
        return contact

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/oauth/v2/token":
            assert parse_qs(request.content.decode())["grant_type"] == ["client_credentials"]
            self.tokens += 1
            said = {"access_token": f"token-{self.tokens}", "token_type": "bearer"}
            return httpx.Response(200, json={**said, "expires_in": 3600})
        if request.headers.get("Authorization") != f"Bearer token-{self.tokens}":
            return failed(401)
        return self._served(request, path)

    def _served(self, request: httpx.Request, path: str) -> httpx.Response:
        if path == _NEW:
            known = len(self.contacts)
            contact = self._upsert(json.loads(request.content))
            status = 201 if len(self.contacts) > known else 200
            return httpx.Response(status, json={"contact": contact})
        if path == _BATCH:
            return self._upsert_all(json.loads(request.content))
        if path == "/api/contacts":
            return self._find(request.url.params["where[0][val]"])
        if path.startswith(_MAIL):
            return self._mail(int(path.removeprefix(_MAIL).split("/")[0]))
        if request.method == "DELETE":
            gone = self.contacts.pop(int(path.split("/")[3]), None)
            return failed(404) if gone is None else httpx.Response(200, json={"contact": gone})
        return failed(404)

    def _upsert_all(self, items: list[dict[str, Any]]) -> httpx.Response:
        """Take one after the other; a PHP array with a gap is written as an object."""
        assert len(items) <= 200
        contacts: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        codes = []
        for place, said in enumerate(items):
            if said.get("firstname") == self.poison:
                errors[str(place)] = {"message": "firstname: no", "code": 400, "details": {}}
                codes.append(400)
                continue
            known = len(self.contacts)
            contacts[str(place)] = self._upsert(said)
            codes.append(201 if len(self.contacts) > known else 200)
        told = {"contacts": contacts if errors else list(contacts.values()), "statusCodes": codes}
        return httpx.Response(201, json={**told, "errors": errors} if errors else told)

    def _find(self, email: str) -> httpx.Response:
        found = {
            str(number): contact
            for number, contact in self.contacts.items()
            if contact["fields"]["all"]["email"].lower() == email.lower()
        }
        return httpx.Response(200, json={"total": str(len(found)), "contacts": found or []})

    def _mail(self, number: int) -> httpx.Response:
        if number not in self.contacts:
            return failed(404)
        self.mails += 1
        return httpx.Response(200, json={"success": True})

    def consent(self) -> Any:
        kept = (self.contacts[number] for number in sorted(self.contacts))
        return copy.deepcopy({c["fields"]["all"]["email"]: c["doNotContact"] for c in kept})

    def known(self) -> set[str]:
        return {contact["fields"]["all"]["email"] for contact in self.contacts.values()}

    @property
    def effects(self) -> int:
        return self.mails


def failed(status: int, within: int | None = None) -> httpx.Response:
    """Answer as Mautic does when it refuses a call; `within`: the code that stands in the body."""
    error = {"message": "no", "code": within or status, "type": None}
    return httpx.Response(status, json={"errors": [error]})


def _said(**said: object) -> httpx.Response:
    return httpx.Response(200, json=said)


CASE = Case(
    preset="mautic",
    settings={
        "vars": {
            "url": "https://mautic.example.com",
            "client_id": "env:NPS_MAUTIC_CLIENT_ID",
            "client_secret": "env:NPS_SECRET_MAUTIC",
        },
        "attributes": {
            # A text field, since a number 0 is not taken.
            "nps_score": {"field": "nps_score", "values": {"0": "zero"}},
            "nps_segment": "nps_segment",
            "nps_previous_segment": {"field": "nps_previous_segment", "empty": "none"},
            "nps_answered_at": {"field": "nps_answered_at", "kind": "moment"},
            "first_name": "firstname",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "firstname"},
        "templates": {"reassurance_price": "12"},
    },
    environ={"NPS_MAUTIC_CLIENT_ID": "made-up-client", "NPS_SECRET_MAUTIC": "made-up&secret"},
    fake=FakeMautic,
    acting=_MAIL,
    pushing=_NEW,
    batching=_BATCH,
    sees_opt_out=True,
    errors=(
        Error("token refused", "push", _NEW, failed(401), "disable_target"),
        Error("token refused, in the body", "push", _NEW, failed(400, 401), "disable_target"),
        Error("no permission", "act", _MAIL, failed(403), "disable_target"),
        Error("no permission, in the body", "act", _MAIL, failed(200, 403), "disable_target"),
        Error("no API", "push", _NEW, failed(404), "disable_target"),
        Error("invalid field", "push", _NEW, failed(400), "reject"),
        Error("invalid field, with 200", "push", _NEW, failed(200, 400), "reject"),
        Error("no contact told", "act", _NEW, _said(contact={}), "retry"),
        Error("no such e-mail", "act", _MAIL, failed(404), "park"),
        Error("transport failed", "act", _MAIL, _said(success=False, failed="no"), "retry"),
        Error("nothing sent", "act", _MAIL, _said(success=False, failed=None), "reject"),
        Error("sent, as a number", "act", _MAIL, _said(success=1), "accepted"),
        Error("failed within", "act", _MAIL, failed(500), "in_doubt"),
        Error("gateway unheard", "act", _MAIL, httpx.Response(502), "in_doubt"),
        Error("too fast", "push", _NEW, failed(429), "throttle"),
        Error("outage", "push", _NEW, httpx.Response(500), "retry"),
        Error("gone meanwhile", "erase", _DELETE, failed(404), "ok"),
    ),
)
