"""A dispatcher for a bench: its configuration, its sink, its backlog, and its bare limits.

In: the targets of a scenario, each a path of the fast sink, and plays that lead decisions there by
their `to`. Out: turns. Planning and sending are measured apart, too: while a target is paused all
is planned and nothing sent, afterwards the other way round.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.bus.kafka_connection import KafkaConnection
from shared.bus.kafka_publisher import KafkaPublisher
from shared.bus.topics import declared
from tests.bench.decided import fill
from tests.bench.sinks import Sink, open_sink
from tests.bench.stage import Stage
from tests.bench.turns import Done, Turn, counter, turn
from tests.builders.processes import ROOT, Process
from tests.builders.system import write_config

#: Targets of a `targets.yaml`, made for the address of the sink.
MakeTargets = Callable[[str], dict[str, Any]]

_HOLD: Final = text("""
    INSERT INTO dispatcher.targets (name, held) VALUES (:name, :held)
    ON CONFLICT (name) DO UPDATE SET held = EXCLUDED.held
""")
_PLANNED: Final = "SELECT count(*) FROM dispatcher.planned"


def webhook(url: str, **settings: Any) -> dict[str, Any]:
    """A target of signed calls, one for each delivery."""
    return {
        "preset": "webhook",
        "vars": {"url": url, "secret": "env:NPS_SECRET_SHOP"},
        "allow_private": True,
        "allow_http": True,
        "push_profile": False,
        "attributes": {},
        "message": {"nps_score": "score", "nps_theme": "theme"},
        **settings,
    }


def _play(to: str) -> dict[str, Any]:
    """Lead decisions to a target, at once; as a service, so that any hour will do."""
    return {
        "name": f"ask-{to}",
        "when": {"trigger": "received", "attributes": {"to": [to]}},
        "do": {
            "action": f"ask_{to}",
            "channels": ["email"],
            "target": to,
            "class": "service",
            "legal_basis": "contract",
            "variants": {"default": "ASK"},
            "delay": {"min": "0 s", "max": "0 s"},
        },
    }


@dataclass(frozen=True, slots=True)
class Bench:
    """A dispatcher (not started), its sink (running), and the way to its input."""

    stage: Stage
    process: Process
    sink: Sink
    publisher: KafkaPublisher
    config: Path
    engine: AsyncEngine

    async def planned(self) -> float:
        """Tell how many decisions are planned so far."""
        return float(await self.scalar(_PLANNED))

    async def scalar(self, statement: str, **values: object) -> Any:
        """Ask the database one question, as its owner."""
        async with self.engine.connect() as connection:
            return await connection.scalar(text(statement), values)

    async def hold(self, target: str, *, paused: bool) -> None:
        """Pause a target, or let it go on."""
        async with self.engine.begin() as connection:
            values = {"name": target, "held": "paused" if paused else None}
            await connection.execute(_HOLD, values)

    async def apart(self, label: str, to: str, target: str, count: int, sent: Done) -> list[Turn]:
        """Let decisions that wait already be planned first, then be sent; `sent` asks how many."""
        await self.hold(target, paused=True)
        before = await self.planned()
        await fill(self.publisher, label, to, count)
        async with self.stage.running([self.process]):
            planning = await turn("planning", self.process, self.planned, count, before=before)
            await self.hold(target, paused=False)
            sending = await turn("sending", self.process, sent, count)
        return [planning, sending]

    async def together(self, label: str, to: str, count: int, sent: Done) -> Turn:
        """Let decisions that wait already be planned and sent."""
        await fill(self.publisher, label, to, count)
        async with self.stage.running([self.process]):
            return await turn("dispatcher", self.process, sent, count)

    def counter(self, name: str, *labels: str) -> Done:
        """Ask the dispatcher for a counter; see `turns.counter`."""
        return counter(self.sink.client, self.process, name, *labels)

    async def bare(self, kind: Literal["calls", "ledger"], target: str, *counts: int) -> Turn:
        """Have calls made by the bare limit; see `tests.bench.bare_calls`."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.bare_calls", kind),
            *(str(self.config / "targets.yaml"), target, *map(str, counts)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            env={
                "NPS_SECRET_SHOP": self.stage.system.shop_secret,
                "NPS_BENCH_DATABASE": self.stage.system.database.replace("+asyncpg", ""),
            },
        )
        told, _ = await child.communicate()
        if child.returncode:
            raise RuntimeError(f"the bare limit ended with {child.returncode}")
        found = json.loads(told)
        return Turn(
            what=f"bare: {kind}",
            per_s=found["made"] / found["seconds"],
            cpu_us=found["cpu_s"] / found["made"] * 1e6,
            machine_us=found["machine_s"] / found["made"] * 1e6,
            mb=found["mb"],
        )


@asynccontextmanager
async def open_bench(
    stage: Stage, make_targets: MakeTargets, to: Sequence[str]
) -> AsyncIterator[Bench]:
    """Make ready: a sink that runs, a dispatcher that knows it, and a play for each of `to`."""
    async with open_sink(stage) as sink:

        def targets(known: dict[str, Any]) -> None:
            known["targets"] = make_targets(sink.url)

        def playbook(known: dict[str, Any]) -> None:
            # The brake is there for plays that run wild, which ours do; staleness for a segmenter.
            del known["surge"]
            known |= {"max_staleness": "24 h", "plays": [_play(name) for name in to]}
            known |= {"coupon_pools": {}, "review_sites": {}}

        config = write_config(stage.folder / "of-the-bench", targets=targets, playbook=playbook)
        system = stage.system
        engine = create_async_engine(system.database, poolclass=NullPool)
        publisher = KafkaPublisher(
            KafkaConnection(system.kafka, "bench"), prefix=system.prefix, topics=declared()
        )
        process = system.process("services.dispatcher", config=config)
        try:
            yield Bench(stage, process, sink, publisher, config, engine)
        finally:
            await publisher.close()
            await engine.dispose()
