"""The harness runs, end to end and very shortly; what it measures is nobody's test."""

import json
from pathlib import Path

import pytest

from tests.bench import table
from tests.bench.measure import Row
from tests.bench.scenarios import (
    beside,
    deliveries,
    eligibility,
    figures,
    ingest,
    journey,
    ledger,
    slow,
    updates,
)
from tests.bench.stage import Plan, open_stage_on


@pytest.mark.kafka
async def test_every_figure_of_the_ingest_scenario_stands_beside_its_bare_limits(
    server: str, kafka: str, tmp_path: Path
) -> None:
    """All four kinds of server answer the load, and the written figures tell their ratios."""
    plan = Plan((2,), (1,), seconds=0.2, rounds=1, distinct=50)
    told: list[Row] = []

    async with open_stage_on(tmp_path / "system", server, kafka) as stage:
        rows = await ingest.rows(stage, plan, told.append)

    bare = [ingest.ANSWER, ingest.KAFKA, ingest.PROTOTYPE]
    assert [row.what for row in rows] == [*bare, ingest.INGEST]
    assert told == list(rows)
    assert all(row.answered > 0 and row.failed == 0 for row in rows), rows
    written = json.loads(table.as_json({"cores": 2}, {"ingest": rows}))
    (*_, ours) = written["scenarios"]["ingest"]["medians"]
    assert set(ours["of_the_bare_limits"]) == set(bare)


async def test_every_question_about_figures_stands_beside_a_bare_count(database: str) -> None:
    """Of a base written by SQL alone, which the sweep reads as it reads any other."""
    told: list[str] = []
    found = await figures.play(database, figures.Plan(1000, 1), told.append)

    assert (found.customers, told[-1]) == (600, "round 1 of 1")
    assert {one.question for one in found.asked} > {figures.BARE, "everything", "data quality"}
    assert all(one.seconds > 0 and one.to_the_bare > 0 for one in found.asked)


@pytest.mark.kafka
async def test_every_question_of_the_eligibility_scenario_is_answered(
    server: str, kafka: str, tmp_path: Path
) -> None:
    """One person and a thousand are asked about, and each delay stands beside the bare limit."""
    plan = eligibility.Plan(customers=20, questions=3, rounds=1, events_per_s=20)

    async with open_stage_on(tmp_path / "system", server, kafka) as stage:
        found = await eligibility.play(stage, plan, lambda _told: None)

    assert [(row.what, row.questions) for row in found.rounds] == [
        (eligibility.BARE, 3),
        ("1 person", 3),
        ("1,000 people", 1),
        ("1 person, 20 events/s", 3),
    ]
    assert all(0 < row.p50_ms <= row.p99_ms <= row.most_ms for row in found.rounds)


@pytest.mark.kafka
async def test_deliveries_stand_beside_the_same_calls_of_nobody(
    server: str, kafka: str, tmp_path: Path
) -> None:
    """All are planned and sent, together and apart, and both bare limits make the same calls."""
    async with open_stage_on(tmp_path / "system", server, kafka) as stage:
        found = await deliveries.play(stage, deliveries.Plan(20, 4, 1), lambda _told: None)

    assert [turn.what for turn in found.turns] == [
        *(deliveries.CALLS, deliveries.LEDGER, deliveries.OURS),
        *("planning", "sending"),
    ]
    assert all(turn.per_s > 0 for turn in found.turns)
    assert {(one.of, one.to) for one in found.ratios} == {
        (ours, bare)
        for ours in (deliveries.OURS, "sending")
        for bare in (deliveries.CALLS, deliveries.LEDGER)
    }


@pytest.mark.kafka
async def test_updates_go_in_batches_together_and_apart(
    server: str, kafka: str, tmp_path: Path
) -> None:
    """Ours and the bare limits push the same profiles through the batch endpoint."""
    async with open_stage_on(tmp_path / "system", server, kafka) as stage:
        found = await updates.play(stage, updates.Plan(40, 10, 2, 1), lambda _told: None)

    assert len(found.turns) == 5
    assert all(turn.per_s > 0 for turn in found.turns)


@pytest.mark.kafka
async def test_a_slow_sink_counts_its_calls_itself(server: str, kafka: str, tmp_path: Path) -> None:
    """Nobody gets more calls through than fit beside each other."""
    async with open_stage_on(tmp_path / "system", server, kafka) as stage:
        found = await slow.play(stage, slow.Plan(50, 4, 40, 1), lambda _told: None)

    assert [turn.what for turn in found.turns] == [slow.BARE, slow.OURS]
    assert all(0 < turn.share <= 1.1 for turn in found.turns), found.turns


@pytest.mark.kafka
async def test_a_good_target_is_measured_beside_each_kind_of_other(
    server: str, kafka: str, tmp_path: Path
) -> None:
    """Alone, and beside one that works, is slow, or is dead: every delivery comes."""
    async with open_stage_on(tmp_path / "system", server, kafka) as stage:
        found = await beside.play(stage, beside.Plan(20, 10, 0.5, 1), lambda _told: None)

    assert [turn.beside for turn in found.turns] == [beside.ALONE, *beside.OTHERS]
    assert all(turn.deliveries == 10 and turn.p99_ms > 0 for turn in found.turns)


@pytest.mark.kafka
async def test_the_journey_is_timed_from_webhook_to_sink(
    server: str, kafka: str, tmp_path: Path
) -> None:
    """Every response's profile comes to the sink, after it was due."""
    async with open_stage_on(tmp_path / "system", server, kafka) as stage:
        found = await journey.play(stage, journey.Plan((10.0,), 1.0, 1), lambda _told: None)

    (turn,) = found.turns
    assert (turn.responses, turn.missing) == (10, 0)
    assert 0 < turn.p50_ms <= turn.p99_ms <= turn.most_ms


async def test_claims_are_measured_on_both_sizes_of_the_ledger(database: str) -> None:
    """All that is claimed passes the gates and is recorded; the server tells what it touched."""
    found = await ledger.play(database, ledger.Plan(1_000, 2_000, 4, 2), lambda _told: None)

    assert [size.rows for size in found.sizes] == [1_000, 2_000]
    assert all(size.claim_p50_ms > 0 and size.statement_pages > 0 for size in found.sizes)
