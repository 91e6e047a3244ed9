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
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

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


def through_grafana(board: dict[str, Any]) -> dict[str, Any]:
    """Read a dashboard into Grafana's own types, and write them: what they do not know is gone."""
    register_default_plugins()
    written: dict[str, Any] = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    return written


@pytest.mark.parametrize("name", NAMES)
def test_grafana_s_own_types_know_all_that_a_dashboard_says(name: str) -> None:
    """Each key of each panel, its fields and queries; what is left out gets its default."""

    def assert_kept(said: Any, kept: Any, at: str) -> None:
        if isinstance(said, dict):
            assert said.keys() <= kept.keys(), f"{at}: {said.keys() - kept.keys()}"
            for key, value in said.items():
                assert_kept(value, kept[key], f"{at}.{key}")
        elif isinstance(said, list):
            assert len(said) == len(kept), at
            for number, (one, other) in enumerate(zip(said, kept, strict=True)):
                assert_kept(one, other, f"{at}[{number}]")
        else:
            assert said == kept, at

    assert_kept(made(name), through_grafana(made(name)), name)


@pytest.mark.parametrize("part", ["fieldConfig", "targets", "gridPos"])
def test_a_key_that_grafana_does_not_know_would_be_seen(part: str) -> None:
    """The types drop it."""
    board = made("operators")
    panel = next(one for one in board["panels"] if one["type"] == "timeseries")
    place = panel[part][0] if part == "targets" else panel[part]
    place["colour"] = "red"

    assert '"colour"' in json.dumps(board)
    assert '"colour"' not in json.dumps(through_grafana(board))


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
