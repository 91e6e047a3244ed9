"""A running instance as a command sees it: its address, a token, and answers or clear words.

In: an address and a token from the environment (never an argument: other users of the machine could
read it there). Out: decoded JSON. A server that asks to come again is asked again for a while.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from shared.errors import ConfigError, DependencyAway

TOKEN: Final = "NPS_TOKEN"  # noqa: S105 - its name
_OPERATOR: Final = "NPS_TOKEN_OPERATOR"
#: Long enough for a page of a hundred rows with a slow broker.
_TIMEOUT_S: Final = 120.0
#: With the server's own `Retry-After` of 2 to 10 s this bridges the restart of a broker.
_ATTEMPTS: Final = 20
_JSON: Final = {"Content-Type": "application/json"}
_LONGEST_S: Final = 30.0

Url = Annotated[
    str,
    typer.Option(
        envvar="NPS_URL", help="address of a running instance; its token comes from NPS_TOKEN"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on standard output")]
HERE: Final = "http://127.0.0.1:8080"


class Refused(Exception):
    """The server said no, for good; the text is its own and names the fix."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} (HTTP {status})")
        self.status = status
        self.code = code


class Server:
    """One instance. `rest` waits between attempts (seconds)."""

    def __init__(self, client: httpx.Client, rest: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._rest = rest
        self._reached = False

    def get(self, path: str, **query: Any) -> Any:
        """Ask for something; a query that is None is left out."""
        said = {name: value for name, value in query.items() if value is not None}
        return self._call(lambda: self._client.get(path, params=said))

    def post(self, path: str, content: Mapping[str, Any]) -> Any:
        """Ask for something to be done. All that we ask may be asked twice."""
        # In ASCII: also a text that is no Unicode, which the server then refuses in words.
        body = json.dumps(dict(content)).encode()
        return self._call(lambda: self._client.post(path, content=body, headers=_JSON))

    def _call(self, call: Callable[[], httpx.Response]) -> Any:
        for _ in range(_ATTEMPTS):
            try:
                answer = call()
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise ConfigError(f"NPS_URL is no address: {error}") from None
            except httpx.TransportError:
                if not self._reached:  # nobody is there; later it may be a restart
                    raise DependencyAway(str(self._client.base_url)) from None
            else:
                self._reached = True
                if answer.is_success:
                    return answer.json()
                if answer.status_code not in (429, 503):
                    raise _refused(answer)
                self._rest(_wait(answer))
                continue
            self._rest(1.0)
        raise DependencyAway(str(self._client.base_url))


def _wait(answer: httpx.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return min(float(said), _LONGEST_S) if said.isascii() and said.isdigit() else 1.0


def _refused(answer: httpx.Response) -> Exception:
    try:
        document = answer.json()
        code = str(document["type"]).removeprefix("urn:nps:problem:")
        detail = str(document["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = "http", "this is no answer of the connector: correct --url (NPS_URL)"
    if answer.status_code in (401, 403):
        return ConfigError(f"{TOKEN}: {detail}")
    return Refused(answer.status_code, code, detail)


def _made_up(context: typer.Context, url: str) -> str:
    """Find the token that the embedded default made up, for an instance on this machine only.

    Whoever composed the commands put a reader of the data folder into the context, or nothing.
    """
    if not callable(context.obj) or not url.startswith(("http://127.0.0.1:", "http://localhost:")):
        return ""
    return str(context.obj(Path("data")).get(_OPERATOR, ""))


@contextmanager
def server(
    context: typer.Context, url: str, environ: Mapping[str, str] = os.environ
) -> Iterator[Server]:
    """Open the way to an instance. Raises `ConfigError` without a token."""
    token = environ.get(TOKEN, "").strip() or _made_up(context, url)
    if not token:
        raise ConfigError(
            f"{TOKEN} is not set: give a token of access.yaml with the scopes read and operate "
            "(`make run` prints one)"
        )
    if not token.isascii() or not token.isprintable():
        raise ConfigError(f"{TOKEN} holds characters that a header cannot take")
    headers = {"Authorization": f"Bearer {token}"}
    try:
        client = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.InvalidURL as error:
        raise ConfigError(f"NPS_URL is no address: {error}") from None
    with client:
        yield Server(client)


@contextmanager
def explained() -> Iterator[None]:
    """End with words and a code instead of a traceback: 1 refused, 2 to be set right, 75 away."""
    try:
        yield
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from None
    except DependencyAway as error:
        sys.stderr.write(f"{error} does not answer: start it, or correct --url, then again\n")
        raise typer.Exit(75) from None
