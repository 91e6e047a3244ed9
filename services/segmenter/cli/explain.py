"""`nps explain`: why a customer did or did not get something, at a running instance.

In: a customer, the instance's address and a token from NPS_TOKEN. Out: titled sentences in English
or French, or with `--json` one JSON object. Exit codes: 0 done, 1 nobody or several are known so, 2
a setting or an option is wrong, 75 no instance answers.
"""

from enum import Enum
from typing import Annotated, Any, Final, get_args

import typer
from rich.console import Console
from rich.text import Text

from services.segmenter.cli.merge import WHO, named
from services.segmenter.cli.survey import experience
from services.segmenter.explain.whole import Language
from shared.instance import HERE, Json, Url, explained, server
from shared.screen import write_json

#: Sections in which a dated line has others below it that explain it.
_UNDER_DATES: Final = frozenset({"decisions", "deliveries", "cases"})
Lang = Enum("Lang", {name: name for name in get_args(Language)})  # type: ignore[misc]


def explain_customer(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help=WHO)],
    *,
    lang: Annotated[Lang, typer.Option(help="the language of the sentences")] = Lang["en"],
    survey: Annotated[
        str | None, typer.Option(help="judge this survey; else those she answered")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="kind of an experience, with --at")] = None,
    at: Annotated[
        str | None, typer.Option(help="its moment, such as 2026-11-20T18:00:00+01:00")
    ] = None,
    value: Annotated[float | None, typer.Option(help="its value, where known")] = None,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Say why she did or did not get something, and what happens next if nothing else does.

    What is typed here others on this machine may see while the command runs: an id tells nothing.
    """
    with explained():
        asked = {"survey": survey, "experience": experience(kind, at, value)}
        wish = {**named(customer), "lang": lang.value, **asked}
        with server(context, url) as instance:
            answer = instance.post("/v1/customers/explain", wish)
    if json:
        write_json(answer)
    else:
        _show(Console(highlight=False), answer)


def _show(console: Console, answer: dict[str, Any]) -> None:
    for section in answer["sections"]:
        console.print(Text(section["title"], style="bold"))
        dated = section["name"] in _UNDER_DATES
        for line in section["lines"]:
            # What has no moment of its own belongs to the line above that has one.
            indent = "    " if dated and line["at"] is None else "  "
            console.print(Text(f"{indent}{line['text']}"), soft_wrap=True)
    console.print(Text(f"({answer['zone']}; {answer['customer_id']})", style="dim"))
