"""The alert rules: sound for Prometheus, tried by promtool, and of metrics that we have."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from services.metrics_page import Metric, gather
from shared.process import read_settings
from tests.builders import promql

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = ROOT / "deploy" / "observability"
RULES: Final[list[dict[str, Any]]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS: Final = [rule for rule in RULES if "alert" in rule]
TESTS: Final = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text(encoding="utf-8"))["tests"]


def name_of(rule: Mapping[str, Any]) -> str:
    """Name a rule for pytest."""
    return str(rule.get("alert") or rule["record"])


@pytest.fixture(scope="module")
async def metrics() -> list[Metric]:
    """Every metric of the shipped configuration."""
    return await gather(read_settings(config=ROOT / "deploy" / "config"))


def test_prometheus_reads_the_rules(promtool: Path) -> None:
    """What promtool accepts a server loads."""
    done = subprocess.run(
        [promtool, "check", "rules", FOLDER / "alerts.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_stays_quiet_and_ends_as_its_tests_say(promtool: Path) -> None:
    """The tests beside the rules, played by promtool."""
    done = subprocess.run(
        [promtool, "test", "rules", "alerts_test.yaml"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS])
def test_each_alert_is_tried_quiet_firing_and_ended(alert: str) -> None:
    """In this order, so that an alert that always or never fires is found."""
    tried = [
        [bool(one["exp_samples"]) for one in test.get("promql_expr_test", ())]
        for test in TESTS
        if test["name"] == alert
    ]

    assert any(
        False in fired[:at] and False in fired[at + 1 :]
        for fired in tried
        for at, one in enumerate(fired)
        if one
    )


def test_names_are_unique() -> None:
    """A runbook and an inhibition go by the name alone."""
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_each_alert_says_how_bad_it_is_and_what_to_do_first(rule: Mapping[str, Any]) -> None:
    """Whoever is woken reads the summary, the first step, and where the rest stands."""
    told = rule["annotations"]

    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert set(told) == {"summary", "description", "runbook_url"}
    assert "First: " in told["description"]
    assert told["runbook_url"] == f"https://runbooks.example/nps-connector/{rule['alert']}.md"


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_texts_use_labels_that_the_alert_has(rule: Mapping[str, Any]) -> None:
    """A label that the expression aggregates away would be read as nothing."""
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    kept = promql.grouped_by(rule["expr"]) | {
        label for one in promql.asked(rule["expr"]) for label, _ in one.matchers
    }

    assert used <= kept


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_each_rule_is_of_metrics_labels_and_values_that_we_have(
    rule: Mapping[str, Any], metrics: list[Metric]
) -> None:
    """A rule over a name that is gone would be silent for ever."""
    made = {one["record"] for one in RULES if "record" in one}

    assert promql.mistakes(rule["expr"], metrics) == []
    assert promql.recorded(rule["expr"]) <= made


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_no_alert_hangs_on_one_replica(rule: Mapping[str, Any]) -> None:
    """Its identity must survive a pod that is replaced: what restarts is told of by address."""
    by = promql.grouped_by(rule["expr"])

    assert rule["alert"] == "NpsProcessRestarting" or not by & {"instance", "job"}
