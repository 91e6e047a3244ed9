"""Programmable campaign platforms: they follow the documented exchanges, and misbehave on demand.

A fake answers `httpx.Request`s from its own small state; `then(...)` puts answers (or failures of
the wire) before the next calls whose path contains a text. `carrier(...)` makes the product's own
carrier for one target of the shipped configuration, talking to a fake, without real waits.
"""

import asyncio
import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.dispatcher.calls.calls import ActionCall, Deletion, ProfilePush
from services.dispatcher.platforms.carrier import PlatformCarrier
from services.dispatcher.targets.settings import (
    TargetsConfig,
    check,
    idempotency,
    make_account,
    names_of,
)
from shared.events.vocabulary import Identifier, IdentifierKind
from shared.settings import Secrets, load_yaml

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "config" / "targets.yaml"
NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
CUSTOMER = UUID("0b7ab0a3-3b1c-5d53-8d0c-9d6f9f1c2a01")
DELIVERY = UUID("5f1d7c1e-7a53-5b0e-9c55-0d2f4c6b8a02")
#: Made-up secrets; the base64 is "made-up secret number one/two, 32b.".
SECRET = "whsec_bWFkZS11cCBzZWNyZXQgbnVtYmVyIG9uZSwgMzJiLg=="
SECRET_BEFORE = "whsec_bWFkZS11cCBzZWNyZXQgbnVtYmVyIHR3bywgMzJiLg=="
ENVIRON = {
    "NPS_SANDBOX_URL": "http://127.0.0.1:8080/sandbox",
    "NPS_SECRET_WEBHOOK": SECRET,
    "NPS_SECRET_WEBHOOK_BEFORE": SECRET_BEFORE,
    "NPS_ADOBE_CLIENT_ID": "made-up-client",
    "NPS_SECRET_ADOBE": "made-up&secret",
}
TARGETS = ("sandbox", "sandbox_unkeyed", "webhook", "adobe")

Answer = httpx.Response | httpx.TransportError


def person(**identifiers: str) -> tuple[Identifier, ...]:
    """Make identifiers, by default those of an invented customer."""
    kinds: dict[IdentifierKind, str | None] = {
        "external_id": identifiers.get("external_id"),
        "email": identifiers.get("email"),
        "phone": identifiers.get("phone"),
    }
    return tuple(Identifier(kind=kind, value=v) for kind, v in kinds.items() if v)


JANE = person(email="jane@example.com", phone="+33612345678")
PUSH = ProfilePush(
    customer_id=CUSTOMER,
    identifiers=JANE,
    version=7,
    attributes={
        "nps_score": 3,
        "nps_segment": "detractor",
        "nps_previous_segment": None,
        "nps_theme": "price",
        "nps_answered_at": "2026-11-21T19:58:30.500000Z",
        "first_name": "Jane",
        "not_listed": "stays here",
    },
)
ACTION = ActionCall(
    delivery_id=DELIVERY,
    customer_id=CUSTOMER,
    identifiers=JANE,
    play="reassure_detractor",
    action="reassurance",
    variant="price",
    template="reassurance_price",
    channel="email",
    contact_class="service",
    deadline=NOW + timedelta(hours=24, minutes=5),
    attributes={"nps_score": 3, "nps_theme": "price", "first_name": "Jane"},
    context={"signed_by": "Zoé Martin"},
)

DELETION = Deletion(
    message_id="3f9c0a52-6a0e-5d7c-8a11-7c1d2b3e4f05-0", customer_id=CUSTOMER, identifiers=JANE
)


class Fake(ABC):
    """A platform that records calls and answers as told, else as documented."""

    def __init__(self) -> None:
        self.calls: list[httpx.Request] = []
        #: A first name that this platform cannot write: such an item of a batch is refused.
        self.poison = "a name that nobody has"
        self._scripted: list[tuple[str, Answer]] = []

    def then(self, path: str, *answers: Answer) -> None:
        """Answer the next calls whose path contains `path` with these, in order."""
        self._scripted.extend((path, answer) for answer in answers)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one call."""
        self.calls.append(request)
        for index, (path, answer) in enumerate(self._scripted):
            if path in request.url.path:
                del self._scripted[index]
                if isinstance(answer, httpx.Response):
                    return answer
                raise answer
        return self.answer(request)

    @abstractmethod
    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as documented."""

    @abstractmethod
    def consent(self) -> Any:
        """Return what this platform knows of its people's consent."""

    @abstractmethod
    def known(self) -> set[str]:
        """Return the addresses of the profiles that this platform has."""

    @property
    @abstractmethod
    def effects(self) -> int:
        """How many messages this platform would have sent."""


class KeepsNobody(Fake):
    """A chat, a helpdesk: it has no profiles, and so nobody's consent."""

    def consent(self) -> Any:
        return {}

    def known(self) -> set[str]:
        return set()


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
        kept = {**opt_outs, **profile, "PKey": key, "href": f"{self.base}{_PROFILES}/{key}"}
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
        if path == f"{_PROFILES}/byEmail":
            # By prefix and without regard to case, the laxest that was documented anywhere.
            asked = request.url.params["email"].lower()
            found = [p for p in self.profiles.values() if p["email"].lower().startswith(asked)]
            return httpx.Response(200, json={"content": found})
        if request.method == "DELETE":
            gone = self.profiles.pop(path.removeprefix(f"{_PROFILES}/"), None)
            return httpx.Response(404 if gone is None else 200)
        body = json.loads(request.content)
        if path == _PROFILES:
            return httpx.Response(201, json=self.add(body))
        profile = self.profiles.get(path.removeprefix(f"{_PROFILES}/"))
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


_PROFILES = "/profileAndServicesExt/profile"


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


def fake_for(target: str) -> Fake:
    """Return the fake of a shipped target; it knows Jane, who has opted out of nothing there."""
    return FakeAdobe({"email": "jane@example.com"}) if target == "adobe" else FakeReceiver()


class Waits:
    """Stands in for sleeping: remembers how long was asked for, and goes on at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def carrier(
    target: str,
    fake: Fake | httpx.AsyncBaseTransport,
    *,
    clock: Callable[[], datetime] = lambda: NOW,
    waits: Waits | None = None,
    **changes: Any,
) -> PlatformCarrier:
    """Make the carrier of a shipped target (settings changed as given) that talks to a fake."""
    shipped = load_yaml(SHIPPED, TargetsConfig).value.targets[target]
    settings = shipped.model_copy(update={"enabled": True, **changes})
    preset = check(settings)
    transport = httpx.MockTransport(fake.handle) if isinstance(fake, Fake) else fake
    return PlatformCarrier(
        target,
        make_account(preset, settings, Secrets(ENVIRON)),
        names_of(preset, settings),
        transport=transport,
        idempotency=idempotency(preset, settings),
        clock=clock,
        sleep=waits or Waits(),
    )


def action(**changes: Any) -> ActionCall:
    """Return the standard action with changes."""
    return replace(ACTION, **changes)


def deletion(**changes: Any) -> Deletion:
    """Return the standard deletion with changes."""
    return replace(DELETION, **changes)


def push(**changes: Any) -> ProfilePush:
    """Return the standard push with changes."""
    return replace(PUSH, **changes)
