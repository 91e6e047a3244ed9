"""What is promised of an operator's commands: they say what they do, and end with a code."""

from pathlib import Path
from uuid import UUID

import pytest

from services.ingest.correct.quarantine_cli import quarantine
from tests.builders.ingest import ENVIRON
from tests.builders.operating import answering, run, told
from tests.builders.remapping import answer, mapped_by, send

RATING = {"answers": {"score": "rating"}}


async def test_a_row_is_listed_shown_rehearsed_and_told(database: str, tmp_path: Path) -> None:
    """The way an operator goes after correcting a mapping, first in words, then as JSON."""
    async with mapped_by(database, tmp_path) as ingest:
        await send(ingest, answer(score="[red]ten", rating=10))
    async with mapped_by(database, tmp_path, RATING) as ingest, answering(ingest.app) as url:
        listed = told(await run(quarantine, "list", "--since", "30d", "--json", url=url))
        (row,) = listed["rows"]
        words = await run(quarantine, "list", url=url)
        assert (words.exit_code, row["id"] in words.stdout) == (0, True)
        shown = await run(quarantine, "show", row["id"], url=url)
        assert '"score":"[red]ten"' in shown.stdout
        assert told(await run(quarantine, "show", row["id"], "--json", url=url))["path"] == "score"
        rehearsed = await run(quarantine, "remap", url=url)
        assert (rehearsed.exit_code, "would be told" in rehearsed.stdout) == (0, True)
        assert await ingest.published() == []
        done = told(await run(quarantine, "remap", "--publish", "--json", url=url))
        assert (done["published"], done["counts"]) == (True, {"told": 1})
        assert len(await ingest.published()) == 1
        assert "nothing is in quarantine" in (await run(quarantine, "list", url=url)).stdout


async def test_rows_named_by_id_are_replayed(database: str, tmp_path: Path) -> None:
    """One that is no more is said, and the code tells a script."""
    async with mapped_by(database, tmp_path) as ingest:
        await send(ingest, answer(score="x", rating=10))
        (row,) = (await ingest.look()).json()["rows"]
    async with mapped_by(database, tmp_path, RATING) as ingest, answering(ingest.app) as url:
        done = await run(quarantine, "replay", row["id"], UUID(int=7), "--json", url=url)
        assert (done.exit_code, told(done)["counts"]) == (1, {"told": 1, "gone": 1})


async def test_a_page_follows_the_other(database: str, tmp_path: Path) -> None:
    """More rows than one call takes: all of them, once."""
    async with mapped_by(database, tmp_path) as ingest, answering(ingest.app) as url:
        await ingest.change(
            "INSERT INTO ingest.quarantine (id, source, received_at, path, rule, mapping, "
            "content_type, body) SELECT gen_random_uuid(), 'stall', now(), 'x', 'y', 'v', '', '{' "
            "FROM generate_series(1, 230)"
        )
        listed = told(await run(quarantine, "list", "--limit", 210, "--json", url=url))
        assert len({row["id"] for row in listed["rows"]}) == 210
        done = await run(quarantine, "remap", "--json", url=url)
        assert (done.exit_code, told(done)["counts"]) == (1, {"failed": 230})


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "says"),
    [
        pytest.param(["list"], {"NPS_TOKEN": ""}, 2, "NPS_TOKEN is not set", id="no token"),
        pytest.param(["list"], {"NPS_TOKEN": "wrong"}, 2, "NPS_TOKEN: send", id="wrong token"),
        pytest.param(
            ["remap"], {"NPS_TOKEN": ENVIRON["LOOKER"]}, 2, "lacks the scope", id="no scope"
        ),
        pytest.param(["list", "--since", "soon"], {}, 2, "--since: give a date", id="since"),
        pytest.param(["show", "7"], {}, 2, "give the id of a row", id="no id"),
        pytest.param(["show", UUID(int=7)], {}, 1, "no row has this id", id="unknown id"),
        pytest.param(
            ["list"], {"NPS_URL": "http://127.0.0.1:9"}, 75, "does not answer", id="nobody there"
        ),
        pytest.param(["list"], {"NPS_URL": "survey"}, 2, "NPS_URL is no address", id="no address"),
    ],
)
async def test_what_is_wrong_is_said_in_words(
    database: str,
    tmp_path: Path,
    arguments: list[object],
    environ: dict[str, str],
    code: int,
    says: str,
) -> None:
    """One line on standard error that names the fix, no traceback, and never the token."""
    async with mapped_by(database, tmp_path) as ingest, answering(ingest.app) as url:
        result = await run(quarantine, *arguments, url=url, environ=environ)
        assert (result.exit_code, result.stdout) == (code, "")
        assert says in result.stderr
        assert result.stderr.count("\n") == 1
        assert ENVIRON["LOOKER"] not in result.stderr
