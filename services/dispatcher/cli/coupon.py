"""`nps coupon …`: codes into pools, and how many are left, at a running instance.

In: a file with a code a line, the instance's address and a token from NPS_TOKEN. Out: counts, in
words or with `--json` as one JSON object. Exit codes: 0 done, 1 refused, 2 a file or an option is
wrong, 75 no instance answers.
"""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer
from rich.console import Console

from shared.errors import ConfigError
from shared.instance import HERE, Json, Url, explained, server
from shared.screen import cell, table_of, write_json

#: As many as one request may hold.
_AT_ONCE: Final = 10_000

coupon = typer.Typer(
    name="coupon",
    help="The codes that plays hand out. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@coupon.command(name="import")
def import_codes(
    context: typer.Context,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="as coupon_pools names it")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a code a line")],
    *,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Add codes to a pool; those it has already, free or given, are left out."""
    with explained():
        codes = _read(file)
        added = known = 0
        with server(context, url) as at:
            for start in range(0, len(codes), _AT_ONCE):
                part = codes[start : start + _AT_ONCE]
                answer = at.post(f"/v1/coupons/{quote(pool, safe='')}", {"codes": part})
                added += answer["added"]
                known += answer["known"]
    if json:
        write_json({"pool": pool, "added": added, "known": known})
    else:
        Console(highlight=False).print(f"{pool}: {added} added, {known} known already")


@coupon.command(name="list")
def list_pools(context: typer.Context, *, url: Url = HERE, json: Json = False) -> None:
    """Count the codes of every pool."""
    with explained(), server(context, url) as at:
        found = at.get("/v1/coupons")
    if json:
        write_json(found)
        return
    table = table_of("pool", "free", "given", "in this period", "of at most")
    for one in found["pools"]:
        names = ("pool", "free", "given", "given_in_period", "most_in_period")
        table.add_row(*(cell(one[name]) for name in names))
    Console(highlight=False).print(table)


def _read(file: Path) -> list[str]:
    """Read a code a line, blank lines left out. Raises `ConfigError`."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as text ({type(error).__name__})") from None
    codes = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not codes:
        raise ConfigError(f"{file}: no code is in it; write one a line")
    return codes
