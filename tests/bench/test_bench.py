"""The harness runs, end to end and very shortly; what it measures is nobody's test."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.bench import every, table
from tests.bench.bars import READERS
from tests.bench.measure import Row
from tests.bench.scenarios import (
    beside,
    deliveries,
    eligibility,
    figures,
    fold,
    ingest,
    journey,
    ledger,
    outage,
    slow,
    updates,
)
from tests.bench.stage import Plan, Servers, open_stage_on
from tests.bench.turns import Ratios, Turn


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


@pytest.mark.kafka
async def test_one_command_plays_several_and_one_that_fails_is_a_line(
    server: str, kafka: str, tmp_path: Path
) -> None:
    """Each with its sizes and its bars; what cannot be played says why, and stops no other."""
    servers = Servers(tmp_path, server, kafka, (), None)
    chosen = {
        "outage": outage.Plan(1, 10, 1),
        "ledger": ledger.Plan(1_000, 2_000, 4, 2),
        "slow": slow.Plan(50, 4, 40, 1),
    }
    found = {one.scenario: one for one in await every.played(servers, chosen, lambda _told: None)}

    assert found["outage"].failed == "RuntimeError: this needs a Kafka of its own"
    (claim,) = found["ledger"].bars
    assert claim.got == claim.to_the_bare
    (share,) = found["slow"].bars
    assert (share.wanted, share.reached) == ("≥ 0.95", share.got >= 0.95)
    assert found["slow"].sizes["calls"] == 40
    shown = Console(record=True, width=130, file=io.StringIO())
    shown.print(every.drawn(list(found.values())))
    text = shown.export_text()
    assert "slow delay ms 50, concurrency 4, calls 40, rounds 1" in text
    assert "not measured" in text


def test_every_scenario_that_has_bars_is_in_the_one_command() -> None:
    """A new scenario is played by it, or has no bars; whatever the scale, all sizes are usable."""
    files = {path.stem for path in (Path(__file__).parent / "scenarios").glob("*.py")}
    assert set(READERS) == set(every.plans(1.0)) == files - {"__init__"}
    for scale in (0.001, 0.02, 1.0, 3.0):
        small = every.plans(scale)
        assert small["ledger"].small < small["ledger"].large
        assert small["slow"].calls >= 2 * small["slow"].concurrency


def _turns(**per_s: float) -> list[Turn]:
    return [Turn(what, got, 1.0, 1.0, 1.0) for what, got in per_s.items()]


@pytest.mark.parametrize(
    ("scenario", "found", "bars"),
    [
        pytest.param(
            "fold",
            fold.Fold(_turns(segmenter=4100.0), 0.4, 2.5),
            [("≥ 4,000 /s", 4100.0, 0.4, True)],
            id="reached",
        ),
        pytest.param(
            "deliveries",
            deliveries.Deliveries(
                _turns(dispatcher=1499.0),
                [
                    Ratios("dispatcher", deliveries.CALLS, 0.2, 1.0),
                    Ratios("dispatcher", deliveries.LEDGER, 0.3, 1.0),
                ],
            ),
            [("≥ 1,500 /s", 1499.0, 0.3, False)],
            id="missed by one",
        ),
        pytest.param(
            "beside",
            beside.Beside([], 1.1, 1.3),
            [("≤ 1.2", 1.1, 1.1, True), ("≤ 1.2", 1.3, 1.3, False)],
            id="two bars",
        ),
        pytest.param(
            "eligibility",
            eligibility.Eligibility(
                [
                    eligibility.Delays(eligibility.BARE, 1, 1, 2.0, 3, 1),
                    eligibility.Delays("1 person", 1, 1, 12.0, 3, 1),
                    eligibility.Delays("1,000 people", 1, 1, 400.0, 3, 1),
                    eligibility.Delays("1 person, 100 events/s", 1, 1, 24.0, 3, 1),
                ]
            ),
            [("≤ 20 ms", 12.0, 6.0, True), ("≤ 20 ms", 24.0, 12.0, False)],
            id="the bare limit's p99",
        ),
        pytest.param(
            "figures",
            figures.Told(
                1,
                1,
                1,
                1,
                [
                    figures.Asked(figures.BARE, 0.1, 1.0),
                    figures.Asked("score", 0.2, 2.0),
                    figures.Asked("everything", 0.9, 9.0),
                    figures.Asked("all answers: everything", 4.0, 20.0),
                ],
            ),
            [("≤ 1 s", 0.9, 9.0, True)],
            id="the slowest usual question",
        ),
        pytest.param(
            "journey",
            journey.Journey([journey.Delays(500.0, 10, 1, 40, 1, 251, 1, 1, 1, 1, 1, 1)]),
            [
                ("≤ 50 ms", 40, None, True),
                ("≤ 250 ms", 251, None, False),
                ("≤ 0", 1, None, False),
            ],
            id="no bare limit",
        ),
    ],
)
def test_figures_are_read_against_their_bars(
    scenario: str, found: Any, bars: list[tuple[str, float, float | None, bool]]
) -> None:
    """Wanted, got, the ratio to the bare limit of the same run, reached or not."""
    read = [(one.wanted, one.got, one.to_the_bare, one.reached) for one in READERS[scenario](found)]
    assert read == bars
