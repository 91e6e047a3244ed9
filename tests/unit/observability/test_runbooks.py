"""The runbooks: one per alert, of commands that exist and queries that Prometheus reads."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from services.cli import app
from services.metrics_page import Metric, gather
from shared.process import read_settings
from tests.builders import promql

ROOT: Final = Path(__file__).resolve().parents[3]
PAGES: Final = sorted((ROOT / "docs" / "runbooks").glob("Nps*.md"))
RULES: Final = yaml.safe_load(
    (ROOT / "deploy" / "observability" / "alerts.yaml").read_text(encoding="utf-8")
)
ALERTS: Final = {
    rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule
}
FENCED: Final = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def commands(text: str) -> list[str]:
    """Find what a reader is told to type: lines of shell, and inline code."""
    lines = [
        line for kind, body in FENCED.findall(text) if kind == "sh" for line in body.split("\n")
    ]
    inline = re.findall(r"`(nps [^`]+)`", FENCED.sub("", text))
    return [each for each in (*lines, *inline) if each.startswith("nps ")]


def queries(text: str) -> list[str]:
    """Find the queries, one a line."""
    return [
        line
        for kind, body in FENCED.findall(text)
        if kind == "promql"
        for line in body.strip().split("\n")
    ]


def misread(command: str, folder: Path) -> str | None:
    """Parse a command as our command line does; return its complaint."""
    words = shlex.split(command)[1:]
    for at, word in enumerate(words):
        if word in {"saved.json", "codes.txt", "FILE"}:
            words[at] = str(folder / word)
            (folder / word).touch()
    found: Any = typer.main.get_command(app)
    while hasattr(found, "commands"):
        if not words or words[0] not in found.commands:
            return f"no command {words[:1]}"
        found = found.commands[words.pop(0)]
    try:
        found.make_context(found.name, words)
    except Exception as error:  # typer carries a click of its own, whose errors it does not export
        return str(error) or type(error).__name__
    return None


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    """Nobody who is woken finds an empty page, and no page is of an alert that is gone."""
    assert {page.stem for page in PAGES} == set(ALERTS)


def test_the_list_of_runbooks_is_whole() -> None:
    """Each alert, with how bad it is."""
    text = (ROOT / "docs" / "runbooks" / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", text, re.MULTILINE))

    assert listed == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_where_to_look_what_to_do_and_when_it_is_over(
    page: Path,
) -> None:
    """In this order, each with something under it."""
    text = page.read_text(encoding="utf-8")

    assert re.fullmatch(
        rf"# {page.stem}\n\n\S.+\n## Look\n\n.+\n## Do\n\n.+\n## Verify\n\n.+\n", text, re.DOTALL
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_commands_are_ours(page: Path, tmp_path: Path) -> None:
    """With their real options and arguments: nobody learns at night that one was renamed."""
    told = commands(page.read_text(encoding="utf-8"))

    assert {one: wrong for one in told if (wrong := misread(one, tmp_path))} == {}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_the_command_in_an_alert_is_ours(name: str, tmp_path: Path) -> None:
    """As far as the command's name: its sentence goes on after it."""
    text = re.sub(r"\{\{.*?\}\}", "NAME", ALERTS[name]["annotations"]["description"])
    root: Any = typer.main.get_command(app)
    known = {
        f"nps {group} {inner}"
        for group, command in root.commands.items()
        for inner in getattr(command, "commands", ())
    }

    assert set(re.findall(r"nps [a-z]+ [a-z-]+", text)) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page: Path) -> None:
    """To other pages of the documentation."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.fixture(scope="module")
async def metrics() -> list[Metric]:
    """Every metric of the shipped configuration."""
    return await gather(read_settings(config=ROOT / "deploy" / "config"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_queries_are_of_metrics_that_we_have(page: Path, metrics: list[Metric]) -> None:
    """With labels and values that they have."""
    told = queries(page.read_text(encoding="utf-8"))

    assert {one: wrong for one in told if (wrong := promql.mistakes(one, metrics))} == {}


def test_prometheus_reads_all_queries(promtool: Path, tmp_path: Path) -> None:
    """Promtool reads them as the expressions of rules."""
    told = [one for page in PAGES for one in queries(page.read_text(encoding="utf-8"))]
    rules = [
        {"record": "checked", "expr": one, "labels": {"query": str(at)}}
        for at, one in enumerate(told)
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))

    done = subprocess.run(
        [promtool, "check", "rules", file], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
