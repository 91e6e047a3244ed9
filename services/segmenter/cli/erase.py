"""`nps customer erase`, `erasures` and `export`, at a running instance.

In: how a person is known, the instance's address and a token with the scope `erase` from NPS_TOKEN.
Out: what would go (`--preview`), the erasure and with `--wait` its receipt, the requests that are
not finished or one receipt, or all that is kept as one JSON object. Exit codes: 0 done, 1 refused,
2 an option is wrong, 75 no instance answers, or it is not done yet.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console

from shared.errors import ConfigError
from shared.instance import HERE, Json, Refused, Server, Url, explained, server
from shared.screen import cell, table_of, write_json

_KINDS: Final = ("external_id", "email", "phone")
_NAMES: Final = "her id, external_id:…, email:…, phone:…; - reads them from standard input"
#: How often, and how long, `--wait` looks. Done is a matter of seconds; a platform may be away.
_EVERY_S: Final = 0.5
_LOOKS: Final = 240
_AWAY: Final = 75

Names = Annotated[list[str], typer.Argument(metavar="WHO...", help=_NAMES)]
IngestUrl = Annotated[
    str | None, typer.Option(envvar="NPS_URL_INGEST", help="ingest, where it runs apart")
]
DispatcherUrl = Annotated[
    str | None, typer.Option(envvar="NPS_URL_DISPATCHER", help="dispatcher, where it runs apart")
]


def erase_customer(
    context: typer.Context,
    who: Names,
    *,
    preview: Annotated[
        bool, typer.Option("--preview", help="only count what would go; nothing is changed")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait until it is done, tell all")] = False,
    url: Url = HERE,
    dispatcher: DispatcherUrl = None,
    json: Json = False,
) -> None:
    """Forget a person everywhere. It cannot be undone.

    Name all that is known of her: what nobody tied to her is not found. What is typed here others
    on this machine may see while the command runs; an id tells nothing, nor does `-`.
    """
    with explained():
        wish = {**_wish(who), "preview": preview}
        with server(context, url) as at:
            answer = at.post("/v1/customers/erase", wish)
            if wait and not preview:
                with server(context, dispatcher or url) as other:
                    answer = _waited(at, other, answer["erasure_id"])
    if json:
        write_json(answer)
    else:
        _show(Console(highlight=False), answer)
    if wait and not preview and not _is_done(answer):
        sys.stderr.write("not done yet: look at the receipt again later\n")
        raise typer.Exit(_AWAY)


def list_erasures(
    context: typer.Context,
    erasure_id: Annotated[UUID | None, typer.Argument(help="show this one; none: all open")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="list at most so many")] = 100,
    url: Url = HERE,
    dispatcher: DispatcherUrl = None,
    json: Json = False,
) -> None:
    """List the requests that are not finished: since when, and whom they wait for."""
    with explained(), server(context, url) as at:
        if erasure_id is None:
            answer = at.get("/v1/erasures", limit=limit)
        else:
            answer = at.get(f"/v1/erasures/{erasure_id}")
            with server(context, dispatcher or url) as other:
                answer["platforms"] = _platforms(other, str(erasure_id))
    if json:
        write_json(answer)
    elif erasure_id is None:
        _list(Console(highlight=False), answer["erasures"])
    else:
        _show(Console(highlight=False), answer)


def export_customer(
    context: typer.Context,
    who: Names,
    *,
    url: Url = HERE,
    ingest: IngestUrl = None,
    dispatcher: DispatcherUrl = None,
) -> None:
    """Write everything that is kept of a person as one JSON object."""
    with explained():
        wish = _wish(who)
        with server(context, url) as at:
            known = at.post("/v1/customers/export", wish)
        found: dict[str, Any] = {"segmenter": known, "dispatcher": {}}
        if known["customer_ids"]:
            with server(context, dispatcher or url) as at:
                wanted = {"customer_ids": known["customer_ids"]}
                found["dispatcher"] = at.post("/v1/recipients/export", wanted)
        with server(context, ingest or url) as at:
            rows = _held(at, _identifiers(wish, known["identifiers"]))
            # One message may name several of her addresses.
            found["ingest"] = list({repr(row): row for row in rows}.values())
    write_json(found)


def _wish(who: list[str]) -> dict[str, Any]:
    """Read how she is named. Raises `ConfigError`."""
    said = [line.strip() for line in sys.stdin if line.strip()] if who == ["-"] else who
    wish: dict[str, Any] = {}
    for one in said:
        kind, value = _name(one)
        if kind in wish:
            raise ConfigError(f"{kind} is given twice: ask for each by itself")
        wish[kind] = value
    if not wish:
        raise ConfigError(f"name a customer by {_NAMES}")
    return wish


def _name(said: str) -> tuple[str, str]:
    kind, colon, value = said.partition(":")
    if colon and kind in _KINDS:
        return kind, value
    try:
        return "customer_id", str(UUID(said))
    except ValueError:
        raise ConfigError(f"name a customer by {_NAMES}") from None


def _identifiers(wish: dict[str, Any], known: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Put all that she is known by into as few questions as it takes, one of each kind in each."""
    values: dict[str, list[str]] = defaultdict(list)
    for kind in _KINDS:
        if kind in wish:
            values[kind].append(wish[kind])
    for one in known:
        if one["kind"] in _KINDS and one["value"] not in values[one["kind"]]:
            values[one["kind"]].append(one["value"])
    for row in zip_longest(*values.values()):
        named = dict(zip(values, row, strict=True))
        yield {kind: value for kind, value in named.items() if value is not None}


def _held(at: Server, questions: Iterator[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """Read what ingest keeps, page by page."""
    for identifiers in questions:
        cursor: dict[str, str] = {}
        while True:
            page = at.post("/v1/bodies/export", {"identifiers": identifiers, **cursor})
            yield from page["rows"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}


def _waited(
    at: Server, dispatcher: Server, erasure_id: str, rest: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Look until it is done here and at the platforms, or for as long as it is worth."""
    answer: dict[str, Any] = {}
    for _ in range(_LOOKS):
        answer = at.get(f"/v1/erasures/{erasure_id}")
        answer["platforms"] = _platforms(dispatcher, erasure_id)
        if _is_done(answer):
            break
        rest(_EVERY_S)
    return answer


def _platforms(dispatcher: Server, erasure_id: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = dispatcher.get(f"/v1/erasures/{erasure_id}/targets")
    except Refused as error:
        if error.status != 404:  # not there yet
            raise
        return None
    return found


def _is_done(answer: dict[str, Any]) -> bool:
    # The platforms' own words come with the last confirmation, or a moment after it.
    return answer.get("waits_for") == [] and answer.get("platforms") is not None


def _list(console: Console, erasures: list[dict[str, Any]]) -> None:
    if not erasures:
        console.print("None is open: everything that was asked for is done everywhere.")
        return
    table = table_of("id", "asked", "by", "waits for", "")
    for one in erasures:
        late = "late" if one["late"] else ""
        waits = ", ".join(one["waits_for"])
        table.add_row(
            *map(cell, (one["erasure_id"], one["asked_at"], one["asked_by"], waits, late))
        )
    console.print(table)


def _show(console: Console, answer: dict[str, Any]) -> None:
    if "counts" in answer:
        table = table_of("", "rows")
        for name, count in answer["counts"].items():
            table.add_row(*map(cell, (name, count)))
        console.print(table)
        console.print(f"customers: {len(answer['customer_ids'])}")
    if "erasure_id" not in answer:
        console.print("Nothing was changed: leave --preview out to do it.")
        return
    console.print(f"erasure {answer['erasure_id']}: {answer.get('state', 'asked for')}")
    if "asked_at" in answer:
        console.print(cell(f"asked {answer['asked_at']} by {answer['asked_by']}"), soft_wrap=True)
    if answer.get("waits_for"):
        console.print(f"waits for: {', '.join(answer['waits_for'])}")
    if answer.get("topics_forget_at"):
        console.print(f"the topics have forgotten by {answer['topics_forget_at']}")
    for one in (answer.get("platforms") or {}).get("targets", ()):
        console.print(cell(f"{one['target']}: {one['state']} ({one['reason']})"), soft_wrap=True)
