"""`nps customer merge` and `nps customer unmerge`, at a running instance.

In: customers, the instance's address and a token from NPS_TOKEN. Out: what would come out
(`--preview`) or the event that asks for it, in words or with `--json` as one JSON object. Exit
codes: 0 done, 1 refused, 2 an option is wrong, 75 no instance answers.
"""

from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from shared.errors import ConfigError
from shared.instance import HERE, Json, Url, explained, server
from shared.screen import write_json

_KINDS: Final = ("external_id", "email", "phone")
#: How a customer is named on a command line.
WHO: Final = "her id, or external_id:…, email:… or phone:…"
Preview = Annotated[
    bool, typer.Option("--preview", help="only show what would come out; nothing is changed")
]


def merge_customers(
    context: typer.Context,
    one: Annotated[str, typer.Argument(metavar="A", help=WHO)],
    other: Annotated[str, typer.Argument(metavar="B", help=WHO)],
    *,
    preview: Preview = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Make two customers one: histories joined in time, of the consents the stricter state.

    What is typed here others on this machine may see while the command runs: an id tells nothing.
    """
    with explained():
        wish = {"a": named(one), "b": named(other), "preview": preview}
        _ask(context, url, "merge", wish, json=json)


def unmerge_customer(
    context: typer.Context,
    customer_id: Annotated[str, typer.Argument(metavar="ID", help="the id that was merged")],
    *,
    preview: Preview = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Undo a merge: both are as they were, and no event makes them one again."""
    with explained():
        try:
            wish = {"customer_id": str(UUID(customer_id)), "preview": preview}
        except ValueError:
            raise ConfigError("give the id that was merged, as `aliases` lists it") from None
        _ask(context, url, "unmerge", wish, json=json)


def named(said: str) -> dict[str, str]:
    """Read who is meant, for the body of a request. Raises `ConfigError`."""
    kind, colon, value = said.partition(":")
    if colon and kind in _KINDS:
        return {kind: value}
    try:
        return {"customer_id": str(UUID(said))}
    except ValueError:
        raise ConfigError(f"name a customer by {WHO}") from None


def _ask(context: typer.Context, url: str, verb: str, wish: dict[str, Any], *, json: bool) -> None:
    with server(context, url) as at:
        answer = at.post(f"/v1/customers/{verb}", wish)
    if json:
        write_json(answer)
        return
    console = Console(highlight=False)
    if not wish["preview"]:
        console.print(f"asked for: event {answer['event_id']}")
        return
    show_preview(console, answer)
    console.print("Nothing was changed: leave --preview out to do it.")


def show_preview(console: Console, answer: dict[str, Any]) -> None:
    """Print who there is before and after, without a single identifier."""
    for name in ("before", "after"):
        console.print(Text(name, style="bold"))
        for side in answer[name]:
            console.print(Text(_line(side)), soft_wrap=True)
    if answer["consents_differ"]:
        console.print("One refused what the other granted: of both as one the refusal stands.")


def _line(side: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in side["identifiers"].items())
    consents = ", ".join(
        f"{one['purpose']} by {one['channel']} {one['state']}" for one in side["consents"]
    )
    holds = ", ".join(hold["rule"] for hold in side["holds"])
    return (
        f"  {side['customer_id']}  {side['segment'] or 'no segment'}, "
        f"responses: {side['responses']}; known by {kinds or 'nothing'}; "
        f"consents: {consents or 'none said'}; holds: {holds or 'none'}"
    )
