"""A roll-out under load: every process is replaced, and nobody outside notices."""

import asyncio
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from services.ingest.examples import Answer, shop
from shared.shutdown import ENDING_S
from tests.builders.balancer import EVERY_S, Balancer, balancing
from tests.builders.processes import Process
from tests.builders.sink import Sink
from tests.builders.steady import Steady
from tests.builders.system import System, open_system
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
SERVICES = ("ingest", "segmenter", "dispatcher")
#: Many times what the balancer takes to notice: the machine is busy.
DRAIN_S = 20 * EVERY_S


@pytest.fixture
async def system(tmp_path: Path, server: str, kafka: str, sink: Sink) -> AsyncIterator[System]:
    """A prepared system whose processes let a balancer notice that they leave."""
    environ = {"NPS_DRAIN_S": str(DRAIN_S)}
    async with open_system(tmp_path, server, kafka, sink, environ=environ) as opened:
        yield opened


async def replaced(system: System, service: str, old: Process, balancer: Balancer) -> float:
    """Replace one replica as a roll-out does; returns how many seconds the old one took to end."""
    new = system.process(f"services.{service}")
    new.spawn()
    balancer.add(new.port)
    old.child.send_signal(signal.SIGTERM)
    began = time.monotonic()

    async def ended() -> float:
        code = await old.ended(within=DRAIN_S + ENDING_S)
        assert code == 0, old.log.read_text(errors="replace")[-4000:]
        return time.monotonic() - began

    seconds, _ = await asyncio.gather(ended(), new.ready())
    balancer.remove(old.port)
    return seconds


async def test_every_process_is_replaced_under_load_and_nothing_is_lost_doubled_or_refused(
    system: System, sink: Sink
) -> None:
    """Two replicas each; answers of passives with consent, each worth one discount."""
    replicas = {
        "ingest": [system.ingest, system.process("services.ingest")],
        "segmenter": [system.segmenter, system.process("services.segmenter")],
        "dispatcher": [system.dispatcher, system.process("services.dispatcher")],
    }
    # One of each and then the others: six at once would keep two cores busy for a minute.
    for started in zip(*replicas.values(), strict=True):
        for process in started:
            process.spawn()
        await asyncio.gather(*(process.ready() for process in started))

    def webhook(client: httpx.AsyncClient) -> httpx.Request:
        answer = Answer(
            response_id=uuid.uuid4().hex,
            score=8,
            email=f"{uuid.uuid4().hex}@example.com",
            hidden={"consent_email": "yes"},
        )
        signed = shop(answer, secret=system.shop_secret)
        return client.build_request(
            "POST", signed.path, headers=signed.headers, content=signed.body
        )

    token = {"Authorization": f"Bearer {system.token}"}

    def search(client: httpx.AsyncClient) -> httpx.Request:
        body = {"email": "nobody@example.com"}
        return client.build_request("POST", "/v1/customers/search", headers=token, json=body)

    def list_(client: httpx.AsyncClient) -> httpx.Request:
        return client.build_request("GET", "/v1/deliveries?limit=1", headers=token)

    async with AsyncExitStack() as stack:
        balancers = {
            service: await stack.enter_async_context(balancing(*(p.port for p in two)))
            for service, two in replicas.items()
        }
        answers = Steady(balancers["ingest"].url, webhook, per_s=25, wanted=202)
        looks = [
            Steady(balancers["segmenter"].url, search, per_s=5, wanted=200),
            Steady(balancers["dispatcher"].url, list_, per_s=5, wanted=200),
        ]
        stopping = asyncio.Event()
        running = asyncio.gather(*(load.run(stopping) for load in (answers, *looks)))
        try:
            took = [
                await replaced(system, service, old, balancers[service])
                for service in SERVICES
                for old in replicas[service]
            ]
        finally:
            stopping.set()
            await running
    accepted = answers.succeeded

    async def all_delivered() -> bool:
        assert len(sink.actions) >= accepted, f"{len(sink.actions)} of {accepted}"
        return True

    await eventually(all_delivered, within=60, what="every discount at the platform")
    (decided,) = await system.rows(
        "SELECT count(DISTINCT customer_id) AS n FROM segmenter.decisions WHERE version > 0"
    )
    heard = [answers, *looks]
    refused = sum((load.refused for load in heard), Counter[int]())

    assert decided.n == len(sink.actions) == accepted
    assert set(sink.effects.values()) == set(sink.calls.values()) == {1}
    assert [load.broken for load in heard] == [[], [], []]
    assert set(refused) <= {503}
    assert refused.total() <= sum(load.succeeded for load in heard) / 1000
    assert max(took) < DRAIN_S + ENDING_S
