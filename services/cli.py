"""The command line: compose the services, prepare a database, feed the demo.

With `services.local` the only module that knows all services. Every command ends with exit code 2
and one line per mistake where a setting or a file is wrong.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from services import local
from services.demo.run import run_demo
from services.dispatcher.__main__ import build as dispatcher
from services.ingest.__main__ import build as ingest
from services.ingest.cli import source
from services.segmenter.__main__ import build as segmenter
from shared.bus.kafka import KafkaBus
from shared.database import SCHEMAS, migrate, provision
from shared.errors import ConfigError
from shared.observe import configure_logging
from shared.process import read_settings, run_or_explain, serve
from shared.settings import Settings

app = typer.Typer(
    name="nps",
    help="Any survey tool → a governed decision per customer → any campaign platform.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(source)

Data = Annotated[Path, typer.Option(help="folder of the embedded default")]
Port = Annotated[int | None, typer.Option(help="port of 127.0.0.1 (default: NPS_PORT or 8080)")]


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    data: Data = Path("data"),
    port: Port = None,
) -> None:
    """Run everything in one process until Ctrl-C.

    Without NPS_DATABASE_URL: PostgreSQL, bus, secrets and sandbox are all kept in the data folder.
    With it: the three services on that database and the bus that NPS_BUS names.
    """
    context.obj = local.known_secrets  # for the commands that try a source
    if context.invoked_subcommand is not None:
        return
    settings = _settings(port)

    async def start() -> None:
        if settings.database_url:
            configure_logging(settings.log_level)
            await serve(settings, [ingest, segmenter, dispatcher])
        else:
            await local.run(settings, data.resolve(), [ingest, segmenter, dispatcher])

    run_or_explain(start)


@app.command()
def demo(
    data: Data = Path("data"),
    port: Port = None,
    json: Annotated[
        bool, typer.Option("--json", help="fixed counts; exit 1 if one differs")
    ] = False,
) -> None:
    """Post a few hundred invented responses to a running instance and tell what became of each."""
    settings = _settings(port)
    codes: list[int] = []

    async def feed() -> None:
        environ = {**local.known_secrets(data.resolve()), **os.environ}
        url = f"http://127.0.0.1:{settings.port}"
        codes.append(await run_demo(url, environ, json_output=json))

    run_or_explain(feed)
    raise typer.Exit(codes[0])


@app.command(name="provision")
def provision_database() -> None:
    """Create the schemas and their roles on NPS_DATABASE_URL (as someone who may create roles).

    A password in NPS_PASSWORD_INGEST, …_SEGMENTER, …_DISPATCHER, …_BUS lets that role log in.
    """
    passwords = {
        schema: os.environ[name]
        for schema in SCHEMAS
        if os.environ.get(name := f"NPS_PASSWORD_{schema.upper()}")
    }
    _with_database(lambda settings: provision(settings.database_url, passwords))


@app.command(name="migrate")
def migrate_all() -> None:
    """Bring every schema on NPS_DATABASE_URL to its newest migration."""

    async def all_schemas(settings: Settings) -> None:
        for schema in SCHEMAS:
            await migrate(settings.database_url, schema)

    _with_database(all_schemas)


@app.command()
def topics() -> None:
    """Create the missing topics on NPS_KAFKA_BOOTSTRAP_SERVERS, then compare all of them."""

    async def create() -> None:
        settings = read_settings()
        if not settings.kafka_bootstrap_servers:
            raise ConfigError(
                "NPS_KAFKA_BOOTSTRAP_SERVERS is not set: give the brokers (host:port)"
            )
        bus = KafkaBus(
            settings.kafka_bootstrap_servers,
            client_id="nps-topics",
            topic_prefix=settings.kafka_topic_prefix,
            partitions=settings.kafka_partitions,
            replication=settings.kafka_replication,
        )
        await bus.create_topics()
        await bus.check()

    run_or_explain(create)


def _settings(port: int | None) -> Settings:
    """Read the settings; a wrong one is told as every other mistake is."""
    found: list[Settings] = []

    async def read() -> None:
        found.append(read_settings(**({} if port is None else {"port": port})))

    run_or_explain(read)
    return found[0]


def _with_database(work: Callable[[Settings], Awaitable[None]]) -> None:
    """Run one command that needs NPS_DATABASE_URL."""

    async def start() -> None:
        settings = read_settings()
        if not settings.database_url:
            raise ConfigError("NPS_DATABASE_URL is not set: give the PostgreSQL to work on")
        await work(settings)

    run_or_explain(start)
