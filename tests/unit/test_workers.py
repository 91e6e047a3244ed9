"""A run in parallel: what runs where, and one costly thing for all workers."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.builders.ports import free_ports
from tests.builders.sharing import shared
from tests.builders.waiting import eventually
from tests.builders.workers import piece_of, workers_for

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("nodeid", "piece"),
    [
        pytest.param("tests/unit/a/test_b.py::test_c[d::e]", "tests/unit/a/test_b.py", id="file"),
        pytest.param("tests/faults/test_kill.py::test_a", "tests/faults/", id="faults"),
        pytest.param("tests/journeys/test_local.py::test_a", "tests/journeys/", id="journeys"),
    ],
)
def test_a_file_runs_on_one_worker_and_whole_systems_one_at_a_time(nodeid: str, piece: str) -> None:
    """Two systems of three processes each would starve each other."""
    assert piece_of(nodeid) == piece


@pytest.mark.parametrize(
    ("arguments", "server", "cores", "workers"),
    [
        pytest.param(["tests"], None, 2, 2, id="the whole suite"),
        pytest.param(["tests/unit"], None, 2, 2, id="a folder"),
        pytest.param(["tests"], None, 64, 4, id="more cores than one broker serves"),
        pytest.param(["tests/unit/test_a.py"], None, 2, 0, id="a file"),
        pytest.param(["tests/unit/test_a.py::test_b"], None, 2, 0, id="one test"),
        pytest.param(["tests"], "postgresql+asyncpg://u@h/d", 2, 0, id="one server by URL"),
    ],
)
def test_workers_are_started_where_they_pay(
    arguments: list[str], server: str | None, cores: int, workers: int
) -> None:
    """A worker takes seconds to start; the roles of one server are common to all its databases."""
    assert workers_for(arguments, server, cores) == workers


async def test_what_is_shared_is_made_once_and_ended_after_its_last_use(tmp_path: Path) -> None:
    """Whoever made it waits for the others; who comes later makes another."""
    running: list[str] = []
    made = 0

    @asynccontextmanager
    async def make() -> AsyncIterator[str]:
        nonlocal made
        made += 1
        running.append(f"address {made}")
        yield running[-1]
        running.pop()

    done = [asyncio.Event() for _ in range(3)]
    seen: list[str] = []
    still_there: list[bool] = []

    async def use(number: int) -> None:
        async with shared(tmp_path, make) as address:
            seen.append(address)
            await done[number].wait()
            still_there.append(address in running)

    async with asyncio.TaskGroup() as group:
        maker = group.create_task(use(0))
        await eventually(lambda: counts(seen, 1))
        other = group.create_task(use(1))
        await eventually(lambda: counts(seen, 2))
        done[0].set()
        await eventually(lambda: counts(still_there, 1))
        done[1].set()
        await asyncio.gather(maker, other)
        group.create_task(use(2))
        done[2].set()

    assert seen == ["address 1", "address 1", "address 2"]
    assert still_there == [True, True, True]
    assert running == []


async def test_what_a_killed_worker_shared_is_made_anew(tmp_path: Path) -> None:
    """Its address stays behind and leads nowhere."""
    (tmp_path / "address").write_text("of the dead")

    @asynccontextmanager
    async def make() -> AsyncIterator[str]:
        yield "of the living"

    async with shared(tmp_path, make) as address:
        assert address == "of the living"


async def counts(noted: Sequence[object], count: int) -> bool:
    """Tell whether so many have been noted."""
    return len(noted) == count


def test_a_port_is_given_once_and_never_to_an_outgoing_connection() -> None:
    """A killed process comes back on the port it had, whatever runs beside it."""
    ports = [*free_ports(20), *free_ports(20)]
    ask = f"from tests.builders import ports; print(any(map(ports._take, {ports})))"
    asked = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert len(set(ports)) == 40
    assert max(ports) < 32_768
    assert asked.stdout == "False\n"
