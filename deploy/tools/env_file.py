"""Make up the secrets of `deploy/compose.yaml`, once, for `make up`; tell where everything is.

In: the compose file, and the `.env` beside it if there is one. Out: that file, readable by this
account alone, with a value for each secret the compose file asks for. What stands there already is
never changed: the database knows its passwords, senders know theirs.
"""

import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final

#: `${NAME:?why}`: a variable without which compose does not start.
_NEEDED: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*):\?")
_SET: Final = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def needed(compose: str) -> list[str]:
    """Name the variables that a compose file asks for, sorted."""
    return sorted(set(_NEEDED.findall(compose)))


def known(text: str) -> dict[str, str]:
    """Read the values of an `.env` file."""
    return {name: value.strip().strip("'\"") for name, value in _SET.findall(text)}


def complete(compose: Path, environ: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Write what is missing into `.env`; give all it holds, and the names that are new.

    What the environment of the command sets is not made up: compose takes it first.
    """
    path = compose.with_name(".env")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    there = known(text)
    new = [
        name
        for name in needed(compose.read_text(encoding="utf-8"))
        if not there.get(name) and not environ.get(name)
    ]
    if new:
        # Letters, digits, `-` and `_`: these stand in URLs, too.
        made = {name: secrets.token_urlsafe(32) for name in new}
        start = text if text.endswith("\n") or not text else f"{text}\n"
        fresh = path.with_name(".env.new")
        fresh.unlink(missing_ok=True)
        with open(fresh, "w", encoding="utf-8", opener=_private) as file:
            file.write(start + "".join(f"{name}={value}\n" for name, value in made.items()))
        fresh.replace(path)
        there |= made
    return there, new


def _private(path: str, flags: int) -> int:
    """Open a file that only this account reads."""
    return os.open(path, flags | os.O_EXCL, 0o600)


def places(token: str) -> str:
    """Say where everything is that `compose.yaml` publishes."""
    return f"""
NPS connector is running. `make down` stops it; the volumes keep everything.

  Sandbox (look here)  http://127.0.0.1:8110/sandbox
  Webhooks             http://127.0.0.1:8080/v1/webhooks/{{source}}
  Customers, figures   http://127.0.0.1:8090/v1/nps
  Deliveries           http://127.0.0.1:8100/v1/deliveries
  Operator's token     {token}
  Secrets              deploy/.env
  Logs                 docker compose -f deploy/compose.yaml logs --follow
"""


def main(arguments: list[str]) -> int:
    """Be `env_file.py compose.yaml` (make up secrets) or `… compose.yaml --places` (tell)."""
    compose = Path(arguments[0])
    values, new = complete(compose, dict(os.environ))
    if arguments[1:] == ["--places"]:
        print(places(os.environ.get("NPS_TOKEN_OPERATOR") or values["NPS_TOKEN_OPERATOR"]))  # noqa: T201
    elif new:
        print(f"Made up {len(new)} secrets: {compose.with_name('.env')}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
