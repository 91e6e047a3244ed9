"""The whole journey, webhook → sink: how long after a survey tool posted is the profile pushed.

In: responses a second, and for how long. Out: delays from when a webhook was due to when the sink
has the profile of that customer, through ingest, segmenter and dispatcher as they are deployed,
with the shipped policy and playbook. Every response is another customer's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.load import Order
from tests.bench.machine import busy_s, use_of
from tests.bench.measure import loading
from tests.bench.sinks import Sink, open_sink
from tests.bench.stage import Stage
from tests.builders.processes import Process
from tests.builders.system import alerts_to_the_desk, to_the_sink, write_config

ABOUT = "signed webhook → three services → the profile at a sink that answers at once"
_PATHS: Final = ("/after/0/api/main/profiles", "/after/0/api/main/profiles/batch")
#: Whoever is not there so long after the last webhook, is counted as missing.
_PATIENCE_S: Final = 60.0
_CONNECTIONS: Final = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """Responses a second of each turn, its seconds, and how often all rates take turns."""

    rates: tuple[float, ...]
    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Delays:
    """One turn. CPU is per response: of each service, and of the whole machine."""

    rate: float
    responses: int
    missing: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    most_ms: float
    answer_p99_ms: float
    ingest_us: float
    segmenter_us: float
    dispatcher_us: float
    machine_us: float


@dataclass(frozen=True, slots=True)
class Journey:
    """Every turn, in the order in which they were played."""

    turns: Sequence[Delays]
    wanted: str = "at 500 responses/s: p50 < 50 ms, p99 < 250 ms"


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Journey:
    """Play it."""
    system = stage.system
    turns: list[Delays] = []
    async with open_sink(stage) as sink:

        def targets(known: dict[str, Any]) -> None:
            to_the_sink(known)
            for target in known["targets"].values():
                if target.get("vars", {}).get("url") == "env:NPS_SANDBOX_URL":
                    target["vars"]["url"] = f"{sink.url}/after/0"

        config = write_config(
            stage.folder / "to-the-sink", targets=targets, playbook=alerts_to_the_desk
        )
        dispatcher = system.process("services.dispatcher", config=config)
        services = {
            "ingest": system.ingest,
            "segmenter": system.segmenter,
            "dispatcher": dispatcher,
        }
        async with stage.running(list(services.values())):
            first = 0
            for number in range(-1, plan.rounds):
                for rate in plan.rates:
                    # Before the first round, what is made at first use is made.
                    seconds = plan.seconds if number >= 0 else 2.0
                    found = await _delays(stage, sink, services, rate, seconds, first)
                    first += found.responses
                    if number < 0:
                        continue
                    tell(f"{rate:g}/s: p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms")
                    turns.append(found)
    return Journey(turns)


async def _delays(
    stage: Stage,
    sink: Sink,
    services: Mapping[str, Process],
    rate: float,
    seconds: float,
    first: int,
) -> Delays:
    count = int(rate * seconds) + 1
    await sink.forget()
    order = Order(
        ports=[services["ingest"].port],
        connections=_CONNECTIONS,
        rate=rate,
        secret=stage.system.shop_secret,
        first=first,
        distinct=count,
    )
    async with loading(order) as load:
        cpu, busy = _cpu(services), busy_s()
        told = await load.run(seconds)
    due = {f"client.{first + n:08d}@example.com": told.began + n / rate for n in range(told.sent)}
    came = await sink.waited_for(due, _PATHS, _PATIENCE_S)
    used = {name: (after - cpu[name]) / told.sent * 1e6 for name, after in _cpu(services).items()}
    delays = sorted(came[who] - at for who, at in due.items() if who in came)

    def part(share: float) -> float:
        return delays[min(len(delays) - 1, int(share * len(delays)))] * 1e3

    return Delays(
        rate=rate,
        responses=told.sent,
        missing=told.sent - len(delays),
        p50_ms=part(0.5),
        p90_ms=part(0.9),
        p99_ms=part(0.99),
        most_ms=part(1),
        answer_p99_ms=told.p99_ms,
        ingest_us=used["ingest"],
        segmenter_us=used["segmenter"],
        dispatcher_us=used["dispatcher"],
        machine_us=(busy_s() - busy) / told.sent * 1e6,
    )


def _cpu(services: Mapping[str, Process]) -> dict[str, float]:
    return {name: use_of(process.child.pid).cpu_s for name, process in services.items()}
