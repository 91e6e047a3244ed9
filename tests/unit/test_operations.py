"""What the page for operators tells to run can be run, and what it points at exists."""

import re

import pytest

from tests.builders.commands import sql_in, told_in, wrong_with
from tests.builders.postgres import read_sql
from tests.builders.processes import ROOT

PATH = ROOT / "docs" / "operations.md"
PAGE = PATH.read_text(encoding="utf-8")


def test_every_command_of_the_page_is_one_of_ours() -> None:
    """Its name, its options and what it wants: who is in trouble copies it."""
    told = told_in(PAGE)

    assert [f"{one}: {wrong}" for one in told if (wrong := wrong_with(one.words))] == []
    assert len(told) > 20


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        pytest.param(["nps", "target", "pause", "TARGET", "--reason", "x"], False, id="whole"),
        pytest.param(["nps", "target", "stop", "TARGET"], True, id="no such command"),
        pytest.param(["nps", "target", "pause", "TARGET", "--because", "x"], True, id="option"),
        pytest.param(["nps", "target", "pause", "--reason", "x"], True, id="argument missing"),
        pytest.param(["nps", "target", "pause", "TARGET", "--reason"], True, id="value missing"),
        pytest.param(["nps", "target", "pause", "ONE", "OTHER"], True, id="one too many"),
        pytest.param(["nps", "migrate"], False, id="of the product"),
        pytest.param(["services.ingest", "migrate"], False, id="of a service"),
        pytest.param(["services.ingest", "upgrade"], True, id="not of a service"),
        pytest.param(["services.nothing"], True, id="no service"),
        pytest.param(["make", "demo", "PORT=9"], False, id="target"),
        pytest.param(["make", "coffee"], True, id="no target"),
    ],
)
def test_a_command_that_we_do_not_have_is_seen(words: list[str], wrong: bool) -> None:
    """Else the page could tell anything."""
    assert (wrong_with(words) is not None) == wrong


def test_commands_are_found_wherever_they_stand() -> None:
    """In blocks, after variables, over several lines, and in the text."""
    page = (
        "Say `nps target list`.\n\n```sh\nA=b python -m services migrate "
        "&& .venv/bin/nps \\\n  demo\n```\n"
    )

    assert [one.words for one in told_in(page)] == [
        ("nps", "target", "list"),
        ("nps", "migrate"),
        ("nps", "demo"),
    ]


async def test_its_queries_run_on_our_tables(database: str) -> None:
    """They find nothing in an empty database, and name only what is there."""
    queries = sql_in(PAGE)

    assert queries.keys() == {"unread", "unplanned"}
    assert [await read_sql(database, query) for query in queries.values()] == [[], []]


def test_every_file_that_it_points_at_exists() -> None:
    """Links within the documentation; a runbook comes with its alert."""
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE) if "://" not in link]
    paths = re.findall(r"`((?:tests|docs|deploy|services)/[\w./-]+)`", PAGE)

    assert [link for link in links if not (PATH.parent / link).exists()] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert links
