"""The audit record on a real PostgreSQL: one chain for all writers, and who touched it is found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit.actions import SERVICES, Service
from shared.audit.api import build_audit_router
from shared.audit.cli import audit
from shared.audit.start import InUse, in_use, record
from shared.database import connect
from shared.hosting import Part, make_app
from shared.settings import Secrets
from tests.builders.auditing import kept, pen, told, trail
from tests.builders.decisions import NOW
from tests.builders.dispatcher_api import ACCESS, ENVIRON
from tests.builders.operating import answering, run
from tests.builders.operating import told as said
from tests.builders.postgres import run_sql

SIX = 6


async def written(engine: AsyncEngine, service: Service, count: int = SIX) -> None:
    """Some rows, one a minute."""
    for number in range(count):
        by = pen(service, NOW + timedelta(minutes=number))
        async with engine.begin() as connection:
            await by.note(connection, "target.paused", f"target{number}", number=number)


@asynccontextmanager
async def records(database: str) -> AsyncIterator[tuple[dict[Service, AsyncEngine], FastAPI]]:
    """The three records with their routes, as one process hosts them."""
    engines = {service: connect(database, service) for service in SERVICES}
    routers = [build_audit_router(engines[one], ACCESS, trail(one)) for one in SERVICES]
    try:
        yield engines, make_app([Part("all", routers=routers)], CollectorRegistry())
    finally:
        for engine in engines.values():
            await engine.dispose()


async def touch(database: str, *statements: str) -> None:
    """Change rows as a superuser can: triggers and rights do not hold her."""
    trigger = "ALTER TABLE segmenter.audit {} TRIGGER ALL"
    await run_sql(database, trigger.format("DISABLE"), *statements, trigger.format("ENABLE"))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "TRUNCATE audit"]
)
async def test_no_service_can_change_its_record(
    database: str, service: Service, statement: str
) -> None:
    """Neither as its role, nor as one who has the right: a trigger refuses her, too."""
    engine = connect(database, service)
    try:
        await written(engine, service, 1)
        with pytest.raises(DBAPIError, match="permission denied"):
            async with engine.begin() as connection:
                await connection.execute(text(statement))
        with pytest.raises(DBAPIError, match="append-only"):
            await run_sql(database, statement.replace("audit", f"{service}.audit"))
        assert len(await kept(engine, service)) == 1
    finally:
        await engine.dispose()


async def test_replicas_that_write_at_once_keep_one_chain(database: str) -> None:
    """Each takes her turn from her row to the end of her transaction."""
    engines = [connect(database, "segmenter") for _ in range(2)]
    try:
        await asyncio.gather(*(written(engine, "segmenter", 15) for engine in engines * 2))
        async with engines[0].connect() as connection:
            checked = await trail("segmenter").checked(connection, 0, 1000)
        assert checked is not None
        count, head, broken = checked
        assert (count, head.seq, broken) == (60, 60, None)
    finally:
        for engine in engines:
            await engine.dispose()


async def failing(engine: AsyncEngine) -> None:
    """Write a row in a transaction that comes to nothing."""
    async with engine.begin() as connection:
        await pen("segmenter", NOW).note(connection, "target.resumed", "x")
        raise ZeroDivisionError


async def test_what_is_rolled_back_was_never_written(database: str) -> None:
    """The row stands exactly where the change does."""
    engine = connect(database, "segmenter")
    try:
        await written(engine, "segmenter", 1)
        with pytest.raises(ZeroDivisionError):
            await failing(engine)
        await written(engine, "segmenter", 1)
        assert [row.seq for row in await kept(engine, "segmenter")] == [1, 2]
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    ("statements", "seq"),
    [
        pytest.param(["UPDATE segmenter.audit SET actor = 'eve' WHERE seq = 3"], 3, id="actor"),
        pytest.param(
            ["UPDATE segmenter.audit SET at = at + interval '1 us' WHERE seq = 3"], 3, id="time"
        ),
        pytest.param(
            ["""UPDATE segmenter.audit SET detail = '{"number": 2.0}' WHERE seq = 3"""],
            3,
            id="detail",
        ),
        pytest.param(["UPDATE segmenter.audit SET at = 'infinity' WHERE seq = 3"], 3, id="no time"),
        pytest.param(["DELETE FROM segmenter.audit WHERE seq = 3"], 3, id="left out"),
        pytest.param(
            [
                "UPDATE segmenter.audit SET seq = 99 WHERE seq = 3",
                "UPDATE segmenter.audit SET seq = 3 WHERE seq = 4",
                "UPDATE segmenter.audit SET seq = 4 WHERE seq = 99",
            ],
            3,
            id="in each other's place",
        ),
        pytest.param(
            [
                """INSERT INTO segmenter.audit SELECT 7, now(), 'eve', action, subject, detail,
                hash, prev_hash FROM segmenter.audit WHERE seq = 6"""
            ],
            7,
            id="put in",
        ),
        pytest.param(
            [
                """INSERT INTO segmenter.audit SELECT -5, now(), 'eve', action, subject, detail,
                hash, prev_hash FROM segmenter.audit WHERE seq = 6"""
            ],
            1,
            id="put in before the first",
        ),
    ],
)
async def test_whoever_touches_a_row_is_found_by_its_number(
    database: str, statements: list[str], seq: int
) -> None:
    """The command names the service and the first broken row, and ends with 1."""
    async with records(database) as (engines, app), answering(app) as url:
        await written(engines["segmenter"], "segmenter")
        whole = await run(audit, "verify", "--json", url=url, environ=ENVIRON)
        assert (whole.exit_code, said(whole)["whole"]) == (0, True)
        await touch(database, *statements)
        found = await run(audit, "verify", "--json", url=url, environ=ENVIRON)
        words = await run(audit, "verify", url=url, environ=ENVIRON)
    broken = {one["service"]: one["broken"] for one in said(found)["services"]}
    assert (found.exit_code, words.exit_code) == (1, 1)
    assert (broken["ingest"], broken["dispatcher"]) == (None, None)
    assert broken["segmenter"]["seq"] == seq
    assert f"segmenter: row {seq}: {broken['segmenter']['why']}" in words.output


async def test_rows_cut_off_at_the_end_are_found_by_a_head_kept_elsewhere(
    database: str, tmp_path: Path
) -> None:
    """Without one they cannot be: the rest is whole. So can a record that was begun anew."""
    async with records(database) as (engines, app), answering(app) as url:
        await written(engines["segmenter"], "segmenter")
        heads = await run(audit, "head", "--json", url=url, environ=ENVIRON)
        file = tmp_path / "heads.json"
        file.write_text(heads.stdout)
        asked = ("verify", "--heads", file, "--json")
        await written(engines["segmenter"], "segmenter", 1)
        before = await run(audit, *asked, url=url, environ=ENVIRON)
        await touch(database, "DELETE FROM segmenter.audit WHERE seq > 4")
        without = await run(audit, "verify", url=url, environ=ENVIRON)
        cut = await run(audit, *asked, url=url, environ=ENVIRON)
        await written(engines["segmenter"], "segmenter", 3)
        anew = await run(audit, *asked, url=url, environ=ENVIRON)
    assert (before.exit_code, without.exit_code) == (0, 0)
    for found, why in ((cut, "cut off"), (anew, "anew")):
        (broken,) = [one["broken"] for one in said(found)["services"] if one["broken"]]
        assert (found.exit_code, broken["seq"]) == (1, SIX)
        assert why in broken["why"]


async def test_a_long_record_is_walked_a_page_at_a_time(database: str) -> None:
    """More rows than a page holds are all looked at, and the last page knows the one before."""
    async with records(database) as (engines, app), answering(app) as url:
        async with engines["ingest"].begin() as connection:
            for number in range(1100):
                by = pen("ingest", NOW)
                await by.note(connection, "source.remap_asked", "web", number=number)
        found = await run(
            audit, "verify", "--service", "ingest", "--json", url=url, environ=ENVIRON
        )
        listed = await run(
            audit,
            "list",
            "--service",
            "ingest",
            "--after",
            1098,
            "--json",
            url=url,
            environ=ENVIRON,
        )
    (one,) = said(found)["services"]
    assert (one["checked"], one["head"]["seq"], one["broken"]) == (1100, 1100, None)
    (page,) = said(listed)["pages"]
    assert [row["seq"] for row in page["rows"]] == [1099, 1100]
    assert page["next"] is None


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("verify", "--service", "console"), "choose of ingest, segmenter, dispatcher"),
        (("verify", "--heads", "/nowhere/heads.json"), "cannot be read"),
    ],
)
async def test_a_wrong_option_names_its_fix(
    database: str, arguments: tuple[str, ...], fix: str
) -> None:
    """Exit 2: nothing was looked at."""
    async with records(database) as (_, app), answering(app) as url:
        found = await run(audit, *arguments, url=url, environ=ENVIRON)
    assert found.exit_code == 2
    assert fix in found.output


async def test_an_address_that_hosts_another_service_is_told(database: str) -> None:
    """In production each service has an address of its own."""
    engine = connect(database, "ingest")
    router = build_audit_router(engine, ACCESS, trail("ingest"))
    app = make_app([Part("ingest", routers=[router])], CollectorRegistry())
    try:
        async with answering(app) as url:
            all_of_them = await run(audit, "verify", url=url, environ=ENVIRON)
            apart = {**ENVIRON, "NPS_URL_INGEST": url}
            own = await run(
                audit, "verify", "--service", "ingest", url="http://127.0.0.1:9", environ=apart
            )
    finally:
        await engine.dispose()
    assert (all_of_them.exit_code, own.exit_code) == (2, 0)
    assert "set NPS_URL_SEGMENTER" in all_of_them.output


async def test_a_start_records_what_changed_and_only_that(database: str, tmp_path: Path) -> None:
    """A file's new version, a secret's new value, a second secret, and one that was left."""
    engine, mine = connect(database, "ingest"), trail("ingest")
    (tmp_path / "sources.yaml").write_text("one")
    secrets = {"A": "first", "B": "second", "C": "third"}

    def used(*names: str, **values: str) -> InUse:
        known = Secrets({**secrets, **values})
        for name in names:
            known.get(f"env:{name}")
        return in_use(mine, tmp_path, ("sources.yaml", "access.yaml"), known)

    try:
        assert await record(engine, mine, used("A"), NOW) == 2
        assert await record(engine, mine, used("A"), NOW) == 0
        rotating = used("A", "B")
        assert await record(engine, mine, rotating, NOW) == 1
        assert await record(engine, mine, used("B"), NOW) == 1
        assert await record(engine, mine, used("B", B="renewed"), NOW) == 1
        (tmp_path / "sources.yaml").write_text("two")
        replicas = [record(engine, mine, used("B", B="renewed"), NOW) for _ in range(3)]
        assert sorted(await asyncio.gather(*replicas)) == [0, 0, 1]
        (tmp_path / "sources.yaml").write_text("one")
        assert await record(engine, mine, used("B", B="renewed"), NOW) == 1
        rows = told(await kept(engine, "ingest"))
    finally:
        await engine.dispose()
    assert [row[:3] for row in rows] == [
        ("@start", "configuration.used", "sources.yaml"),
        ("@start", "secret.used", "env:A"),
        ("@start", "secret.used", "env:B"),
        ("@start", "secret.left", "env:A"),
        ("@start", "secret.used", "env:B"),
        ("@start", "configuration.used", "sources.yaml"),
        ("@start", "configuration.used", "sources.yaml"),
    ]
    assert rows[0][3] == rows[6][3] != rows[5][3]
    assert not any(value.encode() in orjson.dumps(rows) for value in secrets.values())
