"""`nps source`: look at a source before it goes live, with a captured message.

In: `sources.yaml` and files that a person captured. Out: text, or with `--json` one JSON object on
standard output. Nothing is published or changed. Exit codes: 0 nothing is wrong, 1 something would
be refused or set aside (or, with `--strict`, a warning), 2 a file or an option is wrong.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from services.ingest.catalogue import load_preset, preset_names
from services.ingest.decode.decoders import Undecodable
from services.ingest.mapper.moments import parse
from services.ingest.mapper.values import Unreadable
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourcesFile
from services.ingest.tryout import screen
from services.ingest.tryout.capture import captured, header, inbound
from services.ingest.tryout.inspection import Inspected, inspected
from services.ingest.tryout.suggest import resembles
from services.ingest.tryout.suggest import suggest as suggested
from services.ingest.tryout.trial import Subject, tried, tried_answer
from shared.errors import ConfigError
from shared.identifiers import Rules, rules
from shared.process import read_settings
from shared.settings import Loaded, Secrets
from shared.times import utc_now

source = typer.Typer(
    name="source",
    help="Look at the sources, and try them with captured messages, before they go live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path | None,
    typer.Option(help="folder with sources.yaml (default: NPS_CONFIG or deploy/config)"),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on standard output")]
Data = Annotated[
    Path, typer.Option(help="data folder of the embedded default, for the secrets it made up")
]
Headers = Annotated[
    list[str] | None, typer.Option("--header", "-H", help="a header it came with: 'Name: value'")
]
HeaderFile = Annotated[Path | None, typer.Option(help="file with one header per line")]
Http = Annotated[
    bool, typer.Option("--http", help="the file is a whole request: line, headers, body")
]


@source.command()
def check(
    context: typer.Context,
    *,
    config: Config = None,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="a secret that is not set here is an error")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit 1 when there are warnings")
    ] = False,
    data: Data = Path("data"),
    json: Json = False,
) -> None:
    """Lint every source: mistakes with file, line and fix, then what is probably not meant."""
    told: dict[str, list[str]] = {"errors": [], "warnings": [], "notes": []}
    found: list[Inspected] = []
    try:
        loaded, found = inspected(_file(config), _secrets(context, data), _rules())
    except ConfigError as error:
        told["errors"] += str(error).splitlines()
    else:
        for one in found:
            told["errors"] += _lines(loaded, one.name, one.problems)
            told["warnings"] += _lines(loaded, one.name, one.doubts)
            unset = [f"{one.name}: {reference} is not set here" for reference in one.unset]
            told["errors" if secrets else "notes"] += unset
    if json:
        _put(screen.sources_json(found, told))
    else:
        screen.show_sources(_console(), found, told)
    if told["errors"]:
        raise typer.Exit(2)
    raise typer.Exit(1 if strict and told["warnings"] else 0)


@source.command(name="try")
def try_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="its name in sources.yaml")],
    payload: Annotated[str, typer.Argument(help="file with the body as it came; - reads it")],
    *,
    headers: Headers = None,
    header_file: Annotated[Path | None, typer.Option(help="file with one header per line")] = None,
    http: Annotated[
        bool, typer.Option("--http", help="the file is a whole request: line, headers, body")
    ] = False,
    fetched: Annotated[
        bool, typer.Option("--fetched", help="the file is an answer of the platform's API")
    ] = False,
    url: Annotated[str, typer.Option(help="address it was sent to, where it is signed")] = "",
    method: Annotated[str, typer.Option(help="method it was sent by")] = "POST",
    client: Annotated[str, typer.Option(help="address it came from, for allow_ips")] = "",
    at: Annotated[str, typer.Option(help="when it arrives (default: now)")] = "",
    config: Config = None,
    data: Data = Path("data"),
    json: Json = False,
) -> None:
    """Tell field by field what a captured delivery maps to, and whether it is signed."""

    def work() -> int:
        loaded, (one,) = inspected(_file(config), _secrets(context, data), _rules(), only=name)
        if one.problems or one.entry is None or one.mapping is None or one.decoder is None:
            raise ConfigError("\n".join(_lines(loaded, name, one.problems)))
        given = _headers(headers or [], header_file)
        content = _content(payload)
        subject = Subject(one.entry, one.mapping, one.decoder, one.secrets)
        clock = time.perf_counter
        if fetched:
            if one.recipe is None:
                raise ConfigError(f"--fetched: source {name!r} has no `fetch`")
            trial = tried_answer(subject, one.recipe, content, _moment(at), clock=clock)
        else:
            if http:
                request = _captured(content, given)
            else:
                request = inbound(content, given, method=method, target=url, client=client)
            trial = tried(subject, request, _moment(at), clock=clock)
        if json:
            _put(screen.trial_json(trial))
        else:
            screen.show_trial(_console(), name, trial)
        return 0 if trial.ok else 1

    _ended(work)


@source.command()
def suggest(
    payload: Annotated[str, typer.Argument(help="file with the body as it came; - reads it")],
    *,
    name: Annotated[str, typer.Option(help="name of the new source")] = "new-source",
    headers: Headers = None,
    header_file: HeaderFile = None,
    http: Http = False,
    json: Json = False,
) -> None:
    """Propose a source from a captured message: YAML on standard output, reasons beside it."""

    def work() -> int:
        given = _headers(headers or [], header_file)
        content = _content(payload)
        request = _captured(content, given) if http else inbound(content, given)
        try:
            found = suggested(request, name)
        except Undecodable as error:
            raise ConfigError(f"{payload}: the body is {error}") from None
        alike = [one for one in preset_names() if resembles(load_preset(one), request)]
        if json:
            _put(screen.suggestion_json(found, alike))
        else:
            typer.echo(found.yaml, nl=False)
            screen.show_candidates(Console(stderr=True, highlight=False), found, alike)
        return 0

    _ended(work)


def _ended(work: Callable[[], int]) -> None:
    """End with the exit code of the work; a mistake of the operator is told in its lines."""
    try:
        code = work()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        code = 2
    raise typer.Exit(code)


def _lines(
    loaded: Loaded[SourcesFile], name: str, pairs: Sequence[tuple[tuple[str | int, ...], str]]
) -> list[str]:
    return [loaded.told(("sources", name, *at), text) for at, text in pairs]


def _file(config: Path | None) -> Path:
    return (read_settings().config if config is None else config) / "sources.yaml"


def _rules() -> Rules:
    """Normalise identifiers as the running instance with these settings does."""
    settings = read_settings()
    return rules(settings.default_region, settings.plus_addresses)


def _secrets(context: typer.Context, data: Path) -> Secrets:
    """Resolve by the environment, else by what `make run` made up; the root command knows how."""
    known: Callable[[Path], Mapping[str, str]] | None = context.obj
    return Secrets({**(known(data) if known else {}), **os.environ})


def _headers(given: Sequence[str], file: Path | None) -> list[tuple[str, str]]:
    lines = list(given)
    if file is not None:
        text = _content(str(file)).decode("latin-1")
        lines += [line for line in text.splitlines() if line.strip()]
    try:
        return [header(line) for line in lines]
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _captured(content: bytes, more: Sequence[tuple[str, str]]) -> Inbound:
    try:
        return captured(content, more)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None


def _moment(text: str) -> datetime:
    if not text:
        return utc_now()
    try:
        return parse(text, UTC)
    except Unreadable as error:
        raise ConfigError(f"--at: {error}") from None


def _console() -> Console:
    return Console(highlight=False)


def _put(content: Mapping[str, Any]) -> None:
    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2, default=str).decode())
