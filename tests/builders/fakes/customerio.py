"""Customer.io as documented: people by address, events that count once by their ULID."""

import base64
import copy
import json
import re
from collections.abc import Sequence
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

_SITE, _KEY, _APP = "made-up-site", "made-up-track-key", "made-up-app-key"
_BATCH, _PEOPLE = "/api/v2/batch", "/v1/customers/"
_BASIC = f"Basic {base64.b64encode(f'{_SITE}:{_KEY}'.encode()).decode()}"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class FakeCustomerIo(Fake):
    """People with their `unsubscribed` flag, two hosts with a credential each."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, dict[str, Any]] = {
            "jane@example.com": {"unsubscribed": False},
            "joe@example.com": {"unsubscribed": True},
        }
        self.events: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        signed = request.headers.get("Authorization")
        if request.url.host == "api-eu.customer.io":
            if signed != f"Bearer {_APP}":
                return failed(401)
            return self._shown(request.url.path.removeprefix(_PEOPLE).removesuffix("/attributes"))
        assert (request.url.host, request.url.path) == ("track-eu.customer.io", _BATCH)
        if signed != _BASIC:
            return failed(401)
        assert len(request.content) <= 500_000
        errors = []
        for index, item in enumerate(json.loads(request.content)["batch"]):
            if item.get("attributes", {}).get("first_name") == self.poison:
                errors.append(index)
            else:
                self._take(item, item["identifiers"]["email"])
        return partly(207, errors) if errors else httpx.Response(200, json={})

    def _shown(self, email: str) -> httpx.Response:
        person = self.people.get(email)
        if person is None:
            return failed(404)
        said = {"id": "", "attributes": {"email": email}, **person}
        return httpx.Response(200, json={"customer": said})

    def _take(self, item: dict[str, Any], email: str) -> None:
        if item["action"] == "delete":
            self.people.pop(email, None)
        elif item["action"] == "event":
            assert _ULID.fullmatch(item["id"])
            self.people.setdefault(email, {"unsubscribed": False})
            self.events.add(item["id"])
        else:
            only_known = item["attributes"].pop("_update", False)
            if email in self.people or not only_known:
                person = self.people.setdefault(email, {"unsubscribed": False})
                person.update(item["attributes"])

    def consent(self) -> Any:
        return copy.deepcopy({email: p["unsubscribed"] for email, p in self.people.items()})

    def known(self) -> set[str]:
        return set(self.people)

    @property
    def effects(self) -> int:
        return len(self.events)


def failed(status: int, **headers: str) -> httpx.Response:
    """Answer as Customer.io does when it refuses a call."""
    return httpx.Response(status, json={"meta": {"error": "no"}}, headers=headers)


def partly(status: int, places: Sequence[int] = (0,)) -> httpx.Response:
    """Answer as a batch does of which these items were not taken."""
    error = {"reason": "invalid", "field": "attributes", "message": "no"}
    errors = [{"batch_index": place, **error} for place in places]
    return httpx.Response(status, json={"errors": errors})


CASE = Case(
    preset="customerio",
    settings={
        "vars": {
            "site_id": "env:NPS_SECRET_CUSTOMERIO_SITE",
            "api_key": "env:NPS_SECRET_CUSTOMERIO",
            "app_key": "env:NPS_SECRET_CUSTOMERIO_APP",
            "region": "-eu",
        },
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": {"field": "nps_previous_segment", "empty": ""},
            "nps_answered_at": {"field": "nps_answered_at", "kind": "moment"},
            "first_name": "first_name",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
        "events": {"reassurance": "nps_reassurance"},
    },
    environ={
        "NPS_SECRET_CUSTOMERIO_SITE": _SITE,
        "NPS_SECRET_CUSTOMERIO": _KEY,
        "NPS_SECRET_CUSTOMERIO_APP": _APP,
    },
    fake=FakeCustomerIo,
    acting=_BATCH,
    pushing=_BATCH,
    repeat="key",
    sees_opt_out=True,
    makes_nobody_up=True,
    errors=(
        Error("bad key", "push", _BATCH, failed(401), "disable_target"),
        Error("bad app key", "act", _PEOPLE, failed(401), "disable_target"),
        Error("no permission", "act", _BATCH, failed(403), "disable_target"),
        Error("not taken, in 207", "push", _BATCH, partly(207), "reject"),
        Error("not taken, in 200", "push", _BATCH, partly(200), "reject"),
        Error("event not taken, in 207", "act", _BATCH, partly(207), "reject"),
        Error("not understood", "push", _BATCH, failed(400), "reject"),
        Error("too large", "push", _BATCH, failed(413), "reject"),
        Error("unknown person", "act", _PEOPLE, failed(404), "reject"),
        Error("too fast", "push", _BATCH, failed(429), "throttle"),
        Error(
            "too fast, with a time",
            "act",
            _PEOPLE,
            failed(429, **{"Retry-After": "2"}),
            "throttle",
            wait=2,
        ),
        Error("too slow", "push", _BATCH, failed(408), "retry"),
        Error("cannot be reached", "act", _BATCH, httpx.Response(522), "retry"),
        Error("asked and not answered", "act", _BATCH, httpx.Response(524), "in_doubt"),
        Error("gateway unheard", "act", _BATCH, httpx.Response(504), "in_doubt"),
        Error("outage", "push", _BATCH, failed(500), "retry"),
    ),
)
