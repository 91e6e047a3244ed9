"""A newcomer's first hour: `make run`, `make demo` twice, Ctrl-C, a power cut, and again."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders.processes import ROOT, Process
from tests.builders.waiting import eventually


@pytest.fixture
async def instance(reachable_folder: Path) -> AsyncIterator[Process]:
    """The embedded default with a data folder of its own, running."""
    data = reachable_folder / f"run-{uuid.uuid4().hex[:8]}"
    data.mkdir()
    process = Process("services", {}, data / "terminal.log", "--data", str(data))
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def demo(instance: Process) -> tuple[int, dict[str, Any]]:
    """Run the demo against an instance; give its exit code and counts."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services",
        "demo",
        "--json",
        *("--data", str(instance.log.parent), "--port", str(instance.port)),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await running.communicate()
    assert running.returncode is not None
    return running.returncode, json.loads(output)


async def effects(instance: Process) -> dict[str, Any]:
    """Ask the sandbox what really happened there."""
    async with httpx.AsyncClient(base_url=instance.url) as client:
        answer = await client.get("/sandbox/api/received", params={"limit": 0})
    counters: dict[str, Any] = answer.json()["counters"]
    return {account: counts["actions"] for account, counts in counters.items()}


def servers(data: Path) -> list[int]:
    """Find the PostgreSQL processes that work in a data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(data):
                found.append(int(process.name))
        except OSError:
            continue
    return found


async def test_the_demo_gives_the_counts_it_promises_and_a_second_run_adds_no_contact(
    instance: Process,
) -> None:
    """The counts hold at any hour; the same answers are the same causes."""
    first, counted = await demo(instance)
    contacts = await effects(instance)
    second, again = await demo(instance)

    assert (first, counted["differences"]) == (0, [])
    assert (second, again["differences"]) == (0, [])
    assert counted["counts"] == again["counts"]
    assert await effects(instance) == contacts
    assert sum(contacts.values()) > 100


async def test_ctrl_c_leaves_no_server_and_a_power_cut_loses_nothing(instance: Process) -> None:
    """What was accepted before the cut is known after it, and the end leaves nothing running."""
    data = instance.log.parent
    token = json.loads((data / "secrets.json").read_text())["NPS_TOKEN_OPERATOR"]
    told = {
        "specversion": "1.0",
        "id": "1",
        "source": "crm",
        "type": "customer.updated",
        "time": "2026-11-21T10:00:00Z",
        "data": {"identifiers": {"email": "sasha.essai@example.com"}},
    }
    async with httpx.AsyncClient(
        base_url=instance.url, headers={"Authorization": f"Bearer {token}"}, timeout=15
    ) as client:
        accepted = await client.post("/v1/events", json=told)
        instance.kill()
        assert servers(data)
        await instance.start()

        async def known() -> int:
            found = await client.post(
                "/v1/customers/search", json={"email": "sasha.essai@example.com"}
            )
            return len(found.json()["customers"])

        assert await eventually(known, what="the customer told of before the cut") == 1
    code = await instance.stop()

    assert accepted.status_code == 202
    assert code == 0
    assert servers(data) == []
