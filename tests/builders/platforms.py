"""What fakes of campaign platforms have in common, and the standard calls that tests make of them.

The platforms themselves are in `fakes`, one module each. A fake answers `httpx.Request`s from its
own small state, as documented; `then(...)` puts answers (or failures of the wire) before the next
calls whose path contains a text. `carrier(...)` makes the product's own carrier for one target of
the shipped configuration, talking to a fake, without real waits.
"""

import asyncio
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
    TargetSettings,
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


class Waits:
    """Stands in for sleeping: remembers how long was asked for, and goes on at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def shipped(target: str) -> TargetSettings:
    """Read the settings of a target of the shipped configuration."""
    return load_yaml(SHIPPED, TargetsConfig).value.targets[target]


def carrier(
    target: str,
    fake: Fake | httpx.AsyncBaseTransport,
    *,
    clock: Callable[[], datetime] = lambda: NOW,
    waits: Waits | None = None,
    **changes: Any,
) -> PlatformCarrier:
    """Make the carrier of a shipped target (settings changed as given) that talks to a fake."""
    settings = shipped(target).model_copy(update={"enabled": True, **changes})
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
