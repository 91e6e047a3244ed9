"""A running instance as the demo sees it: its webhooks, its APIs and its sandbox, over HTTP.

Out: small frozen values. Raises `ConfigError` where the instance is away or refuses the token.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

import httpx

from services.demo.data import Answered
from services.ingest.examples import SignedRequest
from shared.errors import ConfigError

#: A busy instance answers 503 with Retry-After; survey tools come again, and so do we.
_TRIES: Final = 5
_ANSWERS: Final[Mapping[str, Answered]] = {answer: answer for answer in get_args(Answered)}
#: Enough to find our own among the newest rows.
_NEWEST: Final = 500


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as the segmenter tells her."""

    id: str
    segment: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the ledger: which action, in which state, and why."""

    what: str
    state: str
    reason: str
    planned_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What the webhook endpoint said; `quarantine_id` where the message went there."""

    said: Answered
    quarantine_id: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the sandbox received; `number` grows with each, `effect`: it did something.

    `delivery` is None for a profile push.
    """

    number: int
    delivery: str | None
    customer: str | None
    effect: bool


class Instance:
    """Talks to one instance; `client` has its address, `token` the scope `read`."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    async def check(self) -> None:
        """Make sure that somebody is there. Raises `ConfigError`."""
        answer = await self._send("GET", "/readyz")
        if answer.is_error:
            raise ConfigError(
                f"the instance at {self._client.base_url} is not ready: {answer.text}"
            )

    async def post(self, request: SignedRequest) -> Answer:
        """Post one webhook."""
        for _ in range(_TRIES):
            answer = await self._send(
                "POST", request.path, content=request.body, headers=dict(request.headers)
            )
            if answer.status_code != 503:
                break
            await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
        if answer.status_code == 202:
            told = answer.json()
            return Answer(_ANSWERS.get(told["status"], "other"), told.get("quarantine_id"))
        return Answer(_ANSWERS.get(str(answer.status_code), "other"))

    async def find(self, email: str) -> Customer | None:
        """Find the customer who has this address."""
        found = await self._ask("POST", "/v1/customers/search", json={"email": email})
        if not found["customers"]:
            return None
        first = found["customers"][0]
        return Customer(first["customer_id"], first["segment"])

    async def deliveries(self, customer: str) -> Sequence[Delivery]:
        """List what was planned for a customer."""
        found = await self._ask(
            "GET", "/v1/deliveries", params={"customer_id": customer, "limit": _NEWEST}
        )
        return [
            Delivery(
                what=f"{row['action']}/{row['variant']}",
                state=row["state"],
                reason=row["reason"],
                planned_at=datetime.fromisoformat(row["planned_at"]),
            )
            for row in found["deliveries"]
        ]

    async def quarantined(self) -> set[str]:
        """List the ids of the newest rows in quarantine."""
        found = await self._ask("GET", "/v1/quarantine", params={"limit": _NEWEST})
        return {row["id"] for row in found["rows"]}

    async def received(self, limit: int = 2_000) -> Sequence[Call]:
        """List the newest calls that the sandbox received, newest first."""
        found = await self._ask("GET", "/sandbox/api/received", params={"limit": limit})
        return [
            Call(
                number=entry["number"],
                delivery=entry["call"].get("delivery_id"),
                customer=entry["call"].get("customer"),
                effect=entry["effect"],
            )
            for entry in found["entries"]
        ]

    async def _ask(self, method: str, path: str, **request: Any) -> Any:
        answer = await self._send(method, path, headers=self._headers, **request)
        if answer.is_error:
            raise ConfigError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return answer.json()

    async def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        try:
            return await self._client.request(method, path, headers=headers, **request)
        except httpx.TransportError as error:
            raise ConfigError(
                f"no instance answers at {self._client.base_url} ({type(error).__name__}): "
                "start it with `make run`, then try again"
            ) from None
