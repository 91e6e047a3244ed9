"""What is promised of the quarantine's rows: found, shown, deleted; secrets never in them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.keep.people import Whom
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.quarantine_watch import QuarantineWatch
from shared.database import connect
from tests.builders.ingest_store import ROUTE_KEY, START


@pytest.fixture
async def quarantine(emptied_database: str) -> AsyncIterator[Quarantine]:
    """An empty quarantine."""
    engine = connect(emptied_database, "ingest", connections=2)
    yield Quarantine(engine, route_key=ROUTE_KEY)
    await engine.dispose()


async def put(quarantine: Quarantine, number: int = 0, **changes: Any) -> UUID:
    """Keep one message; `changes` replace what is said of it."""
    known: dict[str, Any] = {
        "source": "shop",
        "body": f'{{"n":{number}}}'.encode(),
        "secrets": (),
        "content_type": "application/json",
        "received_at": START + timedelta(minutes=number),
        "path": "score",
        "rule": "not 0 to 10",
        "mapping": "v1",
    }
    row_id = await quarantine.put(**{**known, **changes})
    assert row_id is not None
    return row_id


async def test_a_row_is_shown_with_all_that_maps_it_again(quarantine: Quarantine) -> None:
    """Body, headers, query, which messages of the body failed, and whom it concerns."""
    row_id = await put(
        quarantine,
        headers={"x-survey": "s"},
        query="survey=s",
        places=(2, 5),
        people=("a" * 64,),
    )
    shown = await quarantine.show(row_id)
    assert shown is not None
    assert (shown.row.id, shown.row.source, shown.row.received_at) == (row_id, "shop", START)
    assert (shown.row.path, shown.row.rule, shown.row.mapping) == ("score", "not 0 to 10", "v1")
    assert shown.row.places == (2, 5)
    assert (shown.headers, shown.query) == ({"x-survey": "s"}, "survey=s")
    assert (shown.content_type, shown.body) == ("application/json", b'{"n":0}')
    assert shown.people == ("a" * 64,)
    assert await quarantine.show(UUID(int=0)) is None


async def test_headers_and_query_are_part_of_what_was_said(quarantine: Quarantine) -> None:
    """The same message again is the same row; the same body about another survey is another."""
    plain = await put(quarantine)
    assert await put(quarantine) == plain
    assert await put(quarantine, headers={"x-survey": "a"}) != plain
    assert await put(quarantine, query="survey=a") != plain
    assert len(await quarantine.rows(limit=10)) == 3


async def test_secrets_are_struck_out_of_query_and_headers(quarantine: Quarantine) -> None:
    """Some tools can keep a secret nowhere but in the URL."""
    row_id = await put(
        quarantine,
        body=b"secret=p%40ssw0rd-1",
        headers={"x-token": "p@ssw0rd-1"},
        query="t=p%40ssw0rd-1&survey=s",
        secrets=(b"p@ssw0rd-1",),
    )
    shown = await quarantine.show(row_id)
    assert shown is not None
    assert shown.body == b"secret=***"
    assert (shown.query, shown.headers) == ("t=***&survey=s", {"x-token": "***"})


async def test_rows_are_found_by_source_rule_and_time_page_by_page(quarantine: Quarantine) -> None:
    """The newest first, each once, also where several came in the same instant."""
    ids = [await put(quarantine, n, received_at=START) for n in range(3)]
    ids += [await put(quarantine, n) for n in range(3, 6)]
    await put(quarantine, 6, source="other")
    await put(quarantine, 7, rule="another rule")
    found: list[UUID] = []
    cursor: str | None = None
    while page := await quarantine.rows(limit=2, source="shop", rule="not 0 to 10", cursor=cursor):
        found += [row.id for row in page]
        cursor = page[-1].cursor
    assert found[:3] == ids[:2:-1]
    assert sorted(found) == sorted(ids)
    since = await quarantine.rows(limit=10, since=START + timedelta(minutes=5))
    assert [(row.source, row.rule) for row in since] == [
        ("shop", "another rule"),
        ("other", "not 0 to 10"),
        ("shop", "not 0 to 10"),
    ]


@pytest.mark.parametrize("cursor", ["", "x", "2026-03-02T09:00:00_x", f"2026-03-02_{UUID(int=0)}"])
async def test_a_cursor_that_is_none_is_refused(quarantine: Quarantine, cursor: str) -> None:
    """The caller learns it instead of getting the first page again."""
    with pytest.raises(ValueError, match=r"."):
        await quarantine.rows(limit=1, cursor=cursor)


async def test_rows_go_one_by_one_by_person_and_by_age(quarantine: Quarantine) -> None:
    """A replayed one, those of an erased person, and what is past its time."""
    first = await put(quarantine, 1)
    await put(quarantine, 2, people=("a", "b"))
    await put(quarantine, 3, people=("c",))
    assert await quarantine.delete(first)
    assert not await quarantine.delete(first)
    assert await quarantine.erase(Whom(("b", "d"))) == 1
    assert await quarantine.prune(START + timedelta(minutes=3)) == 0
    assert await quarantine.prune(START + timedelta(minutes=4)) == 1
    assert await quarantine.rows(limit=10) == []


async def test_what_waits_is_shown_by_source_until_it_is_gone(quarantine: Quarantine) -> None:
    """Also nothing is shown, as 0; of a source configured no more, while something is left."""
    registry = CollectorRegistry()
    now = START + timedelta(hours=1)
    seen = QuarantineWatch(quarantine, ["shop", "crm"], clock=lambda: now, registry=registry)

    def shown(source: str) -> tuple[float | None, float | None]:
        names = ("nps_ingest_quarantine_messages", "nps_ingest_quarantine_oldest_seconds")
        first, second = (registry.get_sample_value(name, {"source": source}) for name in names)
        return first, second

    await put(quarantine, 10)
    await put(quarantine, 20)
    gone = await put(quarantine, 30, source="gone")
    await seen.look()
    assert [shown(one) for one in ("shop", "crm", "gone")] == [(2, 3000), (0, 0), (1, 1800)]
    await quarantine.delete(gone)
    await seen.look()
    assert shown("gone") == (None, None)
