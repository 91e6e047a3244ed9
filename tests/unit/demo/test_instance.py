"""How the demo takes an instance's answers, and what it says when there is none."""

from collections.abc import Callable

import httpx
import pytest

from services.demo.instance import Answer, Instance
from services.demo.run import run_demo
from services.demo.webhooks import SECRETS
from services.ingest.examples import SignedRequest
from shared.errors import ConfigError

REQUEST = SignedRequest("/v1/webhooks/shop", {"X-Signature": "sha256=00"}, b"{}")


def instance(answer: Callable[[httpx.Request], httpx.Response]) -> Instance:
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="http://instance.example"
    )
    return Instance(client, "token")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param(
            httpx.Response(202, json={"status": "accepted"}), Answer("accepted"), id="accepted"
        ),
        pytest.param(
            httpx.Response(202, json={"status": "quarantined", "quarantine_id": "q-1"}),
            Answer("quarantined", "q-1"),
            id="quarantined",
        ),
        pytest.param(httpx.Response(400), Answer("400"), id="not decodable"),
        pytest.param(httpx.Response(401), Answer("401"), id="not authentic"),
        pytest.param(httpx.Response(500), Answer("other"), id="anything else"),
    ],
)
async def test_what_the_endpoint_said(response: httpx.Response, expected: Answer) -> None:
    """The answer's status and, for 202, what became of the message."""
    assert await instance(lambda _: response).post(REQUEST) == expected


async def test_a_busy_instance_is_asked_again() -> None:
    """503 with Retry-After is what a survey tool would wait for, too."""
    answers = iter(
        [
            httpx.Response(503, headers={"Retry-After": "0"}),
            httpx.Response(202, json={"status": "accepted"}),
        ]
    )
    assert await instance(lambda _: next(answers)).post(REQUEST) == Answer("accepted")


async def test_an_unknown_address_is_nobody() -> None:
    """A search without result finds no customer."""
    found = instance(lambda _: httpx.Response(200, json={"customers": []}))
    assert await found.find("nobody@example.com") is None


async def test_a_refused_token_ends_the_demo_with_the_reason() -> None:
    """The operator is told which call was refused."""
    refusing = instance(lambda _: httpx.Response(403, text="lacks the scope 'read'"))
    with pytest.raises(ConfigError, match="403"):
        await refusing.find("ada@example.com")


async def test_without_an_instance_the_demo_says_how_to_start_one() -> None:
    """Nobody listens on port 1."""
    environ = dict.fromkeys(SECRETS.values(), "whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh")
    environ["NPS_TOKEN_OPERATOR"] = "token"
    with pytest.raises(ConfigError, match="make run"):
        await run_demo("http://127.0.0.1:1", environ, json_output=True)
