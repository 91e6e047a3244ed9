"""docs/metrics.md tells every metric, and every metric is one that something sets.

After a change of a meter, `NPS_WRITE_GOLDEN=1` writes the page anew.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.metrics_page import GAUGES, Metric, gather, page
from shared.process import read_settings

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "metrics.md"
METERS = ("Counter", "Gauge", "Histogram", "Tally", "Spread")


@pytest.fixture(scope="module")
async def metrics() -> list[Metric]:
    """Every metric of the shipped configuration."""
    return await gather(read_settings(config=ROOT / "deploy" / "config"))


async def test_the_page_is_what_the_meters_say() -> None:
    """Who writes an alert reads the page, and trusts it."""
    made = await page(read_settings(config=ROOT / "deploy" / "config"))
    if os.environ.get("NPS_WRITE_GOLDEN"):
        PAGE.write_text(made, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == made


def test_each_gauge_says_how_replicas_become_one(metrics: list[Metric]) -> None:
    """Neither one without it, nor words about one that is gone."""
    assert {one.name for one in metrics if one.kind == "gauge"} == set(GAUGES)


def test_names_follow_the_conventions_of_prometheus(metrics: list[Metric]) -> None:
    """One prefix, snake case, base units at the end, `_total` at counters alone."""
    wrong = [
        one.name
        for one in metrics
        if not re.fullmatch(r"nps_[a-z]+(_[a-z]+)+", one.name)
        or one.name.endswith("_total") != (one.kind == "counter")
        or re.search(
            r"_(ms|milliseconds|minutes|hours|days|kb|mb|percent|count|sum)(_|$)", one.name
        )
    ]

    assert wrong == []


def test_every_label_is_of_a_closed_vocabulary(metrics: list[Metric]) -> None:
    """The page says the values of each, and none is of a person."""
    told = {label: one.values(label) for one in metrics for label in one.labels}

    assert all(told.values())
    personal = {"customer", "customer_id", "email", "phone", "name", "identifier", "response_id"}
    assert not personal & told.keys()


def test_every_meter_is_set_by_something() -> None:
    """A metric that never moves looks like a calm that is none."""
    made, used = set(), set()
    for path in [*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        definitions = list(_made(tree))
        made |= {(path, name) for name, _ in definitions}
        own = {id(target) for _, target in definitions}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and id(node) not in own:
                used.add((path, node.attr) if node.attr.startswith("_") else (None, node.attr))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used.add((path, node.id))

    unset = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in sorted(made)
        if (path, name) not in used and (None, name) not in used
    ]
    assert len(made) > 60
    assert unset == []


def _made(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the name of each meter that a module makes, and the node that names it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        call = node.value
        is_meter = isinstance(call.func, ast.Name) and call.func.id in METERS
        first = call.args[0] if call.args else None
        if not is_meter or not isinstance(first, ast.Constant):
            continue
        if str(first.value).startswith("nps_"):
            (target,) = node.targets
            yield target.attr if isinstance(target, ast.Attribute) else ast.unparse(target), target
