"""`nps policy …`: check a policy, see what another would change, and have a new one take effect.

In: a policy file; the instance's address and a token from NPS_TOKEN. Out: counts, in words or with
`--json` as one JSON object on standard output. Exit codes: 0 done, 1 refused, 2 the policy, a
setting or an option is wrong, 75 no instance answers.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console

from services.segmenter.policy.whole import Policy
from shared.errors import ConfigError
from shared.instance import HERE, Json, Server, Url, explained, server
from shared.process import read_settings
from shared.screen import cell, table_of, write_json
from shared.settings import load_yaml

policy = typer.Typer(
    name="policy",
    help="The policy: check it, see what another would change. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

#: Rows of a page: about a second's work.
_PAGE: Final = 500
_FIRST: Final = str(UUID(int=0))


@policy.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="policy.yaml (default: that of NPS_CONFIG)")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Read a policy as a start does: every mistake with file, line and fix."""
    try:
        loaded = load_yaml(file or read_settings().config / "policy.yaml", Policy)
    except ConfigError as error:
        if json:
            write_json({"errors": str(error).splitlines(), "version": None})
        else:
            sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    if json:
        write_json({"errors": [], "version": loaded.version})
    else:
        typer.echo(f"{loaded.path}: no mistake; its version is {loaded.version}")


@policy.command()
def recompute(
    context: typer.Context,
    *,
    file: Annotated[
        Path | None, typer.Option("--policy", help="another policy, with --diff")
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="show what --policy would change; nothing is written")
    ] = False,
    customers: Annotated[
        bool, typer.Option("--customers", help="with --diff: the ids that differ, and how")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="have those decided about anew; else they are counted")
    ] = False,
    most: Annotated[
        int | None, typer.Option(min=1, help="look at so many customers: a sample, ids are random")
    ] = None,
    rate: Annotated[
        int, typer.Option(min=1, max=5000, help="with --apply: customers told a second")
    ] = 100,
    after: Annotated[
        UUID | None, typer.Option("--from", help="go on where an earlier run was interrupted")
    ] = None,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Fold all customers under another policy, or have the one in force take effect for all.

    A policy is put in force by a restart with it. From then on each event is decided under it;
    whom no event touches is told by this command, and no play looks at it.
    """
    with explained():
        start = str(after or _FIRST)
        if diff or file is not None or customers:
            wish = {"policy": _text(file, diff=diff, apply=apply), "customers": customers}
            with server(context, url) as at:
                _show_diff(list(pages_of(at, "diff", wish, start, most)), json=json)
            return
        with server(context, url) as at:
            pages = pages_of(at, "recompute", {"apply": apply}, start, most)
            _show_recomputed(list(paced(pages, rate)), json=json, applied=apply)


def _text(file: Path | None, *, diff: bool, apply: bool) -> str:
    """Read the other policy. Raises `ConfigError`."""
    if apply or not diff or file is None:
        raise ConfigError(
            "--policy and --diff belong together, and write nothing; a policy is put in force by a "
            "restart with it, and then --apply tells whom it changes"
        )
    return load_yaml(file, Policy).text


def pages_of(
    at: Server, verb: str, wish: dict[str, Any], start: str, most: int | None
) -> Iterator[dict[str, Any]]:
    """Ask page by page, for `most` rows in all; where to go on is told should one fail."""
    cursor: str | None = start
    left = most
    try:
        while cursor is not None and (left is None or left > 0):
            size = _PAGE if left is None else min(_PAGE, left)
            page = at.post(f"/v1/policy/{verb}", {**wish, "after": cursor, "most": size})
            cursor, left = page["next"], None if left is None else left - size
            yield page
    except BaseException:
        if cursor not in (None, start):
            sys.stderr.write(f"interrupted: go on with --from {cursor}\n")
        raise


def paced(
    pages: Iterator[dict[str, Any]], rate: int, rest: Callable[[float], None] = time.sleep
) -> Iterator[dict[str, Any]]:
    """Rest after each page for as long as its customers may take."""
    for page in pages:
        yield page
        if page["told"]:
            rest(page["told"] / rate)


def _show_diff(pages: list[dict[str, Any]], *, json: bool) -> None:
    tallies: Counter[tuple[str, str, str]] = Counter()
    for page in pages:
        for one in page["tallies"]:
            tallies[one["aspect"], one["before"], one["after"]] += one["customers"]
    changed = [one for page in pages for one in page["customers"]]
    looked, differ = (sum(page[name] for page in pages) for name in ("looked", "differ"))
    if json:
        moved = [
            {"aspect": aspect, "before": before, "after": after, "customers": count}
            for (aspect, before, after), count in sorted(tallies.items())
        ]
        versions = {name: pages[0][name] for name in ("before", "after")}
        found = {"looked": looked, "differ": differ, "tallies": moved, "customers": changed}
        write_json({**versions, **found})
        return
    console = Console(highlight=False)
    table = table_of("what", "which", "before", "after", "change")
    for aspect, value, before, after in _sides(tallies):
        if before != after:
            table.add_row(*map(cell, (aspect, value, before, after, f"{after - before:+}")))
    console.print(table)
    for one in changed:
        console.print(cell(one["customer_id"]))
        for each in one["differences"]:
            console.print(cell(f"  {each['aspect']}: {_both(each)}"), soft_wrap=True)
    console.print(f"{differ} of {looked} customers differ; nothing was written")


def _sides(tallies: Counter[tuple[str, str, str]]) -> Iterator[tuple[str, str, int, int]]:
    """Tell for each value of each aspect how many customers have it before, and after."""
    before: Counter[tuple[str, str]] = Counter()
    after: Counter[tuple[str, str]] = Counter()
    for (aspect, was, now), count in tallies.items():
        before[aspect, was] += count
        after[aspect, now] += count
    for aspect, value in sorted(before.keys() | after.keys()):
        yield aspect, value, before[aspect, value], after[aspect, value]


def _both(difference: dict[str, Any]) -> str:
    """Tell both values; of lists what goes and what comes."""
    before, after = difference["before"], difference["after"]
    if before is None and after is None:
        return "differs"
    if isinstance(before, list) and isinstance(after, list):
        goes = [f"- {one}" for one in before if one not in after]
        comes = [f"+ {one}" for one in after if one not in before]
        return "; ".join((*goes, *comes)) or "in another order"
    told = ("nothing" if one is None else str(one) for one in (before, after))
    return " → ".join(told)


def _show_recomputed(pages: list[dict[str, Any]], *, json: bool, applied: bool) -> None:
    names = ("looked", "current", "unknown", "differ", "told")
    found = {name: sum(page[name] for page in pages) for name in names}
    if json:
        write_json({"policy": pages[0]["policy"], **found})
        return
    typer.echo(
        f"policy {pages[0]['policy']}: of {found['looked']} customers {found['current']} were "
        f"decided about under it already; {found['differ']} others differ under it"
    )
    if found["unknown"]:
        typer.echo(f"{found['unknown']} of them were decided about under one not known any more")
    if applied:
        typer.echo(f"{found['told']} are decided about anew; no play looks at it")
    elif found["differ"]:
        typer.echo("nothing was written: --apply has them decided about anew")
