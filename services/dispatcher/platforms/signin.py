"""Tokens of OAuth client credentials: asked for early, once for all workers of a target.

In: a preset's auth, an account's vars, a way to make one call. Out: a `Token`, or the `Verdict` of
the sign-in that failed. While one sign-in is under way, everybody waits for that one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.platforms import render
from services.dispatcher.platforms.auth import ClientCredentials
from services.dispatcher.platforms.compose import FORM, USER_AGENT
from services.dispatcher.platforms.exchange import Token
from services.dispatcher.platforms.pick import parse
from services.dispatcher.platforms.verdict import Failure, classify

#: Used where the platform does not say how long its token lives.
_ASSUMED_LIFE_S = 600


@dataclass(frozen=True, slots=True)
class Signed:
    """A token and the moment from which a new one is asked for."""

    token: Token
    renew_at: datetime


def token_request(auth: ClientCredentials, names: Mapping[str, Any]) -> httpx.Request:
    """Write the request for a token."""
    return httpx.Request(
        "POST",
        render.text(auth.token_url, names),
        headers={
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Content-Type": FORM if auth.encode == "form" else "application/json",
        },
        content=(render.form if auth.encode == "form" else render.body)(auth.form, names),
    )


def read_token(
    auth: ClientCredentials, heard: httpx.Response | Failure, *, now: datetime
) -> Signed | Verdict:
    """Read the answer: a token with its life, or why there is none."""
    ruling = classify(heard, (), step="sign-in", effect=False, now=now)
    reason = f"sign-in: {ruling.reason}"
    if ruling.outcome == "retry" or ruling.outcome == "throttle":  # noqa: PLR1714 - narrows
        return Verdict(ruling.outcome, reason, ruling.wait)
    if ruling.outcome != "ok" or isinstance(heard, Failure):
        # A refused credential is refused for every customer: the target waits, not the delivery.
        return Verdict("disable_target", f"{reason}: check the credentials")
    body = parse(heard.content)
    token = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token or not all("!" <= c <= "~" for c in token):
        return Verdict("retry", "sign-in: the answer has no access_token")
    said = body.get("expires_in")
    life = said if isinstance(said, int | float) and 0 < said < 10**8 else _ASSUMED_LIFE_S
    early = min(auth.renew_before_s, life / 2)
    return Signed(Token(token), now + timedelta(seconds=life - early))


class Tokens:
    """The one token of a target."""

    def __init__(
        self,
        auth: ClientCredentials,
        names: Mapping[str, Any],
        call: Callable[[httpx.Request], Awaitable[httpx.Response | Failure]],
        clock: Callable[[], datetime],
    ) -> None:
        self._auth = auth
        self._names = names
        self._call = call
        self._clock = clock
        self._signed: Signed | None = None
        self._flight: asyncio.Task[Signed | Verdict] | None = None

    async def get(self, *, stale: str | None = None) -> Token | Verdict:
        """Return a token other than `stale`; may be cancelled without harm to others waiting."""
        signed = self._signed
        if signed and signed.token.value != stale and self._clock() < signed.renew_at:
            return signed.token
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._sign_in())
        outcome = await asyncio.shield(self._flight)
        return outcome.token if isinstance(outcome, Signed) else outcome

    async def close(self) -> None:
        """End a sign-in under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _sign_in(self) -> Signed | Verdict:
        heard = await self._call(token_request(self._auth, self._names))
        outcome = read_token(self._auth, heard, now=self._clock())
        if isinstance(outcome, Signed):
            self._signed = outcome
        return outcome
