"""Ending in order: each phase begins when the last has ended or is late, and none can hang."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
import yaml
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry

from services.dispatcher.lanes.flights import BUDGET, LONGEST_WAIT_S
from services.dispatcher.lanes.lane import LEASE
from shared.hosting import Part, host
from shared.process import run_or_explain
from shared.shutdown import (
    BUS_S,
    CANCEL_S,
    ENDING_S,
    LAST_S,
    OVERDUE,
    PARTS_S,
    REQUESTS_S,
    WORK_S,
    House,
    Stop,
    bounded,
    end,
)
from tests.builders.virtual_loop import in_virtual_time

ROOT: Final = Path(__file__).resolve().parents[3]
DRAIN_S: Final = 5.0


async def for_ever() -> None:
    """Hang."""
    await asyncio.Event().wait()


@dataclass
class Fake:
    """A house of fakes that notes what happens at which second; `hangs` names who never ends."""

    hangs: str = ""
    stubborn: bool = False
    happened: list[tuple[str, float]] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, what: str) -> None:
        self.happened.append((what, round(asyncio.get_running_loop().time(), 1)))

    async def hang_on(self) -> None:
        """Hang, and go on when cut off."""
        while not self.let_go.is_set():
            with suppress(asyncio.CancelledError):
                await self.let_go.wait()

    async def serve(self, door: asyncio.Event) -> None:
        await door.wait()
        await asyncio.sleep(1)
        if self.hangs == "requests":
            await for_ever()
        self.note("requests answered")

    async def work(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        await asyncio.sleep(2)
        if self.hangs == "work":
            try:
                await (self.hang_on() if self.stubborn else for_ever())
            finally:
                self.note("work cut off")
            return
        self.note("work done")

    def close(self, name: str) -> Callable[[], Awaitable[None]]:
        async def do() -> None:
            if self.hangs == name:
                await self.hang_on()
                return
            self.note(f"{name} closed")

        return do

    async def ended(self, drain_s: float = DRAIN_S) -> list[Exception]:
        """Build it and end it."""
        door, stopping = asyncio.Event(), asyncio.Event()

        def close_door() -> None:
            self.note("door closed")
            door.set()

        house = House(
            wind_down=lambda: self.note("not ready"),
            close_door=close_door,
            serving=asyncio.create_task(self.serve(door), name="server"),
            stopping=stopping,
            tasks=[asyncio.create_task(self.work(stopping), name="consume")],
            parts=[(name, self.close(name)) for name in ("second", "first")],
        )
        failures = await end(house, drain_s)
        await bounded("bus", BUS_S, self.close("bus")())
        self.note("ended")
        self.let_go.set()
        return failures


def run(fake: Fake, drain_s: float = DRAIN_S) -> list[tuple[str, float]]:
    """End a house whose parts can all be closed; returns what happened when."""
    assert in_virtual_time(lambda: fake.ended(drain_s)) == []
    return fake.happened


def test_each_phase_begins_when_the_last_has_ended() -> None:
    """Nobody is refused while balancers learn of it; nothing is closed under whoever works."""
    assert run(Fake()) == [
        ("not ready", 0),
        ("door closed", 5),
        ("requests answered", 6),
        ("work done", 8),
        ("second closed", 8),
        ("first closed", 8),
        ("bus closed", 8),
        ("ended", 8),
    ]


def test_without_a_pause_the_door_is_closed_at_once() -> None:
    """On a desk nobody balances, and Ctrl-C is not to be waited for."""
    assert run(Fake(), drain_s=0)[:3] == [
        ("not ready", 0),
        ("door closed", 0),
        ("requests answered", 1),
    ]


@pytest.mark.parametrize(
    ("hangs", "stubborn", "missing", "ended_at"),
    [
        pytest.param(
            "requests", False, "requests answered", DRAIN_S + REQUESTS_S + 2, id="a request"
        ),
        pytest.param("work", False, "work done", DRAIN_S + 1 + WORK_S, id="a task"),
        pytest.param(
            "work", True, "work done", DRAIN_S + 1 + WORK_S + CANCEL_S, id="a task, and its end"
        ),
        pytest.param("second", False, "second closed", DRAIN_S + 3 + PARTS_S, id="a part"),
        pytest.param("first", False, "first closed", DRAIN_S + 3 + PARTS_S, id="another part"),
        pytest.param("bus", False, "bus closed", DRAIN_S + 3 + BUS_S, id="the bus"),
    ],
)
def test_whatever_hangs_keeps_nothing_else_from_its_end(
    hangs: str, stubborn: bool, missing: str, ended_at: float
) -> None:
    """Its phase ends at its deadline, and the others come about all the same."""
    happened = run(Fake(hangs, stubborn))

    whole = ["not ready", "door closed", "requests answered", "work done"]
    whole += ["second closed", "first closed", "bus closed", "ended"]
    told = [what for what, _ in happened if what != "work cut off"]
    assert told == [what for what in whole if what != missing]
    assert ("ended", ended_at) in happened
    assert ended_at <= DRAIN_S + ENDING_S - LAST_S


def test_a_part_that_cannot_be_closed_is_told_and_keeps_none_open() -> None:
    """The host raises it in the end."""
    closed: list[str] = []

    async def fails() -> None:
        raise ZeroDivisionError

    async def works() -> None:
        closed.append("first")

    async def whole() -> list[Exception]:
        house = House(
            wind_down=lambda: None,
            close_door=lambda: None,
            serving=asyncio.create_task(asyncio.sleep(0)),
            stopping=asyncio.Event(),
            tasks=[],
            parts=[("second", fails), ("first", works)],
        )
        return await end(house, 0)

    (failure,) = in_virtual_time(whole)
    assert isinstance(failure, ZeroDivisionError)
    assert closed == ["first"]


GET: Final = b"GET %b HTTP/1.1\r\nHost: a.example\r\n\r\n"


def test_in_the_pause_new_requests_are_answered_and_kept_connections_told_to_close() -> None:
    """Whoever sends learns it from an answer, and not from a connection closed under a request."""
    router = APIRouter()

    @router.get("/who")
    async def who() -> PlainTextResponse:
        return PlainTextResponse("here")

    async def ask(port: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def answer(path: bytes) -> bytes:
            writer.write(GET % path)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return head + await reader.readexactly(length)

        before = await answer(b"/who")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(1)
        last = await answer(b"/who")
        rest = await reader.read()
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        new = await answer(b"/readyz")
        writer.close()
        await asyncio.sleep(DRAIN_S)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        return [before, last, rest, new]

    async def whole() -> list[bytes]:
        asking: list[asyncio.Task[list[bytes]]] = []

        async def until_answered(stopping: asyncio.Event) -> None:
            await stopping.wait()
            await asyncio.wait(asking)

        await host(
            [Part(name="a", routers=[router], tasks={"asking": until_answered})],
            address="127.0.0.1",
            port=0,
            registry=CollectorRegistry(),
            drain_s=DRAIN_S,
            on_started=lambda port: asking.append(asyncio.create_task(ask(port))),
        )
        return await asking[0]

    before, last, rest, new = in_virtual_time(whole)

    assert before.endswith(b"here")
    assert b"connection: close" not in before.lower()
    assert last.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in last.lower()
    assert rest == b""
    assert new.startswith(b"HTTP/1.1 503 ")
    assert b"stopping" in new


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGTERM, 143, id="SIGTERM"),
        pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
    ],
)
def test_the_second_signal_ends_the_process_at_once(number: int, code: int) -> None:
    """Whoever asks twice does not want to wait; what was accepted is kept, as after a kill."""
    codes: list[int] = []
    stop = Stop(ends_process=codes.append)

    stop.hear(signal.SIGTERM)
    asked_once = list(codes)
    stop.hear(number)

    assert stop.asked.is_set()
    assert (asked_once, codes) == ([], [code])


def test_a_process_that_does_not_end_in_time_is_ended() -> None:
    """Also where its loop stands still, or the interpreter waits for a thread."""
    codes: list[int] = []
    ended = threading.Event()

    def ends(code: int) -> None:
        codes.append(code)
        ended.set()

    Stop(0.001, ends_process=ends).watch()

    assert ended.wait(10)
    assert codes == [OVERDUE]


def test_a_signal_before_there_is_a_host_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process of a container would not hear it else, and be killed a minute later."""
    before = signal.getsignal(signal.SIGTERM)
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)

    async def starting() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    run_or_explain(starting)

    assert codes == [143]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_lane_has_time_for_a_call_that_it_has_just_claimed() -> None:
    """Cut off, what cannot be repeated would be in doubt after every roll-out."""
    longest = LONGEST_WAIT_S + BUDGET.total_seconds()
    assert longest < WORK_S < LEASE.total_seconds()


def test_the_grace_period_of_the_chart_is_longer_than_the_whole_end() -> None:
    """Its check of other values knows the same sum."""
    chart = ROOT / "deploy" / "helm" / "nps-connector"
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    check = (chart / "templates" / "check.yaml").read_text(encoding="utf-8")

    assert values["terminationGracePeriodSeconds"] > values["drainSeconds"] + ENDING_S
    assert f"(add $v.drainSeconds {ENDING_S:.0f})" in check


def test_the_grace_period_of_compose_is_longer_than_the_whole_end() -> None:
    """Else the engine kills what still works."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    ours = {
        name: service
        for name, service in compose["services"].items()
        if str(service.get("command", "")).startswith("['services.")
    }
    assert set(ours) >= {"ingest", "segmenter", "dispatcher", "sandbox"}
    for service in ours.values():
        drain_s = float(service.get("environment", {}).get("NPS_DRAIN_S", 0))
        grace = service["stop_grace_period"]
        assert grace.endswith("s")
        assert float(grace.removesuffix("s")) >= drain_s + ENDING_S
