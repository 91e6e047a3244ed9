"""The sandbox as a process of its own, looked at through real sockets."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

from tests.builders.ports import free_port
from tests.builders.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
ACTION = {
    "customer": "5a0d6c9e-0000-5000-8000-000000000001",
    "email": "ada@example.com",
    "delivery_id": "d-1",
    "play": "reassure",
    "action": "message",
    "variant": "price",
    "template": "reassure-price-vous",
    "channel": "email",
    "deadline": "2026-11-24T20:00:00.000000Z",
    "context": {"signed_by": "Camille"},
}


@dataclass(frozen=True)
class Running:
    """A sandbox process and a client for it."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient
    port: int
    log: Path

    async def act(self, key: str = "d-1", account: str = "main") -> httpx.Response:
        """Send one action."""
        return await self.client.post(
            f"/sandbox/api/{account}/actions", json=ACTION, headers={"Idempotency-Key": key}
        )

    async def turn(self, **switch: object) -> None:
        """Turn a switch."""
        (await self.client.put("/sandbox/api/switches", json=switch)).raise_for_status()

    async def entries(self) -> list[dict[str, object]]:
        """Return what was received, newest first."""
        answer = await self.client.get("/sandbox/api/received")
        entries: list[dict[str, object]] = answer.raise_for_status().json()["entries"]
        return entries


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[Running]:
    port = free_port()
    environ = {**os.environ, "NPS_PORT": str(port), "NPS_SANDBOX_FILE": str(file)}
    log = file.with_suffix(".log")
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.sandbox", cwd=ROOT, env=environ, stderr=errors
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

            async def up() -> bool:
                try:
                    return (await client.get("/readyz")).is_success
                except httpx.TransportError:
                    return False

            await eventually(up, what="the sandbox")
            yield Running(process, client, port, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One process for the tests that leave it running: starting takes seconds."""
    async with running(tmp_path_factory.mktemp("sandbox") / "sandbox.jsonl") as started:
        yield started


@pytest.fixture
async def sandbox(process: Running) -> Running:
    """A sandbox that behaves and has received nothing."""
    await process.turn(mode="ok")
    (await process.client.delete("/sandbox/api/received")).raise_for_status()
    return process


async def test_a_known_key_has_no_second_effect(sandbox: Running) -> None:
    """`main` answers 202 once, then 200 and a mark; both with the number of what was made."""
    first, second = await sandbox.act(), await sandbox.act()
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["reference"].startswith("SB-")
    assert second.json() == {"repeat": True, "reference": first.json()["reference"]}
    assert [(e["repeat"], e["effect"]) for e in await sandbox.entries()] == [
        (True, False),
        (False, True),
    ]


async def test_the_account_without_idempotency_acts_each_time(sandbox: Running) -> None:
    """The account `unkeyed` ignores the key."""
    answers = [await sandbox.act(account="unkeyed") for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert all(e["effect"] for e in await sandbox.entries())


async def test_a_profile_push_is_kept_as_sent(sandbox: Running) -> None:
    """The attributes are shown under the customer they belong to."""
    profile = {"customer": "c-1", "email": "ada@example.com", "attributes": {"nps_score": 9}}
    answer = await sandbox.client.put("/sandbox/api/main/profiles", json=profile)
    assert answer.status_code == 200
    assert [e["call"] for e in await sandbox.entries()] == [profile]


async def test_a_kill_forgets_no_key(tmp_path: Path) -> None:
    """A key that took effect before kill -9 is a repeat afterwards."""
    file = tmp_path / "sandbox.jsonl"
    async with running(file) as before:
        assert (await before.act()).status_code == 202
        before.process.kill()
        await before.process.wait()
    async with running(file) as after:
        assert (await after.act()).json()["repeat"] is True


async def test_503_and_429_refuse_without_effect(sandbox: Running) -> None:
    """Both are answered for as many calls as asked, 429 with its Retry-After."""
    await sandbox.turn(mode="503", next=1)
    assert (await sandbox.act()).status_code == 503
    await sandbox.turn(account="main", mode="429", retry_after_s=7, next=1)
    throttled = await sandbox.act()
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "7")
    assert (await sandbox.act()).status_code == 202


async def test_slow_answers_in_the_end(sandbox: Running) -> None:
    """The delay is served, then the usual answer."""
    await sandbox.turn(mode="slow", delay_ms=50, next=1)
    assert (await sandbox.act()).status_code == 202


async def test_a_reset_takes_effect_and_closes_without_a_byte(sandbox: Running) -> None:
    """The client sees its connection reset and no status line; the key is known afterwards."""
    await sandbox.turn(mode="reset", next=1)
    body = orjson.dumps(ACTION)
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(
        b"POST /sandbox/api/main/actions HTTP/1.1\r\nHost: sandbox\r\nIdempotency-Key: d-1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    writer.write(body)
    await writer.drain()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert (await sandbox.act()).json()["repeat"] is True


async def test_a_hanging_call_ends_when_its_client_leaves(sandbox: Running) -> None:
    """It is never answered, and it took effect."""
    await sandbox.turn(mode="hang", next=1)
    with pytest.raises(httpx.ReadTimeout):
        await sandbox.client.post("/sandbox/api/main/actions", json=ACTION, timeout=0.5)
    assert [(e["mode"], e["status"]) for e in await sandbox.entries()] == [("hang", None)]


async def test_a_watcher_is_told_what_is_received(sandbox: Running) -> None:
    """The stream opens with what is known and goes on with what comes."""
    await sandbox.act("d-1")
    async with sandbox.client.stream("GET", "/sandbox/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line async for line in answer.aiter_lines() if line.startswith("data: "))
        opening = orjson.loads((await anext(lines)).removeprefix("data: "))
        assert [entry["key"] for entry in opening["entries"]] == ["d-1"]
        await sandbox.act("d-2")
        news = orjson.loads((await anext(lines)).removeprefix("data: "))
        assert [entry["key"] for entry in news["entries"]] == ["d-2"]
        await sandbox.turn(account="main", mode="503")
        turned = orjson.loads((await anext(lines)).removeprefix("data: "))
        assert turned["switches"]["main"]["mode"] == "503"


async def test_stopping_ends_open_streams_and_hanging_calls(tmp_path: Path) -> None:
    """Ctrl-C is not held up by an open page: the host says nothing of a deadline passed."""
    async with running(tmp_path / "sandbox.jsonl") as sandbox:
        await stopped_while_watched(sandbox)


async def stopped_while_watched(sandbox: Running) -> None:
    await sandbox.turn(mode="hang")
    hanging = asyncio.create_task(sandbox.act())
    async with sandbox.client.stream("GET", "/sandbox/events") as answer:
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("data: ")

        async def hangs() -> bool:
            return len(await sandbox.entries()) == 1

        await eventually(hangs, what="the hanging call")
        sandbox.process.send_signal(signal.SIGINT)
        assert [line async for line in lines]
    with pytest.raises(httpx.TransportError):
        await hanging
    assert await asyncio.wait_for(sandbox.process.wait(), 30) == 0
    assert "graceful shutdown exceeded" not in sandbox.log.read_text()


async def test_the_page_is_one_file_that_loads_nothing_else(sandbox: Running) -> None:
    """No address of another host is in it, and its policy would not allow one."""
    page = await sandbox.client.get("/sandbox")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not any(mark in page.text for mark in ("http://", "https://", "//cdn", "src="))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", "/sandbox/api/other/actions", ACTION, 422, id="unknown account"),
        pytest.param("POST", "/sandbox/api/main/actions", {"email": "x"}, 422, id="no customer"),
        pytest.param("PUT", "/sandbox/api/switches", {"mode": "explode"}, 422, id="unknown mode"),
    ],
)
async def test_a_wrong_call_is_a_problem_that_echoes_nothing(
    sandbox: Running, method: str, path: str, body: dict[str, object], status: int
) -> None:
    """The answer names the field, not the value."""
    answer = await sandbox.client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "explode" not in answer.text
