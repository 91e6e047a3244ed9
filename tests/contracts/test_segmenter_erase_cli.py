"""`nps customer erase` and `nps customer export` against real routes of the segmenter."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from services.cli import app as commands
from services.segmenter.cli import erase as erase_cli
from tests.builders.facts import ANNA, BEN, Shelf, answered, day, ids_of, updated
from tests.builders.forgetting import PARTS, confirmed, erased, erasing_app
from tests.builders.merging import count, profiles, tell
from tests.builders.operating import answering, run, told

TOKEN = {"NPS_TOKEN": "eraser"}
MARK = "Écharpe de Zénobie"


class Neighbours:
    """The other services' routes, as the commands ask them; they answer in one shape."""

    def __init__(self, *, targets: list[dict[str, Any]] | None = None, ready: int = 0) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._targets = targets or []
        self._wait = ready

    def add_to(self, app: FastAPI) -> None:
        @app.get("/v1/erasures/{erasure_id}/targets")
        async def targets(erasure_id: UUID) -> Any:
            self._wait -= 1
            if self._wait >= 0:
                return _no_such()
            return {"done": True, "targets": self._targets}

        @app.post("/v1/recipients/export")
        async def recipients(wanted: dict[str, Any]) -> dict[str, Any]:
            self.asked.append(("recipients", wanted))
            return {"recipients": [], "deliveries": []}

        @app.post("/v1/bodies/export")
        async def bodies(wanted: dict[str, Any]) -> dict[str, Any]:
            self.asked.append(("bodies", wanted))
            # The same message, by whichever address; and another one on a second page.
            more = "cursor" not in wanted and "external_id" in wanted["identifiers"]
            content = "second" if "cursor" in wanted else "first"
            return {"rows": [{"content": content}], "next": "c1" if more else None}


def _no_such() -> Any:
    from fastapi.responses import JSONResponse

    problem = {"type": "urn:nps:problem:unknown-erasure", "detail": "not yet", "status": 404}
    return JSONResponse(problem, status_code=404)


@asynccontextmanager
async def place(
    engine: AsyncEngine, neighbours: Neighbours, asked: Shelf
) -> AsyncIterator[tuple[str, Shelf, UUID]]:
    """A segmenter with her and somebody else, on a port."""
    shelf = Shelf()
    await tell(engine, shelf, answered("r1", 9, comment=MARK))
    await tell(engine, shelf, updated(*ids_of(ANNA, "K-7"), at=day(1)))
    await tell(engine, shelf, updated(*ids_of("anna.b@example.com", "K-7"), at=day(2)))
    await tell(engine, shelf, answered("b1", 9, email=BEN))
    app = erasing_app(engine, asked)
    neighbours.add_to(app)
    async with answering(app) as url:
        yield url, shelf, shelf.decided()[0].customer_id


async def test_a_preview_counts_and_changes_nothing(engine: AsyncEngine) -> None:
    """Rows by table, no identifier, and how to go on."""
    asked = Shelf()
    async with place(engine, Neighbours(), asked) as (url, _, _her):
        before = await profiles(engine)
        result = await run(
            commands, "customer", "erase", f"email:{ANNA}", "--preview", url=url, environ=TOKEN
        )
        assert result.exit_code == 0, result.stderr
        assert "facts" in result.stdout
        assert "customers: 1" in result.stdout
        assert "leave --preview out" in result.stdout
        assert ANNA not in result.stdout
        assert await profiles(engine) == before
        assert asked.messages == []


async def test_an_erasure_is_asked_for_by_what_is_read_from_standard_input(
    engine: AsyncEngine,
) -> None:
    """What other users of the machine must not see is not typed."""
    asked = Shelf()
    async with place(engine, Neighbours(), asked) as (url, shelf, _her):
        typed = f"email:{ANNA}\nexternal_id:K-7\n"
        result = await run(
            commands, "customer", "erase", "-", "--json", url=url, environ=TOKEN, answers=typed
        )
        assert result.exit_code == 0, result.stderr
        assert {*told(result)} == {"erasure_id", "receipt"}
        await tell(engine, shelf, *asked.events(), now=day(6))
        assert len(await profiles(engine)) == 1


async def test_waiting_ends_with_the_receipt_of_all(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done here and everywhere, then known by name; who must be asked by hand is named."""
    monkeypatch.setattr(erase_cli, "_EVERY_S", 0)
    by_hand = {"target": "adobe", "state": "by_hand", "reason": "it has no way to delete"}

    class Handled(Shelf):
        """Every request is handled as soon as it is told."""

        async def publish(self, messages: Any) -> None:
            await super().publish(messages)
            await tell(engine, handled, *self.events(), now=day(6))
            erasure = erased(handled)[0].erasure_id
            await tell(engine, handled, *(confirmed(str(erasure), part) for part in PARTS))

    handled = Shelf()
    async with place(engine, Neighbours(targets=[by_hand], ready=2), Handled()) as (url, _, her):
        result = await run(commands, "customer", "erase", her, "--wait", url=url, environ=TOKEN)
    assert result.exit_code == 0, result.stderr
    assert "done" in result.stdout
    assert "the topics have forgotten by 2026-03-24" in result.stdout
    assert "adobe: by_hand (it has no way to delete)" in result.stdout


async def test_waiting_in_vain_says_so(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not done yet is no success: exit 75, and where to look."""
    monkeypatch.setattr(erase_cli, "_EVERY_S", 0)
    monkeypatch.setattr(erase_cli, "_LOOKS", 2)
    async with place(engine, Neighbours(), Shelf()) as (url, _, her):
        result = await run(commands, "customer", "erase", her, "--wait", url=url, environ=TOKEN)
    assert result.exit_code == 75
    assert "not done yet" in result.stderr
    assert "asked" in result.stdout


async def test_an_export_puts_the_three_services_together(engine: AsyncEngine) -> None:
    """One object; each address of hers is asked for at ingest, her ids at the dispatcher."""
    neighbours = Neighbours()
    async with place(engine, neighbours, Shelf()) as (url, _, her):
        result = await run(commands, "customer", "export", f"email:{ANNA}", url=url, environ=TOKEN)
        assert result.exit_code == 0, result.stderr
        found = told(result)
    assert {*found} == {"segmenter", "dispatcher", "ingest"}
    assert MARK in json.dumps(found, ensure_ascii=False)
    assert BEN not in result.stdout
    assert found["ingest"] == [{"content": "first"}, {"content": "second"}]
    assert neighbours.asked == [
        ("recipients", {"customer_ids": [str(her)]}),
        ("bodies", {"identifiers": {"email": ANNA, "external_id": "K-7"}}),
        ("bodies", {"identifiers": {"email": ANNA, "external_id": "K-7"}, "cursor": "c1"}),
        ("bodies", {"identifiers": {"email": "anna.b@example.com"}}),
    ]


async def test_services_that_run_apart_have_addresses_of_their_own(engine: AsyncEngine) -> None:
    """NPS_URL_INGEST and NPS_URL_DISPATCHER name them."""
    here, apart = Neighbours(), Neighbours()
    other = FastAPI()
    apart.add_to(other)
    async with place(engine, here, Shelf()) as (url, _, her), answering(other) as elsewhere:
        environ = {**TOKEN, "NPS_URL_INGEST": elsewhere, "NPS_URL_DISPATCHER": elsewhere}
        result = await run(commands, "customer", "export", her, url=url, environ=environ)
        assert result.exit_code == 0, result.stderr
    assert here.asked == []
    assert [name for name, _ in apart.asked] == ["recipients", "bodies", "bodies", "bodies"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        pytest.param(["Anna"], "name a customer by", id="no way to name her"),
        pytest.param(["email:a@example.com", "email:b@example.com"], "given twice", id="twice"),
        pytest.param(["-"], "name a customer by", id="nothing on standard input"),
    ],
)
async def test_a_name_that_is_none_is_refused_before_anything_is_asked(
    engine: AsyncEngine, names: list[str], why: str
) -> None:
    """A mistake in an option: exit 2."""
    result = await run(commands, "customer", "erase", *names, url="http://127.0.0.1:9")
    assert result.exit_code == 2
    assert why in result.stderr
    assert await count(engine, "SELECT count(*) FROM erasures") == 0


async def test_a_token_that_may_not_forget_is_told_what_it_lacks(engine: AsyncEngine) -> None:
    """The scope is named; nothing is done."""
    async with place(engine, Neighbours(), Shelf()) as (url, _, her):
        result = await run(
            commands, "customer", "erase", her, url=url, environ={"NPS_TOKEN": "reader"}
        )
    assert result.exit_code == 2
    assert "erase" in result.stderr
