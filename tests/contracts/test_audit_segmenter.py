"""Each thing that a person can do to customers is a row of the segmenter's, in her name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.cases import make_case_router
from services.segmenter.api.erase import make_erase_router
from services.segmenter.api.export import make_export_router
from services.segmenter.api.merge import make_merge_router
from services.segmenter.api.policy import make_policy_router
from services.segmenter.erase.request import Requests
from shared.database import connect
from shared.hosting import Part, make_app
from shared.identifiers import AS_SAID
from tests.builders.auditing import kept, trail
from tests.builders.auditing import told as rows_of
from tests.builders.facts import ANNA, BEN, ROUTE_KEY, Shelf, answered, day, rulebook
from tests.builders.merging import tell
from tests.builders.segmenting import access

TOKEN = {"Authorization": "Bearer operator"}


@dataclass
class Desk:
    """A segmenter with two customers, and one who may do all to them."""

    engine: AsyncEngine
    caller: httpx.AsyncClient
    asked: Shelf
    shelf: Shelf
    anna: UUID
    ben: UUID

    async def post(self, path: str, **body: Any) -> httpx.Response:
        answer = await self.caller.post(f"/v1/{path}", json=body, headers=TOKEN)
        assert answer.status_code in (200, 202), answer.text
        return answer

    async def done(self) -> None:
        """Let the handler handle what was asked for, twice as after a kill."""
        for _ in range(2):
            await tell(self.engine, self.shelf, *self.asked.events(), now=day(7))
        self.asked.messages.clear()

    async def rows(self) -> list[tuple[str, str, str, Any]]:
        found = await kept(self.engine, "segmenter")
        assert not any(mark in repr(found) for mark in (ANNA, BEN))
        return rows_of(found)


@pytest.fixture
async def desk(database: str) -> AsyncIterator[Desk]:
    engine, shelf, asked = connect(database, "segmenter"), Shelf(), Shelf()
    await tell(engine, shelf, answered("r1", 9), answered("r2", 3, email=BEN, at=day(0.5)))
    anna, ben = (decided.customer_id for decided in shelf.decided())
    may, book, mine = access(operator=("operate", "read", "erase")), rulebook(), trail("segmenter")

    def at() -> Any:
        return day(6)

    requests = Requests(engine, asked, ROUTE_KEY, trail=mine, clock=at)
    routers = [
        make_merge_router(engine, book, may, at, AS_SAID, publisher=asked),
        make_erase_router(requests, may, AS_SAID, clock=at),
        make_export_router(engine, may, AS_SAID, clock=at, trail=mine),
        make_case_router(engine, book, may, at, asked, trail=mine),
        make_policy_router(engine, book, may, at, asked, trail=mine),
    ]
    app = make_app([Part("segmenter", routers=routers)], CollectorRegistry())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://nps.test") as caller:
        yield Desk(engine, caller, asked, shelf, anna, ben)
    await engine.dispose()


async def test_a_merge_and_its_undoing_are_rows_once_they_are_done(desk: Desk) -> None:
    """Asking, and looking at what would come out, is none: the row is in the change itself."""
    sides = {"a": {"email": ANNA}, "b": {"customer_id": str(desk.ben)}}
    await desk.post("customers/merge", **sides, preview=True)
    await desk.post("customers/merge", **sides)
    assert await desk.rows() == []
    await desk.done()
    (merge,) = desk.shelf.merged()[:1]
    gone, stays = str(merge.merged_id), str(merge.customer_id)
    merged = ("operator", "customers.merged", stays, {"merged": gone})
    assert await desk.rows() == [merged]
    await desk.post("customers/unmerge", customer_id=gone)
    await desk.done()
    apart = ("operator", "customer.unmerged", gone, {"survivor": stays, "members": [gone]})
    assert await desk.rows() == [merged, apart]


async def test_an_erasure_is_a_row_when_it_is_asked_for_and_when_it_is_done(desk: Desk) -> None:
    """What is left of her is an id of ours, which leads nowhere."""
    asked = (await desk.post("customers/erase", email=ANNA)).json()["erasure_id"]
    she = {"customers": [str(desk.anna)]}
    assert await desk.rows() == [("operator", "erasure.asked", asked, she)]
    await desk.done()
    assert (await desk.rows())[1:] == [("operator", "customer.erased", asked, {})]


async def test_what_is_handed_out_of_a_person_is_a_row(desk: Desk) -> None:
    """By her id of ours, never by what she was looked for."""
    await desk.post("customers/export", email=ANNA)
    she = {"customers": [str(desk.anna)]}
    assert await desk.rows() == [("operator", "customer.exported", "1 customers", she)]


async def test_a_persons_case_is_a_row_before_it_is_told(desk: Desk) -> None:
    """It comes by the bus, so the row says that it was asked for, and names the event."""
    path, she = f"customers/{desk.anna}/cases", str(desk.anna)
    opened = (await desk.post(path)).json()
    await desk.done()
    expected = [("operator", "case.open_asked", she, {"event": opened["event_id"]})]
    for step, action in (("resolve", "case.resolve_asked"), ("reopen", "case.reopen_asked")):
        told = (await desk.post(f"{path}/{step}", case_id=opened["case_id"])).json()
        await desk.done()
        expected.append(("operator", action, she, {"event": told["event_id"]}))
    assert await desk.rows() == expected


async def test_having_a_policy_take_effect_is_a_row_and_counting_is_none(desk: Desk) -> None:
    """A row a page: it says which policy, and from where."""
    await desk.post("policy/recompute", most=10)
    assert await desk.rows() == []
    await desk.post("policy/recompute", most=10, apply=True)
    ((actor, action, subject, detail),) = await desk.rows()
    assert (actor, action, subject) == (
        "operator",
        "policy.recompute_asked",
        rulebook().version,
    )
    assert detail == {"after": str(UUID(int=0)), "most": 10}
