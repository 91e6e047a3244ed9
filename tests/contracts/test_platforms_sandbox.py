"""The shipped targets against the real sandbox: its switches, seen from the dispatcher's side."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.dispatcher.calls.calls import ActionCall
from services.dispatcher.targets.targets import Targets, open_targets
from shared.settings import Secrets
from shared.times import utc_now
from tests.builders import platforms
from tests.builders.platforms import SHIPPED
from tests.builders.processes import Process

BUDGET = timedelta(seconds=2)


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """Run the sandbox on a port of its own."""
    log = tmp_path_factory.mktemp("sandbox") / "log"
    process = Process("services.sandbox", {}, log)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def targets(sandbox: Process) -> AsyncIterator[Targets]:
    """Open the shipped targets on it, with nothing received and no switch turned."""
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox/api") as client:
        (await client.delete("/received")).raise_for_status()
    await turn(sandbox, mode="ok")
    secrets = Secrets({"NPS_SANDBOX_URL": f"{sandbox.url}/sandbox"})
    opened = await open_targets(SHIPPED, secrets, clock=utc_now)
    yield opened
    await opened.close()


async def turn(sandbox: Process, **switch: Any) -> None:
    """Turn a switch of the sandbox."""
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox/api") as client:
        (await client.put("/switches", json=switch)).raise_for_status()


async def received(sandbox: Process, account: str) -> list[dict[str, Any]]:
    """Return what an account received, newest first."""
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox/api") as client:
        answer = await client.get("/received", params={"account": account})
    entries: list[dict[str, Any]] = answer.raise_for_status().json()["entries"]
    return entries


def action() -> ActionCall:
    """Make an action with an id of its own."""
    return replace(platforms.ACTION, delivery_id=uuid4(), deadline=utc_now() + timedelta(hours=1))


async def test_it_takes_profiles_together_and_names_the_one_it_cannot_read(
    sandbox: Process, targets: Targets
) -> None:
    """Each is shown, with how many came by one request; a switch holds for all of them."""
    asked = [
        replace(platforms.PUSH, customer_id=uuid4(), identifiers=platforms.person(email=email))
        for email in ("a@example.com", f"{'x' * 400}@example.com", "b@example.com")
    ]
    lane = targets["sandbox"].carrier
    verdicts = await lane.push_profiles(asked, budget=BUDGET, now=utc_now())
    assert [verdict.outcome for verdict in verdicts] == ["ok", "reject", "ok"]
    shown = [(e["call"]["email"], e["batch"]) for e in await received(sandbox, "main")]
    assert shown == [("b@example.com", 2), ("a@example.com", 2)]
    await turn(sandbox, mode="429", next=1)
    verdicts = await lane.push_profiles(asked, budget=BUDGET, now=utc_now())
    assert [verdict.outcome for verdict in verdicts] == ["throttle"] * 3


async def test_it_shows_what_was_pushed_and_done(sandbox: Process, targets: Targets) -> None:
    """Attributes, context and key arrive under the names the page shows."""
    call = action()
    lane = targets["sandbox"].carrier
    pushed = await lane.push_profile(platforms.PUSH, budget=BUDGET, now=utc_now())
    done = await lane.act(call, budget=BUDGET, now=utc_now())
    assert (pushed.outcome, done.outcome) == ("ok", "accepted")
    act, push = await received(sandbox, "main")
    assert push["call"]["attributes"]["nps_segment"] == "detractor"
    assert "not_listed" not in push["call"]["attributes"]
    assert act["key"] == str(call.delivery_id)
    assert act["call"]["context"] == {
        "score": 3,
        "theme": "price",
        "first_name": "Jane",
        "signed_by": "Zoé Martin",
    }


async def test_it_forgets_whom_it_is_asked_to_forget(sandbox: Process, targets: Targets) -> None:
    """What was received about her is empty then; asked again it is as done as before."""
    lane = targets["sandbox"].carrier
    await lane.push_profile(platforms.PUSH, budget=BUDGET, now=utc_now())
    await lane.act(action(), budget=BUDGET, now=utc_now())
    for _ in range(2):
        verdict = await lane.erase(platforms.DELETION, budget=BUDGET, now=utc_now())
        assert verdict.outcome == "ok"
    _, asked, act, push = await received(sandbox, "main")
    assert (act["call"], push["call"]) == ({}, {})
    assert "jane" not in str(asked)


async def test_a_repeat_under_the_same_key_does_nothing(sandbox: Process, targets: Targets) -> None:
    """Both calls are accepted, one took effect; both tell the number of what that one made."""
    call, numbers = action(), set[str | None]()
    for _ in range(2):
        verdict = await targets["sandbox"].carrier.act(call, budget=BUDGET, now=utc_now())
        assert verdict.outcome == "accepted"
        numbers.add(verdict.reference)
    assert len(numbers - {None}) == 1
    second, first = await received(sandbox, "main")
    assert (first["effect"], second["effect"], second["repeat"]) == (True, False, True)


@pytest.mark.parametrize(
    ("mode", "keyed", "unkeyed"),
    [
        # A keyed action that broke once is repeated at once, and recognised.
        pytest.param("reset", "accepted", "in_doubt", id="reset"),
        pytest.param("503", "accepted", "retry", id="503"),
        pytest.param("429", "throttle", "throttle", id="429"),
    ],
)
async def test_a_switch_for_one_call_is_seen_as(
    sandbox: Process, targets: Targets, mode: str, keyed: str, unkeyed: str
) -> None:
    """With a key the lane goes on by itself; without, it does nothing twice."""
    outcomes = {}
    for name, account in (("sandbox", "main"), ("sandbox_unkeyed", "unkeyed")):
        await turn(sandbox, account=account, mode=mode, on="action", next=1, retry_after_s=7)
        lane = targets[name].carrier
        verdict = await lane.act(action(), budget=timedelta(seconds=20), now=utc_now())
        outcomes[name] = verdict.outcome
        if mode == "429":
            assert verdict.wait == timedelta(seconds=7)
        effects = [entry for entry in await received(sandbox, account) if entry["effect"]]
        assert len(effects) == (verdict.outcome in ("accepted", "in_doubt"))
    assert outcomes == {"sandbox": keyed, "sandbox_unkeyed": unkeyed}


async def test_a_hang_leaves_doubt(sandbox: Process, targets: Targets) -> None:
    """The sandbox has done it and says nothing; the budget ends the call."""
    lane = targets["sandbox_unkeyed"].carrier
    # The connection is there before: on a busy machine making one may take the whole budget.
    assert (await lane.act(action(), budget=BUDGET, now=utc_now())).outcome == "accepted"
    await turn(sandbox, mode="hang", on="action")
    verdict = await lane.act(action(), budget=timedelta(seconds=1), now=utc_now())
    assert (verdict.outcome, verdict.reason) == (
        "in_doubt",
        "sent, but not answered: no answer in time",
    )
    assert len(await received(sandbox, "unkeyed")) == 2
