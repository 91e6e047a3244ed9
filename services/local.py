"""`make run`: the embedded default, all in one data folder and one process.

In: a data folder (made if missing). Out: a running instance on loopback with PostgreSQL, the log in
PostgreSQL, made-up secrets that stay the same, and the campaign sandbox; then a banner that a
newcomer can act on. Only loopback: the sandbox is open to whoever reaches the port.
"""

import json
import os
import re
import secrets as random
import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from orjson import dumps

from services.ingest.examples import Answer, shop
from services.sandbox.__main__ import build as build_sandbox
from shared.database import SCHEMAS, migrate, provision
from shared.embedded import EmbeddedPostgres
from shared.errors import ConfigError
from shared.hosting import Part
from shared.observe import configure_logging
from shared.process import Build, Context, serve
from shared.settings import Settings

_REFERENCE = re.compile(r"\benv:(NPS_[A-Z0-9_]+)")
#: Set by `run` itself, or settings: never made up.
_NOT_SECRET = {"NPS_SANDBOX_URL"}


async def run(
    settings: Settings, data: Path, builds: Sequence[Build], *, json: bool = False
) -> None:
    """Start the embedded database, host all services and the sandbox, stop in order.

    Once it answers it tells where everything is: a banner, or as `json` one object.
    """
    if settings.host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError("NPS_HOST must be a loopback address without NPS_DATABASE_URL")
    data.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    configure_logging(settings.log_level, data / "nps.log")
    environ = {
        **_secrets_for(settings, data),
        **os.environ,
        "NPS_SANDBOX_URL": f"http://127.0.0.1:{settings.port}/sandbox",
    }
    postgres = EmbeddedPostgres(data / "postgres")
    url = await postgres.start()
    try:
        await provision(url)
        for schema in SCHEMAS:
            await migrate(url, schema)

        async def sandbox(context: Context) -> Part:
            return await build_sandbox(context, data / "sandbox.jsonl")

        await serve(
            settings.model_copy(update={"database_url": url}),
            [*builds, sandbox],
            environ=environ,
            on_started=lambda port: typer.echo(
                places(port, data, environ) if json else _banner(port, data, environ)
            ),
        )
    finally:
        await postgres.stop()


def known_secrets(data: Path) -> dict[str, str]:
    """Read the secrets an instance on this data folder made up (empty before its first start)."""
    try:
        found: dict[str, str] = json.loads((data / "secrets.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _secrets_for(settings: Settings, data: Path) -> dict[str, str]:
    """Make up what the configuration refers to and nobody set; keep it for the next start."""
    wanted = {settings.route_key.removeprefix("env:")} | {
        name
        for file in sorted(settings.config.glob("*.yaml"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith("#")
        for name in _REFERENCE.findall(line)
    }
    known = known_secrets(data)
    missing = sorted(wanted - known.keys() - _NOT_SECRET - os.environ.keys())
    if missing:
        known |= {name: f"whsec_{b64encode(random.token_bytes(32)).decode()}" for name in missing}
        path = data / "secrets.json"
        fresh = path.with_suffix(".new")
        with open(fresh, "w", encoding="utf-8", opener=_private) as file:
            json.dump(known, file, indent=2)
        fresh.replace(path)
    return known


def _private(path: str, flags: int) -> int:
    """Open a file that only this account reads."""
    return os.open(path, flags, 0o600)


def places(port: int, data: Path, environ: Mapping[str, str]) -> str:
    """Say where everything is, to a program."""
    url = f"http://127.0.0.1:{port}"
    return dumps(
        {
            "url": url,
            "sandbox": f"{url}/sandbox",
            "webhooks": f"{url}/v1/webhooks/{{source}}",
            "openapi": f"{url}/openapi.json",
            "operator_token": environ["NPS_TOKEN_OPERATOR"],
            "log": str(data / "nps.log"),
        }
    ).decode()


def _banner(port: int, data: Path, environ: Mapping[str, str]) -> str:
    """Say where everything is, and give one command that shows the whole path at once."""
    url = f"http://127.0.0.1:{port}"
    token = environ["NPS_TOKEN_OPERATOR"]
    request = shop(
        Answer(
            response_id="try-me-1",
            survey="relational",
            score=3,
            comment="Vos prix ont trop augmenté, c'est devenu trop cher.",
            email="camille.essai@example.com",
            language="fr",
        ),
        secret=environ["NPS_SECRET_SHOP"],
    )
    headers = " ".join(
        f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()
    )
    return f"""
NPS connector is running. Ctrl-C stops it; the data folder keeps everything.

  Sandbox (look here)  {url}/sandbox
  Webhooks             {url}/v1/webhooks/{{source}}
  Deliveries           {url}/v1/deliveries
  API description      {url}/openapi.json
  Operator's token     {token}
  Log (JSON lines)     {data / "nps.log"}

Post one signed response, then watch the sandbox:

  curl -sS {url}{request.path} {headers} \\
    -d {shlex.quote(request.body.decode())}

See what became of it:

  curl -sS {url}/v1/deliveries -H 'Authorization: Bearer {token}'

A few hundred more, in a second terminal: {demo_command(port, data)}
"""


def demo_command(port: int, data: Path) -> str:
    """Write how the demo finds this instance: what is the default, `make` need not be told."""
    words = ["make"]
    if port != 8080:
        words.append(f"PORT={port}")
    if data != Path("data"):
        words.append(f"DATA={shlex.quote(str(data))}")
    return " ".join([*words, "demo"])
