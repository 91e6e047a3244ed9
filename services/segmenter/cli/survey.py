"""`nps survey …`: whom a survey may be sent to, at a running instance.

In: the instance's address and a token from NPS_TOKEN; people as options or as a file of JSON lines.
Out: a line for each, in order, or with `--json` one JSON object on standard output. Exit codes:
0 all answered, 1 somebody cannot be looked for or the instance refused, 2 a setting, an option or
the file is wrong, 75 no instance answers.
"""

import json as json_text
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from shared.errors import ConfigError
from shared.instance import HERE, Json, Server, Url, explained, server
from shared.screen import cell, table_of, write_json

survey = typer.Typer(
    name="survey",
    help="Whom a survey may be sent to. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@survey.callback()
def group() -> None:
    """Whom a survey may be sent to. NPS_TOKEN holds the token."""


#: As many as one question takes.
_AT_ONCE: Final = 1000
_PATH: Final = "/v1/survey-eligibility"


@survey.command()
def eligible(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SURVEY", help="the survey's name")],
    *,
    email: Annotated[str | None, typer.Option(help="of one person")] = None,
    phone: Annotated[str | None, typer.Option(help="of one person (E.164)")] = None,
    external_id: Annotated[
        str | None, typer.Option("--id", help="of one person, in your own systems")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help='one JSON object a line: {"email": …, "experience": {"kind", "at", …}}'),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="kind of the experience, with --at")] = None,
    at: Annotated[
        str | None, typer.Option(help="its moment, such as 2026-11-20T18:00:00+01:00")
    ] = None,
    value: Annotated[float | None, typer.Option(help="its value, where known")] = None,
    channel: Annotated[str | None, typer.Option(help="email, sms or call")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="tell this attribute, too; may be repeated")
    ] = None,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Ask whether people may be asked this survey now, why not, and when next."""
    with explained():
        one = _one(email, phone, external_id, experience(kind, at, value))
        people = _people(file, one)
        asked = {"survey": name, "channel": channel, "attributes": attribute or []}
        with server(context, url) as instance:
            pages = list(_asked(instance, asked, people))
    answers = [answer for page in pages for answer in page["customers"]]
    if json:
        write_json({**pages[0], "counts": _counts(answers), "customers": answers})
    else:
        _show(answers)
    raise typer.Exit(1 if any(answer["error"] for answer in answers) else 0)


def _one(
    email: str | None,
    phone: str | None,
    external_id: str | None,
    experience: dict[str, Any] | None,
) -> dict[str, Any] | None:
    """Read one person from the options; None: none is named there."""
    named = {"email": email, "phone": phone, "id": external_id}
    found = {key: text for key, text in named.items() if text is not None}
    if not found and experience:
        raise ConfigError("--kind and --at are about one person: give --email, --phone or --id")
    return {**found, "experience": experience} if found else None


def experience(kind: str | None, at: str | None, value: float | None) -> dict[str, Any] | None:
    """Read an experience from the options; None: none is named. Raises `ConfigError`."""
    if kind is None and at is None and value is None:
        return None
    if kind is None or at is None:
        raise ConfigError("an experience has a --kind and a moment: --at 2026-11-20T18:00:00+01:00")
    try:
        aware = datetime.fromisoformat(at).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise ConfigError("--at: give a moment with its offset: 2026-11-20T18:00:00+01:00")
    return {"kind": kind, "at": at, "value": value}


def _people(file: Path | None, one: dict[str, Any] | None) -> list[dict[str, Any]]:
    """List whom the question is about. Raises `ConfigError`."""
    if (file is None) == (one is None):
        raise ConfigError("say whom: --email, --phone or --id of one person, or --file of many")
    if file is None:
        return [one] if one else []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--file: cannot be read: {type(error).__name__}") from None
    people = [_person(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not people:
        raise ConfigError("--file: holds nobody: write one JSON object a line")
    return people


def _person(number: int, line: str) -> dict[str, Any]:
    try:
        person = json_text.loads(line)
    except ValueError:
        person = None
    if not isinstance(person, dict):
        raise ConfigError(f"--file: line {number} is no JSON object")
    return person


def _asked(
    instance: Server, asked: dict[str, Any], people: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for start in range(0, len(people), _AT_ONCE):
        some = people[start : start + _AT_ONCE]
        yield instance.post(_PATH, {**asked, "customers": some})


def _counts(answers: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Count who may be asked, and who not, by the first reason."""
    return dict(Counter(_word(answer) for answer in answers))


def _word(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return "error"
    return "eligible" if answer["eligible"] else str(answer["reason"]["rule"])


def _show(answers: Sequence[dict[str, Any]]) -> None:
    table = table_of("", "may be asked", "next", "why not")
    for number, answer in enumerate(answers, 1):
        yes = "yes" if answer["eligible"] else "error" if answer["error"] else "no"
        next_at = str(answer["next_at"] or "")[:16].replace("T", " ")
        why = answer["error"] or "; ".join(reason["reason"] for reason in answer["reasons"])
        why = why or answer.get("exempt") or ""
        table.add_row(cell(number), cell(yes), cell(next_at), cell(why))
    console = Console(highlight=False)
    console.print(table)
    counts = _counts(answers)
    console.print(", ".join(f"{counts[word]} {word}" for word in sorted(counts)))
