"""The command line: compose the services, prepare a database, feed the demo.

With `services.local` and `services.schemas` the only module that knows all services. Every command
knows `--json`: one object on standard output. Exit codes: 0 done, 1 something was found wrong or is
a bug of ours, 2 a setting, a file or an option is wrong (one line per mistake), 75 something we
need does not answer: try again later.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from services import local, metrics_page, schemas
from services.configuration.config_cli import config
from services.demo.run import run_demo
from services.dispatcher.__main__ import build as dispatcher
from services.dispatcher.cli.coupon import coupon
from services.dispatcher.cli.delivery import delivery
from services.dispatcher.cli.play import play
from services.dispatcher.cli.shadow import shadow
from services.dispatcher.cli.target import target
from services.dispatcher.cli.template import template
from services.dispatcher.cli.trying import try_target
from services.ingest.__main__ import build as ingest
from services.ingest.correct.quarantine_cli import quarantine
from services.ingest.correct.remap_cli import remap_source
from services.ingest.history.cli import import_rows
from services.ingest.tryout.cli import source
from services.segmenter.__main__ import build as segmenter
from services.segmenter.cli.customer import customer
from services.segmenter.cli.dead_letters import dead_letters
from services.segmenter.cli.erase import erase_customer, export_customer, list_erasures
from services.segmenter.cli.explain import explain_customer
from services.segmenter.cli.merge import merge_customers, unmerge_customer
from services.segmenter.cli.policy import policy
from services.segmenter.cli.quality import quality
from services.segmenter.cli.survey import survey
from services.segmenter.figures.figures_cli import figures
from shared.audit.cli import audit
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_security import security_of
from shared.database import SCHEMAS, migrate, provision
from shared.errors import ConfigError
from shared.observe import configure_logging
from shared.process import read_settings, run_or_explain, serve
from shared.settings import Secrets, Settings
from shared.shutdown import ENDING_S, Stop

app = typer.Typer(
    name="nps",
    help="Any survey tool → a governed decision per customer → any campaign platform.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(config)
app.add_typer(source)
app.add_typer(quarantine)
customer.command(name="merge")(merge_customers)
customer.command(name="unmerge")(unmerge_customer)
customer.command(name="quality")(quality)
customer.command(name="erase")(erase_customer)
customer.command(name="erasures")(list_erasures)
customer.command(name="export")(export_customer)
app.add_typer(customer)
app.add_typer(survey)
target.command(name="try")(try_target)
app.add_typer(target)
app.add_typer(delivery)
app.add_typer(play)
app.add_typer(coupon)
app.add_typer(shadow)
app.add_typer(policy)
app.add_typer(template)
app.add_typer(audit)
app.add_typer(dead_letters)
app.command(name="import")(import_rows)
app.command(name="figures")(figures)
app.command(name="explain")(explain_customer)
source.command(name="remap")(remap_source)

Data = Annotated[Path, typer.Option(help="folder of the embedded default")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on standard output")]
Port = Annotated[int | None, typer.Option(help="port of 127.0.0.1 (default: NPS_PORT or 8080)")]


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    data: Data = Path("data"),
    port: Port = None,
    json: Annotated[
        bool, typer.Option("--json", help="tell where everything is as one JSON object")
    ] = False,
) -> None:
    """Run everything in one process until Ctrl-C.

    Without NPS_DATABASE_URL: PostgreSQL, bus, secrets and sandbox are all kept in the data folder.
    With it: the three services on that database and the bus that NPS_BUS names.
    """
    context.obj = local.known_secrets  # for commands that need what the embedded default made up
    if context.invoked_subcommand is not None:
        return
    settings = _settings(port)
    services = [ingest, segmenter, dispatcher]

    async def start() -> None:
        if settings.database_url:
            configure_logging(settings.log_level)
            stop = Stop(settings.drain_s + ENDING_S)
            await serve(settings, services, stop=stop, on_started=_tell_port if json else None)
        else:
            await local.run(settings, data.resolve(), services, json=json)

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
def provision_database(json: Json = False) -> None:
    """Create the schemas and their roles on NPS_DATABASE_URL (as someone who may create roles).

    A password in NPS_PASSWORD_INGEST, …_SEGMENTER, …_DISPATCHER, …_BUS lets that role log in.
    """
    passwords = {
        schema: os.environ[name]
        for schema in SCHEMAS
        if os.environ.get(name := f"NPS_PASSWORD_{schema.upper()}")
    }
    _with_database(lambda settings: provision(settings.database_url, passwords))
    roles = sorted(SCHEMAS)
    _tell(
        {"schemas": roles, "may_log_in": sorted(passwords)},
        f"Schemas and roles are there: {', '.join(roles)}.",
        json=json,
    )


@app.command(name="migrate")
def migrate_all(json: Json = False) -> None:
    """Bring every schema on NPS_DATABASE_URL to its newest migration."""

    async def all_schemas(settings: Settings) -> None:
        for schema in SCHEMAS:
            await migrate(settings.database_url, schema)

    _with_database(all_schemas)
    names = sorted(SCHEMAS)
    _tell({"migrated": names}, f"At their newest migration: {', '.join(names)}.", json=json)


@app.command()
def topics(json: Json = False) -> None:
    """Create the missing topics on NPS_KAFKA_BOOTSTRAP_SERVERS, then compare all of them."""
    created: list[str] = []

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
            security=security_of(settings, Secrets(os.environ)),
        )
        created.extend(await bus.create_topics())
        await bus.check()

    run_or_explain(create)
    words = f"Created: {', '.join(created)}." if created else "All topics were there."
    _tell({"created": created, "checked": True}, f"{words} All are as declared.", json=json)


_DOCUMENTS: Final = (*schemas.FILES, "asyncapi", "openapi", "metrics")


@app.command(name="schema")
def print_schema(
    name: Annotated[str, typer.Argument(help=f"one of {', '.join(_DOCUMENTS)}")],
) -> None:
    """Print a JSON Schema of a configuration file, or what describes topics, routes or metrics."""

    async def tell() -> None:
        if name == "metrics":
            typer.echo(await metrics_page.page(read_settings()), nl=False)
            return
        if name in schemas.FILES:
            content = schemas.schema(name)
        elif name == "asyncapi":
            content = schemas.topics()
        elif name == "openapi":
            content = await schemas.routes(read_settings())
        else:
            raise ConfigError(f"{name!r} has no schema: choose one of {', '.join(_DOCUMENTS)}")
        typer.echo(schemas.as_text(content), nl=False)

    run_or_explain(tell)


def _tell(content: Mapping[str, object], words: str, *, json: bool) -> None:
    """End a command that did its work: in words, or as one JSON object."""
    typer.echo(orjson.dumps(content).decode() if json else words)


def _tell_port(port: int) -> None:
    typer.echo(orjson.dumps({"port": port}).decode())


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
