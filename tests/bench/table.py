"""The figures for people and for machines: a Rich table, and JSON with every round in it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from tests.bench.measure import Row, middle


def middles(rows: Sequence[Row]) -> list[Row]:
    """Put the rounds of each thing together, in the order of their first appearance."""
    rounds: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        rounds.setdefault((row.group, row.what), []).append(row)
    return [middle(same) for same in rounds.values()]


def shares(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """Put each thing beside every bare limit of its group, as ratios of rate and of CPU."""
    return {
        (row.group, row.what): {
            limit.what: {"rate": row.per_s / limit.per_s, "cpu": row.cpu_us / limit.cpu_us}
            for limit in rows
            if limit.bare and not row.bare and limit.group == row.group and limit.answered
        }
        for row in rows
    }


def table(title: str, rows: Sequence[Row]) -> Table:
    """Draw the medians; the last columns are ratios to each bare limit, in their order."""
    drawn = Table(title=title, caption="medians of the rounds; CPU and memory of what is named")
    drawn.add_column("processes /\nconnections")
    drawn.add_column("what")
    for name in (
        "answers/s",
        "p50 ms",
        "p99 ms",
        "CPU µs\neach",
        "MB",
        "failed",
        "cores of\nothers",
    ):
        drawn.add_column(name, justify="right")
    drawn.add_column("rate to\nthe bare")
    drawn.add_column("CPU to\nthe bare")
    found = middles(rows)
    ratios = shares(found)
    for place, row in enumerate(found):
        if place and row.group != found[place - 1].group:
            drawn.add_section()
        beside = ratios[row.group, row.what].values()
        drawn.add_row(
            row.group,
            row.what,
            f"{row.per_s:,.0f}",
            f"{row.p50_ms:.1f}",
            f"{row.p99_ms:.1f}",
            f"{row.cpu_us:.0f}",
            f"{row.rss_mb:.0f}",
            f"{row.failed}",
            f"{row.others:.2f}",
            ", ".join(f"{ratio['rate']:.2f}" for ratio in beside),
            ", ".join(f"{ratio['cpu']:.1f}" for ratio in beside),
            style=None if row.bare else "bold",
        )
    return drawn


def as_json(machine: Mapping[str, Any], found: Mapping[str, Sequence[Row]]) -> str:
    """Write everything: the machine, the medians with their shares, and every round."""
    scenarios = {}
    for name, rows in found.items():
        together = middles(rows)
        ratios = shares(together)
        scenarios[name] = {
            "medians": [
                {**asdict(row), "of_the_bare_limits": ratios[row.group, row.what]}
                for row in together
            ],
            "rounds": [asdict(row) for row in rows],
        }
    return json.dumps({"machine": machine, "scenarios": scenarios}, indent=2, ensure_ascii=False)
