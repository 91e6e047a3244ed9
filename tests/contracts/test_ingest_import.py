"""What is promised of history from a file: every row once, resumable, refusals named."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from services.ingest.history.cli import import_rows
from shared.events.feedback import ResponseReceived
from tests.builders.ingest import Ingest
from tests.builders.operating import answering, run, told
from tests.builders.remapping import SOURCE, answer, mapped_by, send

COLUMNS = {
    "columns": {
        "answered_at": "date",
        "response_id": "Response ID",
        "answers": {"score": "Score", "comment": "Why?"},
    }
}
SHA = "ab" * 32

app = typer.Typer()
app.command(name="import")(import_rows)


def row(number: int, **said: Any) -> dict[str, Any]:
    """One row of an export."""
    return {
        "survey": "relational",
        "Response ID": f"H-{number}",
        "date": "2026-03-01T10:00:00Z",
        "email": f"h{number}@example.com",
        "Score": number % 11,
        **said,
    }


async def begin(ingest: Ingest, **said: Any) -> Any:
    """Begin a file."""
    content = {"source": SOURCE, "sha256": SHA, "provenance": "own", **said}
    return await ingest.operate("/v1/imports", content)


async def put(ingest: Ingest, import_id: str, first: int, rows: Sequence[object]) -> Any:
    """Send rows."""
    return await ingest.operate(f"/v1/imports/{import_id}/rows", {"from": first, "rows": rows})


async def answers(ingest: Ingest) -> list[ResponseReceived]:
    """Read the answers on the log."""
    found = [event.data for event in await ingest.published()]
    return [data for data in found if isinstance(data, ResponseReceived)]


def export(folder: Path, lines: Sequence[str], name: str = "old.csv") -> Path:
    """Write an export of a survey tool."""
    path = folder / name
    path.write_text("survey;Response ID;date;email;Score;Why?\n" + "\n".join(lines) + "\n")
    return path


def line(number: int, score: object = 9, why: str = "") -> str:
    """One line of it."""
    return f"relational;H-{number};2026-03-01 10:00;h{number}@example.com;{score};{why}"


async def test_rows_become_history_and_a_file_goes_on_where_it_stopped(
    database: str, tmp_path: Path
) -> None:
    """By the hash of its bytes, so also from another machine; its counts say how it went."""
    async with mapped_by(database, tmp_path, COLUMNS) as ingest:
        begun = (await begin(ingest, rows_total=4)).json()
        assert (begun["next_row"], begun["rows_total"]) == (0, 4)
        found = (await put(ingest, begun["id"], 0, [row(1), row(2, Score="x"), None])).json()
        assert (found["next_row"], found["told"]) == (3, 1)
        assert found["refused"] == [
            {"row": 1, "path": "Score", "rule": "score: not a whole number from 0 to 10"},
            {"row": 2, "path": "*", "rule": "not a row of named fields"},
        ]
        again = (await begin(ingest)).json()
        assert again == {**begun, "next_row": 3, "told": 1, "refused": 2}
        await put(ingest, begun["id"], 3, [row(3)])
        assert [(one.response_id, one.history) for one in await answers(ingest)] == [
            ("H-1", True),
            ("H-3", True),
        ]


async def test_rows_told_twice_are_the_same_events_and_count_once(
    database: str, tmp_path: Path
) -> None:
    """An answer that was lost on its way to the caller makes it send the rows again."""
    async with mapped_by(database, tmp_path, COLUMNS) as ingest:
        begun = (await begin(ingest)).json()
        await put(ingest, begun["id"], 0, [row(1), row(2)])
        again = (await put(ingest, begun["id"], 0, [row(1), row(2), row(3)])).json()
        assert (again["next_row"], again["told"]) == (3, 3)
        assert len({event.id for event in await ingest.published()}) == 3
        assert (await begin(ingest)).json()["told"] == 3


async def test_an_answer_known_by_webhook_is_the_same_event(database: str, tmp_path: Path) -> None:
    """Whatever way it came first."""
    async with mapped_by(database, tmp_path, COLUMNS) as ingest:
        sent = (await send(ingest, answer(1))).json()
        same = {**answer(1), "Response ID": "R-1", "date": "2026-11-21T10:00:00Z", "Score": "9"}
        await put(ingest, (await begin(ingest)).json()["id"], 0, [same])
        assert {str(event.id) for event in await ingest.published()} == {sent["event_id"]}


async def test_a_trial_tells_and_stores_nothing(database: str, tmp_path: Path) -> None:
    """The same words about the rows, and no trace."""
    async with mapped_by(database, tmp_path, COLUMNS) as ingest:
        content = {"source": SOURCE, "provenance": "own", "from": 7, "rows": [row(1), {}]}
        found = (await ingest.operate("/v1/imports/trial", content)).json()
        assert (found["told"], [one["row"] for one in found["refused"]]) == (1, [8])
        assert await ingest.published() == []
        assert await ingest.rows("SELECT 1 FROM ingest.imports") == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"source": "nobody"}, 404, "unknown-source", id="no such source"),
        pytest.param({"provenance": "found"}, 422, "invalid-request", id="no such provenance"),
        pytest.param({"provenance": "bought"}, 409, "other-provenance", id="another provenance"),
        pytest.param({"sha256": "abc"}, 422, "invalid-request", id="no hash"),
    ],
)
async def test_a_file_that_cannot_begin_is_refused(
    database: str, tmp_path: Path, change: dict[str, str], status: int, code: str
) -> None:
    """What was said of a file's first rows holds for all of it."""
    async with mapped_by(database, tmp_path, COLUMNS) as ingest:
        await begin(ingest)
        found = await begin(ingest, **change)
        assert (found.status_code, found.json()["type"]) == (status, f"urn:nps:problem:{code}")


async def test_rows_out_of_reach_are_refused(database: str, tmp_path: Path) -> None:
    """Rows after a gap, of no file, too many at once, and a source that is gone."""
    async with mapped_by(database, tmp_path, COLUMNS) as ingest:
        begun = (await begin(ingest)).json()
        assert (await put(ingest, begun["id"], 1, [row(1)])).status_code == 409
        assert (await put(ingest, SHA[:32], 0, [row(1)])).status_code == 404
        assert (await put(ingest, begun["id"], 0, [{}] * 501)).status_code == 422
        assert (await put(ingest, begun["id"], 0, [])).status_code == 422
        await ingest.change("UPDATE ingest.imports SET source = 'former'")
        assert (await put(ingest, begun["id"], 0, [row(1)])).status_code == 404
        assert await ingest.published() == []


async def test_a_wrong_column_stops_the_start(database: str, tmp_path: Path) -> None:
    """With file, line and fix, like any other key of a source."""
    columns = {"columns": {"answers": {"score": "nowhere:Score"}}}
    with pytest.raises(Exception, match=r"sources.yaml:\d+: sources.stall.columns.answers.score"):
        async with mapped_by(database, tmp_path, columns):
            pass


async def test_a_file_is_imported_by_one_command(database: str, tmp_path: Path) -> None:
    """In batches; refused rows stand beside it, ready to be corrected; again, nothing happens."""
    lines = [line(number, number % 11) for number in range(700)]
    lines[3] = line(3, "often", '"two\nlines; and more"')
    lines[600] = line(600) + ";too;many"
    file = export(tmp_path, lines)
    async with mapped_by(database, tmp_path, COLUMNS) as ingest, answering(ingest.app) as url:
        arguments = ["--source", SOURCE, "--provenance", "own", "--json"]
        done = await run(app, file, *arguments, url=url)
        assert done.exit_code == 1, done.output
        found = told(done)
        assert (found["rows"], found["told"], found["refused"]) == (700, 698, 2)
        assert {one["rule"] for one in found["rules"]} == {
            "score: not a whole number from 0 to 10",
            "more fields than the header names",
        }
        assert len(await answers(ingest)) == 698
        beside = (tmp_path / "old.refused.csv").read_text().splitlines()
        assert beside[0].endswith(";refused_row;refused_path;refused_rule")
        assert beside[2].endswith("4;Score;score: not a whole number from 0 to 10")
        assert beside[3].startswith("relational;H-600;")
        again = told(await run(app, file, *arguments, url=url))
        assert (again["before"], again["told"], again["refused"]) == (700, 0, 0)
        corrected = tmp_path / "old.refused.csv"
        corrected.write_text(corrected.read_text().replace("often", "8"))
        assert told(await run(app, corrected, *arguments, url=url))["told"] == 2


async def test_a_rehearsal_says_what_would_become_of_a_file(database: str, tmp_path: Path) -> None:
    """In words: counts, and the rules that rows fail."""
    file = export(tmp_path, [line(1), line(2, "x"), line(3, "y")])
    async with mapped_by(database, tmp_path, COLUMNS) as ingest, answering(ingest.app) as url:
        arguments = ["--source", SOURCE, "--provenance", "own", "--dry-run"]
        done = await run(app, file, *arguments, url=url)
        assert "3 rows: 1 would be told, 2 refused" in done.stdout
        assert "score: not a whole number" in done.stdout
        assert await ingest.published() == []


async def test_lines_of_jsonl_are_imported_and_their_refusals_noted(
    database: str, tmp_path: Path
) -> None:
    """One that no server would take does not keep the others from being told."""
    file = tmp_path / "old.jsonl"
    good = '{"survey":"s","Response ID":"%s","date":"2026-03-01","email":"a@example.com"}'
    file.write_text(
        "\n".join([good % "1", "{", good % "2", '{"Score": "\\ud800"}', good % "3"]) + "\n"
    )
    async with mapped_by(database, tmp_path, COLUMNS) as ingest, answering(ingest.app) as url:
        arguments = ["--source", SOURCE, "--provenance", "partner", "--json"]
        done = told(await run(app, file, *arguments, url=url))
        assert (done["told"], done["refused"]) == (3, 2)
        assert [one.response_id for one in await answers(ingest)] == ["1", "2", "3"]
        beside = (tmp_path / "old.refused.jsonl").read_text().splitlines()
        assert '"refused_text": "{"' in beside[0]
        assert '"refused_row": 4' in beside[1]


async def test_a_row_larger_than_a_body_is_refused_alone(database: str, tmp_path: Path) -> None:
    """Batches shrink to what this installation takes."""
    lines = [line(number, 9, "x" * 300) for number in range(9)]
    lines[4] = line(4, 9, "y" * 2000)
    file = export(tmp_path, lines)
    async with (
        mapped_by(database, tmp_path, COLUMNS, body_bytes=1024) as ingest,
        answering(ingest.app) as url,
    ):
        arguments = ["--source", SOURCE, "--provenance", "own", "--json"]
        done = told(await run(app, file, *arguments, url=url))
        assert (done["told"], done["rules"][0]["rule"]) == (
            8,
            "larger than `body_bytes` of the server",
        )
        assert len(await answers(ingest)) == 8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--source", SOURCE], "--provenance: say own", id="provenance"),
        pytest.param(
            ["--source", "other", "--provenance", "own"], "no source of this name", id="source"
        ),
    ],
)
async def test_what_must_be_said_is_asked_for(
    database: str, tmp_path: Path, arguments: list[str], says: str
) -> None:
    """Nobody sits at the terminal of a script, so it has to say where the data comes from."""
    file = export(tmp_path, [line(1)])
    async with mapped_by(database, tmp_path, COLUMNS) as ingest, answering(ingest.app) as url:
        done = await run(app, file, *arguments, url=url)
        assert done.exit_code in (1, 2)
        assert says in done.stderr
        assert await ingest.published() == []
