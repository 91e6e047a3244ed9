"""The dispatcher as a process has it: its wiring, on the PostgreSQL log, with the shipped files."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI
from sqlalchemy import text

from services.dispatcher.__main__ import build
from services.dispatcher.playbook.plays import Playbook
from shared.bus.port import Message
from shared.database import connect
from shared.errors import ConfigError
from shared.events.decisions import SegmenterProgressed
from shared.events.envelope import DECISIONS, FEEDBACK, Event, encode
from shared.events.ids import name_id
from shared.hosting import Part, make_app
from shared.process import Context, open_context, read_settings
from shared.settings import load_yaml
from shared.times import utc_now
from tests.builders.decisions import decision, told
from tests.builders.waiting import eventually

CONFIG = Path(__file__).resolve().parent.parent.parent / "deploy" / "config"
#: Port 9 of this machine answers to nobody: the target is away.
ENVIRON = {
    "NPS_TOKEN_OPERATOR": "operator-token",
    "NPS_ROUTE_SECRET": "route-secret-of-the-tests",
    "NPS_SANDBOX_URL": "http://127.0.0.1:9/sandbox",
    "NPS_SECRET_WEBHOOK": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
#: Where the shipped templates lead to.
LINKS = {
    name: f"https://shop.example/{name}"
    for name in ("survey_url", "join_url", "review_url", "referral_url", "privilege_url")
}
BEARER = {"Authorization": "Bearer operator-token"}


@asynccontextmanager
async def hosted(database: str) -> AsyncIterator[tuple[Context, Part, FastAPI]]:
    """Run the part's tasks as the host does."""
    settings = read_settings(database_url=database, config=CONFIG)
    async with open_context(settings, ENVIRON) as context:
        part = await build(context)
        stopping = asyncio.Event()
        running = asyncio.gather(*(task(stopping) for task in part.tasks.values()))
        try:
            yield context, part, make_app([part], context.registry)
        finally:
            stopping.set()
            await asyncio.wait_for(running, 20)
            await part.close()


async def test_the_shipped_playbook_names_its_plays() -> None:
    """The commented reference loads, and holds what the example promises."""
    playbook = load_yaml(CONFIG / "playbook.yaml", Playbook).value
    assert [(p.do.action, p.do.contact_class) for p in playbook.plays] == [
        ("internal_alert", "internal"),
        ("escalation_alert", "internal"),
        ("high_value_alert", "internal"),
        ("call_back", "asked_for"),
        ("churned_alert", "internal"),
        ("exit_question", "survey"),
        ("reassurance", "service"),
        ("thanks", "service"),
        ("discount", "marketing"),
        ("follow_up", "service"),
        ("ambassador_invite", "marketing"),
        ("review_invite", "marketing"),
        ("referral_invite", "marketing"),
        ("loyalty_invite", "marketing"),
        ("privilege", "marketing"),
        ("referral_reward", "service"),
        ("panel_invite", "service"),
        ("resurvey", "survey"),
        ("survey_invite", "survey"),
    ]


async def test_a_decision_on_the_bus_is_seen_in_the_api(database: str) -> None:
    """Wired together, a decision becomes deliveries that wait for a target that is away."""
    async with hosted(database) as (context, _, app):
        now = utc_now()
        data = decision(theme="price", at=now)
        progressed = SegmenterProgressed(topic=FEEDBACK, partition=0, partitions=1, upto=now)
        await context.bus.publisher.publish(
            [
                Message(DECISIONS, "0", encode(Event(name_id("p"), "test", now, progressed))),
                Message(DECISIONS, str(data.customer_id), encode(told(data))),
            ]
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

            async def listed() -> dict[str, dict[str, object]]:
                answer = await client.get(
                    "/v1/deliveries",
                    params={"customer_id": str(data.customer_id)},
                    headers=BEARER,
                )
                assert answer.status_code == 200, answer.text
                found = {d["play"]: d for d in answer.json()["deliveries"]}
                assert {d["reason"] for d in found.values()} == {"her profile push has not arrived"}
                assert len(found) == 2
                return found

            found = await eventually(listed)
            assert found["reassurance"]["variant"] == "price"
            assert found["reassurance"]["template"] == "REASSURE_PRICE_EN"
            assert (await client.get("/v1/deliveries")).status_code == 401
            metrics = (await client.get("/metrics")).text
            assert 'nps_dispatcher_attempts_total{kind="push"' in metrics
            assert (await client.get("/readyz")).json() == {"ready": True, "missing": []}


async def test_what_a_status_call_found_goes_over_the_bus_and_comes_back(database: str) -> None:
    """Wired together: an untold word is published, and heard of like anybody's report."""
    async with hosted(database) as (context, _, _):
        data = decision(theme="price", at=utc_now())
        message = Message(DECISIONS, str(data.customer_id), encode(told(data)))
        await context.bus.publisher.publish([message])
        engine = connect(database, "dispatcher", connections=2)

        async def found() -> Any:
            async with engine.begin() as connection:
                return await connection.scalar(
                    text("""
                    INSERT INTO inquiries (delivery_id, target, accepted_at, until, reason, heard,
                                           heard_at, untold)
                    SELECT id, target, now(), now(), 'a test', 'opened', now(), true
                    FROM deliveries WHERE play = 'reassurance' RETURNING delivery_id
                """)
                )

        async def heard() -> bool:
            async with engine.connect() as connection:
                row = (
                    await connection.execute(
                        text("""
                            SELECT d.message, i.untold FROM deliveries d
                            JOIN inquiries i ON i.delivery_id = d.id
                        """)
                    )
                ).one()
            return (row.message, row.untold) == ("opened", False)

        try:
            assert await eventually(found)
            assert await eventually(heard)
        finally:
            await engine.dispose()


async def test_a_play_without_its_target_refuses_to_start(database: str, tmp_path: Path) -> None:
    """A playbook that names a target which is not there ends the start, naming the play."""
    for name in ("access.yaml", "targets.yaml"):
        (tmp_path / name).write_text((CONFIG / name).read_text())
    text = (CONFIG / "playbook.yaml").read_text().replace("target: sandbox_unkeyed", "target: gone")
    (tmp_path / "playbook.yaml").write_text(text)
    settings = read_settings(database_url=database, config=tmp_path)
    async with open_context(settings, ENVIRON) as context:
        with pytest.raises(
            ConfigError,
            match=r"playbook.yaml:\d+: plays.10.do.target: play ambassador-invite: 'gone'",
        ):
            await build(context)


async def test_the_whole_shipped_playbook_starts_by_mail(database: str, tmp_path: Path) -> None:
    """All that reaches customers by the shipped mail target, with the addresses of its links."""
    copytree(CONFIG, tmp_path, dirs_exist_ok=True)
    targets = tmp_path / "targets.yaml"
    off = "  smtp:\n    enabled: false\n"
    assert off in targets.read_text()
    targets.write_text(targets.read_text().replace(off, "  smtp:\n"))
    book = yaml.safe_load((CONFIG / "playbook.yaml").read_text())
    writing = [one["do"] for one in book["plays"] if "email" in one["do"]["channels"]]
    for do in writing:
        do.update(target="smtp", channels=["email"], context=LINKS)
    (tmp_path / "playbook.yaml").write_text(yaml.safe_dump(book))
    settings = read_settings(database_url=database, config=tmp_path)
    secrets = {"NPS_SECRET_SMTP": "made-up", "NPS_ROUTE_SECRET": "a key of one's own"}
    async with open_context(settings, {**ENVIRON, **secrets}) as context:
        part = await build(context)
        await part.close()
    assert len(writing) == 14
