"""Bearer tokens with scopes (`access.yaml`), compared in constant time."""

import hmac
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Literal

from fastapi import Request
from pydantic import Field

from shared.http.problems import Problem
from shared.settings import SecretRef, Secrets, Strict

#: `events`: tell events; `read`: look; `operate`: settle, replay, release; `erase`: forget someone,
#: or export all that is kept of her.
Scope = Literal["events", "read", "operate", "erase"]


class Token(Strict):
    """One caller: a name for the logs, what it may do, and where its token is."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    token: SecretRef


class AccessConfig(Strict):
    """The file `access.yaml`."""

    tokens: tuple[Token, ...] = ()


class Access:
    """Knows the tokens' digests and answers who calls."""

    def __init__(self, config: AccessConfig, secrets: Secrets) -> None:
        self._callers = tuple(
            (sha256(secrets.get(token.token).encode()).digest(), token) for token in config.tokens
        )

    def caller(self, authorization: str | None) -> Token | None:
        """Return whose token this header carries. Every known digest is compared, always."""
        kind, _, value = (authorization or "").partition(" ")
        digest = sha256(value.strip().encode()).digest()
        found: Token | None = None
        for known, token in self._callers:
            if hmac.compare_digest(known, digest) and kind.lower() == "bearer":
                found = token
        return found

    def require(self, scope: Scope) -> Callable[[Request], Awaitable[Token]]:
        """Make the route dependency: 401 without a known token, 403 without the scope."""

        async def check(request: Request) -> Token:
            token = self.caller(request.headers.get("authorization"))
            if token is None:
                raise Problem(
                    401,
                    "unauthorized",
                    "send 'Authorization: Bearer <token>' with a token from access.yaml",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            if scope not in token.scopes:
                raise Problem(403, "forbidden", f"this token lacks the scope '{scope}'")
            return token

        return check
