"""kill -9 of the dispatcher around a call: with a key one effect, without one a doubt."""

import uuid
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.ingest.examples import Answer
from tests.builders.dispatching import play
from tests.builders.postgres import run_sql
from tests.builders.sink import Sink
from tests.builders.system import open_system
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize(
    ("when", "target", "state", "effects"),
    [
        pytest.param("claimed", "sandbox", "accepted", 1, id="keyed: between claim and send"),
        pytest.param("sent", "sandbox", "accepted", 1, id="keyed: between send and record"),
        pytest.param(
            "claimed", "sandbox_unkeyed", "in_doubt", 0, id="unkeyed: between claim and send"
        ),
        pytest.param(
            "sent", "sandbox_unkeyed", "in_doubt", 1, id="unkeyed: between send and record"
        ),
    ],
)
async def test_kill_9_around_a_call_sends_nothing_twice(
    tmp_path: Path, server: str, kafka: str, sink: Sink, when: str, target: str, state: str,
    effects: int,
) -> None:  # fmt: skip
    """What nobody can know is in doubt: told, an alert, its slot kept, never repeated."""
    sorry = play(
        "sorry", "detractor", "reassurance", target=target,
        **{"class": "service", "legal_basis": "contract"},
    )  # fmt: skip

    def only_this(playbook: dict[str, Any]) -> None:
        playbook["plays"] = [sorry]

    def one_an_hour(policy: dict[str, Any]) -> None:
        burst = next(one for one in policy["budgets"] if one["name"] == "burst")
        burst["limit"] = 1

    async with open_system(
        tmp_path, server, kafka, sink, playbook=only_this, policy=one_an_hour
    ) as system:
        crashing = system.process(
            "tests.faults.crashing", "dispatcher", when, target, service="dispatcher"
        )
        for process in (system.ingest, system.segmenter, crashing):
            process.spawn()
        for process in (system.ingest, system.segmenter):
            await process.ready()
        email = f"{uuid.uuid4().hex}@example.com"
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=3, email=email))
        assert await crashing.ended(within=60) == -9
        # Its leases end as those of any lost worker do; nobody waits half a minute for it here.
        await run_sql(
            system.database, "UPDATE dispatcher.calls SET lease_until = now() - interval '1 s'"
        )
        await system.dispatcher.start()
        (delivery,) = await system.settled(email, 1)
        assert delivery["state"] == state
        assert sink.effects[delivery["id"]] == effects
        assert sink.calls[delivery["id"]] <= 2

        async def shown() -> bool:
            async with httpx.AsyncClient() as caller:
                metrics = (await caller.get(f"{system.dispatcher.url}/metrics")).text
            doubts = int(state == "in_doubt")
            line = f'nps_dispatcher_attention{{state="in_doubt",target="{target}"}} {doubts}.0'
            assert line in metrics
            return True

        await eventually(shown, what="the doubts as a metric")

        async def told() -> bool:
            (row,) = await system.rows(
                "SELECT count(*) AS n FROM segmenter.facts WHERE kind = 'delivery.settled'"
                " AND body->>'state' = :state",
                state=state,
            )
            return bool(row.n == 1)

        await eventually(told, what="the outcome at the segmenter")
        lines = [orjson.loads(line) for line in system.logs().splitlines() if "{" in line]
        alerts = [line for line in lines if line.get("event") == "dispatcher.in_doubt"]
        known = [(line["level"], line["delivery_id"], line["target"]) for line in alerts]
        assert known == [("warning", delivery["id"], target)] * (state == "in_doubt")

        # She answers again within the hour: what she had, or may have had, has the only slot.
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=2, email=email))

        async def refused() -> bool:
            second = [d for d in await system.deliveries(email) if d["id"] != delivery["id"]]
            assert [(d["state"], d["reason"].partition(";")[0]) for d in second] == [
                ("waiting", "budget burst: 1 of 1 in 1 h")
            ]
            return True

        await eventually(refused, what="the second apology, waiting for a slot")
        assert sink.effects.total() == effects
