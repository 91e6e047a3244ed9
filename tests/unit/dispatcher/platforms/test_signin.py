"""One token for all workers: asked for once, early, and told to everybody."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.dispatcher.calls.calls import Outcome, Verdict
from services.dispatcher.platforms.auth import ClientCredentials
from services.dispatcher.platforms.exchange import Token
from services.dispatcher.platforms.signin import Signed, Tokens, read_token
from services.dispatcher.platforms.verdict import Failure
from tests.builders.platforms import NOW

AUTH = ClientCredentials(
    kind="oauth2_client_credentials",
    token_url="https://ims.example/token",
    form={"client_id": "{{id}}"},
    renew_before_s=3600,
)


class Ims:
    """A sign-in service that answers when it is let to."""

    def __init__(self) -> None:
        self.now = NOW
        self.calls = 0
        self.open = asyncio.Event()
        self.open.set()
        self.answer: httpx.Response | Failure | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response | Failure:
        assert request.method == "POST"
        self.calls += 1
        number = self.calls
        await self.open.wait()
        return self.answer or token(f"t{number}")

    def tokens(self) -> Tokens:
        return Tokens(AUTH, {"id": "c"}, self, lambda: self.now)


def token(value: Any, **more: Any) -> httpx.Response:
    """Answer as IMS does."""
    return httpx.Response(200, json={"access_token": value, "expires_in": 86399, **more})


async def test_many_workers_share_one_sign_in() -> None:
    """Twenty ask at once, one call is made."""
    ims = Ims()
    ims.open.clear()
    tokens = ims.tokens()
    waiting = [asyncio.create_task(tokens.get()) for _ in range(20)]
    await asyncio.sleep(0)
    ims.open.set()
    assert set(await asyncio.gather(*waiting)) == {Token("t1")}
    assert ims.calls == 1
    assert await tokens.get() == Token("t1")


async def test_a_worker_that_gives_up_does_not_end_it_for_the_others() -> None:
    """Its budget is its own."""
    ims = Ims()
    ims.open.clear()
    tokens = ims.tokens()
    first, second = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    ims.open.set()
    assert await second == Token("t1")
    assert ims.calls == 1


async def test_a_token_is_renewed_before_it_expires() -> None:
    """An hour before, as Adobe's guides say."""
    ims = Ims()
    tokens = ims.tokens()
    await tokens.get()
    ims.now = NOW + timedelta(seconds=86399 - 3601)
    assert await tokens.get() == Token("t1")
    ims.now = NOW + timedelta(seconds=86399 - 3600)
    assert await tokens.get() == Token("t2")


async def test_a_refused_token_is_replaced_once_for_all() -> None:
    """Many workers were told that t1 is stale; one new token serves them."""
    ims = Ims()
    tokens = ims.tokens()
    await tokens.get()
    told = await asyncio.gather(*(tokens.get(stale="t1") for _ in range(20)))
    assert set(told) == {Token("t2")}
    assert await tokens.get(stale="t1") == Token("t2")
    assert ims.calls == 2


async def test_closing_ends_a_sign_in_under_way() -> None:
    """Nothing is left running."""
    ims = Ims()
    ims.open.clear()
    tokens = ims.tokens()
    waiting = asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    await tokens.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    ("heard", "outcome"),
    [
        pytest.param(httpx.Response(400, json={"error": "invalid_client"}), "disable_target",
                     id="400"),
        pytest.param(httpx.Response(401), "disable_target", id="401"),
        pytest.param(httpx.Response(302), "disable_target", id="redirect"),
        pytest.param(httpx.Response(429), "throttle", id="429"),
        pytest.param(httpx.Response(503), "retry", id="503"),
        pytest.param(Failure("connect", "x"), "retry", id="away"),
        pytest.param(Failure("sent", "x"), "retry", id="unanswered"),
        pytest.param(Failure("refused", "x"), "disable_target", id="refused"),
        pytest.param(httpx.Response(200, text="<html>"), "retry", id="no JSON"),
        pytest.param(httpx.Response(200, json=[]), "retry", id="no object"),
        pytest.param(token(None), "retry", id="no token"),
        pytest.param(token(""), "retry", id="empty token"),
        pytest.param(token("a\r\nX: y"), "retry", id="a token that is a header"),
    ],
)  # fmt: skip
def test_a_sign_in_that_fails_says_why(heard: httpx.Response | Failure, outcome: Outcome) -> None:
    """A refused credential stops the target; an outage does not."""
    told = read_token(AUTH, heard, now=NOW)
    assert isinstance(told, Verdict)
    assert told.outcome == outcome
    assert told.reason.startswith("sign-in: ")


@pytest.mark.parametrize(
    ("life", "renew_at"),
    [
        pytest.param(86399, NOW + timedelta(seconds=82799), id="a day"),
        pytest.param(600, NOW + timedelta(seconds=300), id="short: at half its life"),
        pytest.param("soon", NOW + timedelta(seconds=300), id="words: ten minutes"),
        pytest.param(-1, NOW + timedelta(seconds=300), id="negative: ten minutes"),
    ],
)
def test_the_life_of_a_token_is_read(life: object, renew_at: datetime) -> None:
    """And never believed blindly."""
    told = read_token(AUTH, token("t", expires_in=life), now=NOW)
    assert told == Signed(Token("t"), renew_at)
