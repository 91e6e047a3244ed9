"""Tokens, scopes and problem documents."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict

from shared.errors import DependencyAway
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig, Token
from shared.http.problems import Problem
from shared.settings import Secrets


class Body(BaseModel):
    """A body with one number."""

    number: int


class StrictBody(Body):
    """One that takes nothing else."""

    model_config = ConfigDict(extra="forbid")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An app with a guarded route, one that refuses and one whose database is away."""
    secrets = Secrets({"NPS_A": "alpha", "NPS_B": "beta"})
    access = Access(
        AccessConfig(
            tokens=(
                Token(name="reader", scopes=frozenset({"read"}), token="env:NPS_A"),
                Token(name="teller", scopes=frozenset({"events"}), token="env:NPS_B"),
            )
        ),
        secrets,
    )
    router = APIRouter()

    @router.get("/guarded")
    async def guarded(caller: Token = Depends(access.require("read"))) -> str:  # noqa: B008
        return caller.name

    @router.post("/numbers")
    async def numbers(body: Body) -> int:
        return body.number

    @router.post("/strict")
    async def strict(body: StrictBody) -> int:
        return body.number

    @router.get("/refused")
    async def refused() -> None:
        raise Problem(409, "not-in-doubt", "this delivery is not in doubt")

    @router.get("/away")
    async def away() -> None:
        raise DependencyAway("database: gone")

    app = make_app([Part(name="example", routers=[router])], CollectorRegistry())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("Bearer alpha", 200, id="right token"),
        pytest.param("bearer alpha", 200, id="scheme in any case"),
        pytest.param("Bearer beta", 403, id="token without the scope"),
        pytest.param("Bearer alph", 401, id="part of a token"),
        pytest.param("Basic alpha", 401, id="another scheme"),
        pytest.param("Bearer ", 401, id="empty token"),
        pytest.param(None, 401, id="no header"),
    ],
)
async def test_a_route_opens_only_for_a_token_with_its_scope(
    client: httpx.AsyncClient, header: str | None, status: int
) -> None:
    """401 says who are you, 403 says not you."""
    answer = await client.get("/guarded", headers={"Authorization": header} if header else {})

    assert answer.status_code == status


async def test_a_refusal_is_a_problem_document(client: httpx.AsyncClient) -> None:
    """RFC 9457, with a detail a person can act on."""
    answer = await client.get("/refused")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:nps:problem:not-in-doubt",
        "title": "not in doubt",
        "status": 409,
        "detail": "this delivery is not in doubt",
    }


async def test_an_invalid_body_is_told_by_field_and_never_echoed(client: httpx.AsyncClient) -> None:
    """What was sent may be personal."""
    answer = await client.post("/numbers", json={"number": "marie@example.com"})

    assert answer.status_code == 422
    assert "body.number" in answer.text
    assert "marie" not in answer.text


async def test_a_dependency_away_is_503_with_retry_after(client: httpx.AsyncClient) -> None:
    """The caller knows that the same request succeeds later."""
    answer = await client.get("/away")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_an_unknown_path_is_a_problem_document_too(client: httpx.AsyncClient) -> None:
    """No page of a framework leaks out."""
    answer = await client.get("/nowhere")

    assert answer.status_code == 404
    assert answer.json()["status"] == 404


async def test_a_key_that_nobody_asked_for_is_not_echoed(client: httpx.AsyncClient) -> None:
    """A name of a field is what was sent as well, and may be an address."""
    answer = await client.post("/strict", json={"number": 1, "marie@example.com": 2})

    assert answer.status_code == 422
    assert "extra forbidden" in answer.text
    assert "marie" not in answer.text
