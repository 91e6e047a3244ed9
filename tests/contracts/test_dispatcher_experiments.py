"""Hold-outs and variants on a real PostgreSQL: who is drawn stays, and what followed is counted."""

import uuid
from typing import Any

import pytest

from services.dispatcher.plan.experiments import arm_of
from services.dispatcher.playbook.offers import Experiment
from shared.events.decisions import CustomerDecided, Snapshot
from tests.builders.decisions import NOW, decision, erased, later, merged
from tests.builders.dispatcher_api import OPS, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules

HALF = {"hold_out": 0.5}


def measured_play(**experiment: Any) -> dict[str, Any]:
    return {**play("thanks", "promoter", "invite"), "experiment": experiment or HALF}


def drawn(arm: str, start: int = 1, experiment: dict[str, Any] | None = None) -> uuid.UUID:
    """Find somebody whom the hash puts into an arm."""
    known = Experiment.model_validate(experiment or HALF)
    numbers = (uuid.UUID(int=number) for number in range(start, start + 1000))
    return next(one for one in numbers if arm_of(known, "thanks", one) == arm)


def answer(customer: uuid.UUID, number: int, score: int = 10, **more: Any) -> CustomerDecided:
    seen = Snapshot(
        score=score,
        segment="promoter" if score > 8 else "detractor",
        last_answered_at=later(days=30 * number),
        lifecycle=more.pop("lifecycle", None),
    )
    at = later(days=30 * number)
    return decision(customer, version=number, response=f"r{number}", snapshot=seen, at=at, **more)


async def effect(d: Dispatching, **query: Any) -> Any:
    async with client(d) as caller:
        return (await caller.get("/v1/plays/thanks/effect", headers=OPS, params=query)).json()


async def test_the_hold_out_goes_without_and_takes_no_slot(database: str) -> None:
    """A row with its arm and reason; the treated one's row names hers, too."""
    async with dispatching(database, rules(measured_play())) as d:
        without, treated = drawn("hold-out"), drawn("own")
        await d.tell(answer(without, 1), answer(treated, 1))
        await d.run()
        held = await d.row(customer_id=without)
        sent = await d.row(customer_id=treated)
        assert (held.state, held.arm) == ("suppressed", "hold-out")
        assert held.reason.startswith("hold-out: ")
        assert (sent.state, sent.arm) == ("accepted", "own")
        assert len(d.carriers["sandbox"].actions) == 1


async def test_an_arm_has_its_own_templates(database: str) -> None:
    """The share that gets the other text gets it; its row says which."""
    experiment = {"arms": {"short": {"share": 0.5, "variants": {"default": "SHORT_T"}}}}
    async with dispatching(database, rules(measured_play(**experiment))) as d:
        await d.tell(answer(drawn("short", experiment=experiment), 1))
        row = await d.row()
        assert (row.arm, row.template, row.state) == ("short", "SHORT_T", "planned")


async def test_who_would_not_have_got_it_is_no_part(database: str) -> None:
    """Without a permit neither arm means anything; a test respondent measures nothing."""
    async with dispatching(database, rules(measured_play())) as d:
        await d.tell(answer(drawn("hold-out"), 1, permits=()))
        await d.tell(answer(drawn("hold-out", 500), 1, test=True))
        rows = await d.rows()
        assert [row.arm for row in rows] == [None, None]
        assert await d.scalars("SELECT count(*) FROM draws") == [0]


@pytest.mark.parametrize("changed", [{"hold_out": 0.01}, {"hold_out": 0.99}])
async def test_an_arm_is_kept_when_the_share_changes(
    database: str, changed: dict[str, float]
) -> None:
    """Whoever was drawn stays: half an experience of each arm would measure neither."""
    people = [drawn("hold-out"), drawn("own")]
    async with dispatching(database, rules(measured_play())) as d:
        await d.tell(*(answer(one, 1) for one in people))
    async with dispatching(database, rules(measured_play(**changed))) as d:
        d.now = later(days=60)
        await d.tell(*(answer(one, 2) for one in people))
        arms = [[row.arm for row in await d.rows(customer_id=one)] for one in people]
        assert arms == [["hold-out"] * 2, ["own"] * 2]


async def test_a_merge_moves_nobody(database: str) -> None:
    """Of two who are one, the arm that was drawn first stays, whoever survives."""
    first, survivor = drawn("hold-out"), drawn("own")
    async with dispatching(database, rules(measured_play())) as d:
        await d.tell(answer(first, 1))
        d.now = later(days=1)
        await d.tell(answer(survivor, 1))
        await d.tell(merged(first, survivor, at=later(days=2)))
        d.now = later(days=60)
        await d.tell(answer(survivor, 2))
        last = (await d.rows(customer_id=survivor))[-1]
        assert (last.arm, last.state) == ("hold-out", "suppressed")
        told = await effect(d)
        assert [(arm["arm"], arm["customers"]) for arm in told["arms"]] == [("hold-out", 1)]


async def test_what_followed_is_counted_once_each(database: str) -> None:
    """The next answer with its correction, and churn; the third answer is no next one."""
    treated, without = drawn("own"), drawn("hold-out")
    async with dispatching(database, rules(measured_play())) as d:
        await d.tell(answer(treated, 1), answer(without, 1))
        d.now = later(days=60)
        await d.tell(answer(treated, 2, 3), answer(without, 2, 4, lifecycle="churned"))
        corrected = answer(treated, 3, 9)
        cause = answer(treated, 2).cause
        seen = corrected.snapshot.model_copy(update={"last_answered_at": later(days=60)})
        await d.tell(corrected.model_copy(update={"cause": cause, "snapshot": seen}))
        d.now = later(days=120)
        await d.tell(answer(treated, 4, 0))
        told = await effect(d)
        found = {
            arm["arm"]: (arm["answered"], arm["next_score"]["value"], arm["churned"])
            for arm in told["arms"]
        }
        assert found == {"own": (1, 9.0, 0), "hold-out": (1, 4.0, 1)}
        (against,) = told["against_hold_out"]
        assert (against["next_score"]["value"], against["next_score"]["too_few"]) == (5.0, True)
        assert (await effect(d, since=NOW.isoformat(), days=121))["arms"] == []


async def test_an_earlier_answer_heard_later_is_the_next_one(database: str) -> None:
    """In whatever order decisions are told, the first answer after the message counts."""
    customer = drawn("own")
    async with dispatching(database, rules(measured_play())) as d:
        await d.tell(answer(customer, 1))
        d.now = later(days=120)
        await d.tell(answer(customer, 4, 9), answer(customer, 2, 2))
        assert await d.scalars("SELECT next_score FROM draws ORDER BY at LIMIT 1") == [2]


async def test_the_forgotten_measure_nothing(database: str) -> None:
    """Her scores go with her."""
    customer = drawn("own")
    async with dispatching(database, rules(measured_play())) as d:
        await d.tell(answer(customer, 1))
        await d.tell(erased(customer))
        assert await d.scalars("SELECT count(*) FROM draws") == [0]
        assert await d.scalars("SELECT arm FROM deliveries") == [None]


async def test_a_play_without_experiment_has_no_effect_to_show(database: str) -> None:
    """Told plainly, rather than by empty numbers."""
    async with dispatching(database) as d, client(d) as caller:
        answered = await caller.get("/v1/plays/thanks/effect", headers=OPS)
        assert (answered.status_code, answered.json()["type"].rpartition(":")[2]) == (
            404,
            "no-experiment",
        )
        assert (await caller.get("/v1/plays/thanks/effect")).status_code == 401
