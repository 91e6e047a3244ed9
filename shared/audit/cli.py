"""`nps audit …`: who did what, whether the record was touched, and its heads to keep elsewhere.

In: the instance's address (of services that run apart NPS_URL_INGEST, NPS_URL_SEGMENTER and
NPS_URL_DISPATCHER) and a token from NPS_TOKEN. Out: rows, or what was found, in words or
with `--json` as one JSON object. Exit codes: 0 whole, 1 a record was touched (the first broken row
is named), 2 a file or an option is wrong, 75 no instance answers.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from pydantic import Field, ValidationError
from rich.console import Console

from shared.audit.actions import SERVICES, Service
from shared.errors import ConfigError
from shared.instance import HERE, Json, Refused, Server, Url, explained, server
from shared.screen import cell, table_of, write_json
from shared.settings import Strict

audit = typer.Typer(
    name="audit",
    help="The record of what people did. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
#: Of a page when it is walked: a row of a large release has some KB.
_PAGE: Final = 500
Which = Annotated[
    list[str] | None,
    typer.Option(
        "--service", help="ingest, segmenter or dispatcher; several times for several (all)"
    ),
]


class _Kept(Strict):
    service: Service
    seq: Annotated[int, Field(ge=0, lt=2**63)]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Heads(Strict):
    heads: tuple[_Kept, ...]


@audit.command(name="list")
def list_rows(
    context: typer.Context,
    *,
    service: Which = None,
    action: Annotated[str | None, typer.Option(help="only this action")] = None,
    actor: Annotated[str | None, typer.Option(help="only what this token did")] = None,
    after: Annotated[int, typer.Option(min=0, help="rows behind this number")] = 0,
    most: Annotated[int, typer.Option(min=1, max=1000, help="rows of each service")] = 100,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Show who did what, oldest first."""
    with explained():
        query = {"after": after, "limit": most, "action": action, "actor": actor}
        pages = []
        for name in _services(service):
            with _server(context, name, url) as at:
                pages.append(_ask(at, name, "", **query))
    if json:
        write_json({"pages": pages})
        return
    table = table_of("service", "row", "at", "who", "did", "to", "detail")
    for page in pages:
        for row in page["rows"]:
            detail = orjson.dumps(row["detail"]).decode()
            seen = (page["service"], row["seq"], row["at"], row["actor"], row["action"])
            table.add_row(*(cell(one) for one in (*seen, row["subject"], detail)))
    console = Console(highlight=False)
    console.print(table)
    for page in pages:
        if page["next"] is not None:
            console.print(f"There are more: --service {page['service']} --after {page['next']}")


@audit.command()
def head(
    context: typer.Context, *, service: Which = None, url: Url = HERE, json: Json = False
) -> None:
    """Print the last row's number and seal of each service, to be kept where nobody here writes."""
    with explained():
        heads = []
        for name in _services(service):
            with _server(context, name, url) as at:
                heads.append(_ask(at, name, "/head"))
    if json:
        write_json({"heads": heads})
        return
    for one in heads:
        typer.echo(f"{one['service']} {one['seq']} {one['hash']}")


@audit.command()
def verify(
    context: typer.Context,
    *,
    service: Which = None,
    heads: Annotated[
        Path | None,
        typer.Option(
            help="what `nps audit head --json` printed then: nothing may be cut off since"
        ),
    ] = None,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Walk every row of the record; exit 1 names the first that was touched."""
    with explained():
        kept = _read(heads)
        found = []
        for name in _services(service):
            with _server(context, name, url) as at:
                found.append(_verified(at, name, [one for one in kept if one.service == name]))
    whole = all(one["broken"] is None for one in found)
    if json:
        write_json({"whole": whole, "services": found})
    else:
        for one in found:
            typer.echo(_said(one))
    if not whole:
        raise typer.Exit(1)


def _verified(at: Server, service: str, kept: Sequence[_Kept]) -> dict[str, Any]:
    """Walk one record; a head of then must be a row of it still."""
    checked, broken, last = 0, None, {"seq": 0, "hash": ""}
    for page in _pages(at, service):
        checked += page["checked"]
        broken, last = page["broken"], page["head"]
    for one in sorted(kept, key=lambda head: head.seq):
        if one.seq and (broken is None or one.seq < broken["seq"]):
            why = _missing(at, service, one)
            if why is not None:
                broken = {"seq": one.seq, "why": why}
                break
    return {
        "service": service,
        "checked": checked,
        "head": {"seq": last["seq"], "hash": last["hash"]},
        "broken": broken,
    }


def _pages(at: Server, service: str) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = _ask(at, service, "/check", after=after, limit=_PAGE)
        yield page
        after = page["next"]


def _missing(at: Server, service: str, kept: _Kept) -> str | None:
    """Say what is wrong with a row that was the head once; None: it stands."""
    rows = _ask(at, service, "", after=kept.seq - 1, limit=1)["rows"]
    if not rows or rows[0]["seq"] != kept.seq:
        return "it was the head once and is gone: rows were cut off"
    if rows[0]["hash"] != kept.hash:
        return "it has another seal than when it was the head: the record was written anew"
    return None


def _said(found: dict[str, Any]) -> str:
    if found["broken"] is None:
        return f"{found['service']}: {found['checked']} rows, whole"
    return f"{found['service']}: row {found['broken']['seq']}: {found['broken']['why']}"


def _server(context: typer.Context, service: str, url: str) -> AbstractContextManager[Server]:
    """Open the way to one service: services that run apart have an address each."""
    return server(context, os.environ.get(f"NPS_URL_{service.upper()}", "").strip() or url)


def _services(named: Sequence[str] | None) -> list[str]:
    unknown = sorted(set(named or ()) - set(SERVICES))
    if unknown:
        raise ConfigError(f"--service {unknown[0]}: choose of {', '.join(SERVICES)}")
    return [name for name in SERVICES if not named or name in named]


def _read(file: Path | None) -> tuple[_Kept, ...]:
    if file is None:
        return ()
    try:
        return _Heads.model_validate_json(file.read_text(encoding="utf-8")).heads
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as text ({type(error).__name__})") from None
    except ValidationError:
        raise ConfigError(f"{file}: give what `nps audit head --json` printed") from None


def _ask(at: Server, service: str, what: str, **query: Any) -> dict[str, Any]:
    """Ask one service; an address where another is hosted is told as that."""
    try:
        answer: dict[str, Any] = at.get(f"/v1/audit/{service}{what}", **query)
    except Refused as error:
        if error.status != 404:
            raise
        raise ConfigError(
            f"no {service} is hosted at this address: set NPS_URL_{service.upper()}, or choose "
            "others with --service"
        ) from None
    return answer
