"""The Grafana dashboards: made from their tables, readable, and of metrics that we have."""

import importlib.util
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from services.metrics_page import Metric, gather
from shared.process import read_settings
from tests.builders import promql

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = ROOT / "deploy" / "observability"
NAMES: Final = ("operators", "nps-loop")


def made(name: str) -> dict[str, Any]:
    """Read a dashboard as Grafana will."""
    text = (FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def queries(name: str) -> Iterator[tuple[str, str]]:
    """Give title and expression of each query."""
    for panel in made(name)["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.fixture(scope="module")
async def metrics() -> list[Metric]:
    """Every metric of the shipped configuration."""
    return await gather(read_settings(config=ROOT / "deploy" / "config"))


def test_the_dashboards_are_made_of_their_tables() -> None:
    """Run `python deploy/observability/dashboards.py` after a change of a table."""
    spec = importlib.util.spec_from_file_location("dashboards", FOLDER / "dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)

    assert {path.stem for path in (FOLDER / "dashboards").iterdir()} == set(NAMES)
    for name in NAMES:
        table = yaml.safe_load((FOLDER / "panels" / f"{name}.yaml").read_text(encoding="utf-8"))
        text = (FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8")
        assert text == writer.as_json(table)


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    """Grafana drops one of two panels with one id, and moves what lies on another."""
    panels = made(name)["panels"]
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(taken)) == len(taken)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_fits_any_grafana(name: str) -> None:
    """Which Prometheus is the reader's choice; each panel says what it tells; no address is in."""
    board = made(name)

    assert board["schemaVersion"] >= 36
    assert "datasource" in {one["name"] for one in board["templating"]["list"]}
    for panel in board["panels"]:
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all(one["datasource"]["uid"] == "${datasource}" for one in panel["targets"])
    assert not re.search(r"https?://|localhost|\d+\.\d+\.\d+\.\d+", json.dumps(board))


def test_every_query_is_one_for_prometheus(promtool: Path, tmp_path: Path) -> None:
    """Promtool reads them as the expressions of rules."""
    rules = [
        {"record": "checked", "expr": expr.replace("$__rate_interval", "5m")}
        for name in NAMES
        for _, expr in queries(name)
    ]
    for at, rule in enumerate(rules):
        rule["labels"] = {"query": str(at)}  # type: ignore[assignment]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))

    done = subprocess.run(
        [promtool, "check", "rules", file], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_query_is_of_metrics_labels_and_values_that_we_have(
    name: str, metrics: list[Metric]
) -> None:
    """A panel over a name that is gone would be empty for ever."""
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    kept = {rule.get("record") for group in rules for rule in group["rules"]}
    asked = list(queries(name))
    asked += [(one["name"], one["query"]["query"]) for one in made(name)["templating"]["list"][1:]]

    wrong = {title: found for title, expr in asked if (found := promql.mistakes(expr, metrics))}

    assert wrong == {}
    assert {each for _, expr in asked for each in promql.recorded(expr)} <= kept
