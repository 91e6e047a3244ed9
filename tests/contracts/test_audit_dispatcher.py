"""Each thing that a person can do to deliveries and targets is one row, in her token's name."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from services.dispatcher.brakes.brakes import add_targets
from services.dispatcher.calls.calls import Idempotency, Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.operate.settle import settle
from tests.builders.auditing import kept, pen, told
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import decision
from tests.builders.dispatcher_api import OPS, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules

INVITE = play("thanks", "promoter", "invite")
SANDBOX = TargetRules("sandbox", 8, ("nps_segment",), (), None, True)
BOOK = rules(INVITE, targets=[SANDBOX], coupon_pools={"spring": {"most": 9, "period": "30 d"}})
WHY = {"reason": "asked for by Anna Petit, anna@example.com"}
CHOSEN = {"target": "sandbox"}


async def post(caller: httpx.AsyncClient, path: str, **body: Any) -> None:
    answer = await caller.post(f"/v1/{path}", json=body, headers=OPS)
    assert answer.status_code == 200, answer.text


async def one_delivery(d: Dispatching, state: str) -> str:
    """A promoter whose invitation came to this state."""
    await d.tell(decision(uuid.UUID(int=7), segment="promoter"))
    if state != "planned":
        await d.run("sandbox")
    row = await d.row()
    assert row.state == state
    return str(row.id)


Does = Callable[[Dispatching, httpx.AsyncClient], Awaitable[tuple[str, dict[str, Any]]]]


async def pauses(_: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    await post(caller, "targets/sandbox/pause", **WHY)
    return "sandbox", {}


async def resumes(_: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    await post(caller, "targets/sandbox/resume", **WHY)
    return "sandbox", {}


async def drains(_: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    await post(caller, "targets/sandbox/drain", rate="5/s", **WHY)
    return "sandbox", {"rate": "5/s"}


async def imports(_: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    await post(caller, "coupons/spring", codes=["A-1", "A-2", "A-2"])
    return "spring", {"added": 2, "known": 0}


def changed(delivery: str, before: str, after: str, **chosen: str) -> dict[str, Any]:
    return {
        "from_states": [before],
        "became": {after: 1},
        "chosen_by": sorted([*chosen, "reason_contains"]) if before == "rejected" else ["target"],
        "chosen": chosen,
        "deliveries": [delivery],
    }


async def redrives(d: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    delivery = await one_delivery(d, "rejected")
    wish = {**CHOSEN, "state": ["rejected"], "reason_contains": "anna@"}
    await post(caller, "deliveries/redrive", **wish, dry_run=True)
    await post(caller, "deliveries/redrive", **wish)
    return "1 deliveries", changed(delivery, "rejected", "planned", **CHOSEN)


async def releases(d: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    delivery = await one_delivery(d, "parked")
    await post(caller, "deliveries/release", **CHOSEN)
    return "1 deliveries", changed(delivery, "parked", "planned", **CHOSEN)


async def cancels(d: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    delivery = await one_delivery(d, "planned")
    await post(caller, "deliveries/cancel", **CHOSEN, state=["planned"], **WHY)
    return "1 deliveries", changed(delivery, "planned", "superseded", **CHOSEN)


async def settles(d: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    delivery = await one_delivery(d, "in_doubt")
    await post(caller, f"deliveries/{delivery}/settle", outcome="sent")
    return delivery, {"outcome": "sent"}


async def pushes(d: Dispatching, caller: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    await d.tell(decision(uuid.UUID(int=7), segment="promoter"))
    await d.run("sandbox")
    await post(caller, "targets/sandbox/redrive-profiles", **WHY)
    she = str(uuid.UUID(int=7))
    return "sandbox", {"from_states": ["parked", "rejected"], "customers": [she]}


UNKEYED = Idempotency("none")
DOUBT = Verdict("in_doubt", "no answer")
NO = Verdict("reject", "no field for anna@example.com")


@pytest.mark.parametrize(
    ("does", "action", "answers"),
    [
        pytest.param(pauses, "target.paused", None, id="pause"),
        pytest.param(resumes, "target.resumed", None, id="resume"),
        pytest.param(drains, "target.drained", None, id="drain"),
        pytest.param(imports, "coupons.imported", None, id="coupons"),
        pytest.param(redrives, "deliveries.redriven", {"on_act": NO}, id="redrive"),
        pytest.param(
            releases, "deliveries.released", {"on_act": Verdict("park", "two")}, id="release"
        ),
        pytest.param(cancels, "deliveries.cancelled", None, id="cancel"),
        pytest.param(settles, "delivery.settled", {"on_act": DOUBT}, id="settle"),
        pytest.param(pushes, "profiles.redriven", {"on_push": NO}, id="profiles"),
    ],
)
async def test_what_a_person_did_is_a_row_with_her_tokens_name(
    database: str, does: Does, action: str, answers: dict[str, Verdict] | None
) -> None:
    """What it was done to is in it; why, and by which words it was chosen, is not: texts name."""
    scripts = {name: lambda _, v=verdict: v for name, verdict in (answers or {}).items()}
    # A platform that knows no key: what was not answered stays in doubt.
    carrier = ScriptedCarrier(action_idempotency=UNKEYED, **scripts)  # type: ignore[arg-type]
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await add_targets(d.engine, ["sandbox"])
        subject, detail = await does(d, caller)
        rows = await kept(d.engine, "dispatcher")
    assert told(rows) == [("ops", action, subject, detail)]
    assert "anna" not in repr(rows).lower()


async def test_a_word_that_changes_nothing_is_no_row(database: str) -> None:
    """What is not in doubt cannot be settled, and nothing was chosen."""
    async with dispatching(database, BOOK) as d, client(d) as caller:
        delivery = await one_delivery(d, "planned")
        await post(caller, "deliveries/redrive", **CHOSEN, state=["rejected"])
        await settle(d.engine, uuid.UUID(delivery), "sent", pen("dispatcher", d.now))
        assert await kept(d.engine, "dispatcher") == []
