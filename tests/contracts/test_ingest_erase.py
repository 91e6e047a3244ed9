"""Forgetting a person: what ingest still keeps of her goes, and nobody else's."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from services.ingest.examples import Answer, shop
from services.ingest.fetch.fetches import Fetches, Row
from services.ingest.keep.people import people
from services.ingest.keep.spool_table import Entry, Size, SpoolTable
from services.ingest.told import Thin
from shared import identifiers
from shared.bus.port import Message
from shared.events.envelope import FEEDBACK
from shared.times import utc_now
from tests.builders.ingest import ENVIRON, Ingest, running_ingest

ANA, BEN = "ana@example.com", "ben@example.com"


@pytest.fixture
async def ingest(emptied_database: str) -> AsyncIterator[Ingest]:
    """A running ingest."""
    async with running_ingest(emptied_database) as running:
        yield running


async def answer(ingest: Ingest, response_id: str, score: int, email: str | None) -> None:
    """Post one answer, which must be accepted."""
    said = Answer(response_id=response_id, score=score, email=email)
    posted = await ingest.post(shop(said, secret=ENVIRON["NPS_SECRET_SHOP"]))
    assert posted.status_code == 202


async def erase(ingest: Ingest, **known: str) -> httpx.Response:
    """Ask to forget somebody."""
    return await ingest.client.post(
        "/v1/bodies/erase",
        json={"identifiers": known},
        headers={"Authorization": f"Bearer {ENVIRON['ERASER']}"},
    )


def gone(**counts: int) -> dict[str, int]:
    """What an answer tells: nothing but these."""
    return {"bodies": 0, "quarantine": 0, "spool": 0, "fetches": 0, **counts}


async def test_all_that_names_her_goes_and_nothing_of_others(ingest: Ingest) -> None:
    """Understood bodies and those in quarantine, however her address is written."""
    for name, email in (("A", ANA), ("B", BEN)):
        await answer(ingest, f"{name}-1", 9, email)
        await answer(ingest, f"{name}-2", 3, email)
        await answer(ingest, f"{name}-3", 11, email)
    await ingest.settled()
    published = await ingest.published()

    with capture_logs() as logs:
        erased = await erase(ingest, email=" Ana@EXAMPLE.com ")

    assert erased.json() == gone(bodies=2, quarantine=1)
    assert [line for line in logs if line["event"] == "ingest.erased"] == [
        {"event": "ingest.erased", "log_level": "info", **gone(bodies=2, quarantine=1)}
    ]

    left = await ingest.rows(
        "SELECT body FROM ingest.bodies UNION ALL SELECT body FROM ingest.quarantine"
    )
    assert len(left) == 3
    assert all(ANA.encode() not in bytes(row[0]) for row in left)  # type: ignore[call-overload]
    assert await ingest.published() == published
    assert (await erase(ingest, email=ANA)).json() == gone()


async def test_a_message_of_her_response_that_names_nobody_goes_too(ingest: Ingest) -> None:
    """Score first and address later: both are the one response that is hers."""
    await answer(ingest, "A-1", 9, None)
    await answer(ingest, "A-1", 8, ANA)
    await answer(ingest, "C-1", 9, None)
    await ingest.settled()
    assert (await erase(ingest, email=ANA)).json() == gone(bodies=2)
    assert len(await ingest.rows("SELECT 1 FROM ingest.bodies")) == 1


async def test_a_body_that_is_not_written_yet_never_is(ingest: Ingest) -> None:
    """What waits in memory goes with the rows."""
    await answer(ingest, "A-1", 9, ANA)
    await answer(ingest, "A-1", 8, None)
    await answer(ingest, "B-1", 9, BEN)
    assert (await erase(ingest, email=ANA)).json() == gone(bodies=2)
    await ingest.settled()
    assert await ingest.rows("SELECT response_id FROM ingest.bodies") == [("B-1",)]


async def test_what_waits_for_the_bus_goes(ingest: Ingest, ingest_engine: AsyncEngine) -> None:
    """The spool's rows of hers, found by any of the identifiers given."""
    ana = identifiers.external_id("C-17")
    assert ana is not None
    hers = people(ENVIRON["NPS_ROUTE_SECRET"].encode(), [ana])
    entries = [
        Entry(UUID(int=number), whose, utc_now(), Message(FEEDBACK, "key", b"{}"))
        for number, whose in enumerate([hers, ("another",)])
    ]
    table = SpoolTable(ingest_engine)

    def all_of_them(_size: Size) -> int:
        return len(entries)

    await table.add(entries, all_of_them)
    assert (await erase(ingest, email=ANA, external_id="C-17")).json() == gone(spool=1)
    assert (await table.size()).rows == 1


async def test_fetches_that_name_her_go_and_those_that_wait_for_her_response(
    ingest: Ingest, ingest_engine: AsyncEngine
) -> None:
    """By what a message told beside its ids, fetched or not; else by what is known of the id."""
    now = utc_now()

    def thin(response_id: str, **said: str) -> Thin:
        return Thin("relational", response_id, now, said)

    await answer(ingest, "waits", 9, ANA)
    await answer(ingest, "fetched", 9, ANA)
    await ingest.settled()
    fetches = Fetches(ingest_engine)
    await fetches.put("shop", [thin("waits"), thin("fetched"), thin("other", who=BEN)], now)
    await fetches.put("shop", [thin("names", who=ANA.upper()), thin("named", who=ANA)], now)
    closed = [Row("relational", each, 1, "fetched") for each in ("fetched", "named")]
    await fetches.close("shop", closed, now)

    assert (await erase(ingest, email=ANA)).json() == gone(bodies=2, fetches=3)

    left = await ingest.rows("SELECT response_id FROM ingest.fetches ORDER BY 1")
    assert left == [("fetched",), ("other",)]


@pytest.mark.parametrize(
    ("known", "where"),
    [
        pytest.param({"email": "no-address"}, "identifiers.email", id="no-address"),
        pytest.param({"phone": "0612345678"}, "identifiers.phone", id="no-international-number"),
        pytest.param({"e-mail": ANA}, "identifiers", id="misspelt"),
        pytest.param({}, "identifiers", id="nobody"),
    ],
)
async def test_what_names_nobody_is_refused_and_not_echoed(
    ingest: Ingest, known: dict[str, Any], where: str
) -> None:
    """Or an operator would believe that somebody was forgotten."""
    answered = await erase(ingest, **known)
    assert answered.status_code == 422
    assert where in answered.json()["detail"]
    assert not any(value in answered.text for value in known.values())
