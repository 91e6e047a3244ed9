"""`nps figures`: the score of a period, what is behind it, and the alerts, at a running instance.

In: the instance's address and a token from NPS_TOKEN. Out: tables, or with `--json` what the API
answered. Exit codes: 0 done, 1 refused, 2 a setting or an option is wrong, 75 no instance answers.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.segmenter.figures.question import Unanswerable, check_compare
from shared.errors import ConfigError
from shared.instance import HERE, Json, Url, explained, server
from shared.screen import cell, table_of, write_json

_SEGMENTS: Final = ("detractor", "passive", "promoter")
_STYLES: Final = {"detractor": "red", "passive": "yellow", "promoter": "green"}
#: Cells of a bar from -100 to 100.
_WIDE: Final = 20

_Survey = Annotated[str | None, typer.Option(help="only answers to this survey")]
_Source = Annotated[str | None, typer.Option(help="only answers from this source")]
_From = Annotated[str | None, typer.Option("--from", help="first day: 2026-01-01, or a moment")]
_To = Annotated[str | None, typer.Option("--to", help="last day, or a moment; now if left out")]
_By = Annotated[str | None, typer.Option(help="groups: attribute:store or answer:reasons")]
_Compare = Annotated[
    str | None,
    typer.Option(help="with previous, 2025-01-01..2025-03-31 or value:Lyon (needs --by)"),
]
_Show = Annotated[str | None, typer.Option(help="of score,response,moves,churn,loop; else all")]


def figures(
    context: typer.Context,
    *,
    survey: _Survey = None,
    source: _Source = None,
    start: _From = None,
    end: _To = None,
    by: _By = None,
    compare: _Compare = None,
    show: _Show = None,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="the alerts on figures instead, open ones first")
    ] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Tell the Net Promoter Score with its interval, by group, compared, and the loop behind it."""
    with explained(), server(context, url) as at:
        if alerts:
            told = at.get("/v1/nps/alerts")
        else:
            _check(compare, by)
            told = at.get(
                "/v1/nps",
                **{"from": start, "to": end},
                survey=survey,
                source=source,
                by=by,
                compare=compare,
                show=show,
            )
    if json:
        write_json(told)
        return
    console = Console(highlight=False)
    console.print(_alerts(told) if alerts else _figures(told))


def _check(compare: str | None, by: str | None) -> None:
    """Say what is wrong with a comparison before anybody is asked. Raises `ConfigError`."""
    try:
        if compare:
            check_compare(compare, grouped=bool(by))
    except Unanswerable as error:
        raise ConfigError(f"--{error}") from None


def _figures(told: Mapping[str, Any]) -> RenderableType:
    parts: list[RenderableType] = [_head(told), _groups(told)]
    if left := told["groups_left_out"]:
        parts.append(Text(f"… and {left} smaller groups", style="dim"))
    if told["compared_with"]:
        parts.append(_differences(told))
    parts.append(_distribution(told["overall"]))
    for objective in told["overall"]["objectives"]:
        parts.append(_objective(objective))
    if told["moves"]:
        parts.append(_moves(told["moves"]))
    if told["churn"]:
        parts.append(_churn(told["churn"]))
    if told["loop"]:
        parts.append(_loop(told["loop"]))
    return Group(*parts)


def _head(told: Mapping[str, Any]) -> Text:
    words = [told["survey"] or "all surveys"]
    words += [f"from {told['source']}"] if told["source"] else []
    words.append(_period(told["period"]))
    if other := told["compared_with"]:
        against = _period(other["period"]) if other["period"] else str(other["value"])
        words.append(f"compared with {against}")
    return Text(", ".join(words), style="bold")


def _period(period: Mapping[str, str]) -> str:
    start, end = (period[name][:16].replace("T", " ") for name in ("start", "end"))
    return f"{start} to {end} UTC"


def _groups(told: Mapping[str, Any]) -> Table:
    table = _table(told["by"] or "", "n", "NPS", "95 %", "-100      0      +100", "answered")
    for name, one in _named(told):
        score = Text("none") if one["nps"] is None else Text(f"{one['nps']:+.1f}", style="bold")
        rate = _rate(one["response"])
        table.add_row(name, cell(one["n"]), score, _interval(one), _bar(one), cell(rate))
    return table


def _table(first: str, *others: str) -> Table:
    """Begin a table whose first column alone may be broken."""
    table = table_of(first)
    for name in others:
        table.add_column(name, no_wrap=True)
    return table


def _named(told: Mapping[str, Any]) -> Iterator[tuple[Text, Mapping[str, Any]]]:
    """List all together, then each group with what it is called."""
    yield cell("all"), told["overall"]
    for one in told["groups"]:
        yield cell("(unknown)" if one["value"] is None else one["value"]), one


def _interval(one: Mapping[str, Any]) -> Text:
    found = one["interval"]
    if one["too_few"]:
        return Text("too few answers", style="dim")
    return Text(f"{found['low']:+.1f} to {found['high']:+.1f}" if found else "")


def _bar(one: Mapping[str, Any]) -> Text:
    """Draw the interval as a line from -100 to 100, with the score on it."""
    found = one["interval"]
    if found is None:
        return Text("")
    low, high, middle = (
        min(_WIDE, max(0, round((value + 100) / 200 * _WIDE)))
        for value in (found["low"], found["high"], one["nps"])
    )
    drawn = ["─" if low <= place <= high else "·" for place in range(_WIDE + 1)]
    drawn[middle] = "●"
    return Text("".join(drawn), style="dim" if one["too_few"] else "")


def _rate(response: Mapping[str, Any] | None) -> str:
    if response is None or response["rate"] is None:
        return ""
    return f"{response['rate']:.1f} % of {response['invited']}"


def _differences(told: Mapping[str, Any]) -> Table:
    """Show each group beside what it is compared with, and whether the difference is real."""
    table = _table(told["by"] or "", "NPS", "compared with", "difference", "95 %", "")
    for name, one in _named(told):
        other, found = one["other"], one["difference"]
        if other is None or found is None:
            continue
        low, high = found["interval"]["low"], found["interval"]["high"]
        table.add_row(
            name,
            cell(f"{one['nps']:+.1f}"),
            cell(f"{other['nps']:+.1f}, n {other['n']}"),
            cell(f"{found['points']:+.1f}"),
            cell(f"{low:+.1f} to {high:+.1f}"),
            _verdict(found),
        )
    return table


def _verdict(found: Mapping[str, Any]) -> Text:
    if not found["enough"]:
        return Text("too few answers", style="dim")
    if found["real"]:
        return Text("real", style="green" if found["points"] > 0 else "red")
    return Text("may be chance", style="dim")


def _distribution(one: Mapping[str, Any]) -> Table:
    table = table_of(*(str(score) for score in range(11)), *_SEGMENTS)
    shares = [one["segments"][segment] for segment in _SEGMENTS]
    table.add_row(
        *(cell(n) for n in one["distribution"]),
        *(
            Text(_part(share["n"], share["share"]), style=_STYLES[segment])
            for segment, share in zip(_SEGMENTS, shares, strict=True)
        ),
    )
    return table


def _part(n: int, share: float | None) -> str:
    return f"{n}" if share is None else f"{n} ({share:.1f} %)"


def _objective(one: Mapping[str, Any]) -> Text:
    name = "NPS" if one["name"] == "nps" else f"share of {one['name']}s"
    style = "green" if one["reached"] else "red"
    words = "reached" if one["reached"] else f"{-one['distance']:.1f} points away"
    return Text(f"objective {name} {one['target']:g}: {one['actual']:g}, {words}", style=style)


def _moves(told: Mapping[str, Any]) -> Text:
    return Text(
        f"moves: {told['up']} up, {told['down']} down, {told['same']} same, "
        f"{told['first']} first answers"
    )


def _churn(told: Mapping[str, Any]) -> Text:
    parts = [f"{_part(told[one]['churned'], told[one]['share'])} {one}s" for one in _SEGMENTS]
    return Text(f"churned by now: {', '.join(parts)}")


def _loop(told: Mapping[str, Any]) -> Text:
    contacts, cases, recovery = told["contacts"], told["cases"], told["recovery"]
    contacted = _part(contacts["contacted"], contacts["share"])
    resolved = _part(cases["resolved"], cases["share"])
    recovered = _part(recovery["recovered"], recovery["share"])
    return Text(
        f"loop: {contacted} of {contacts['detractors']} detractors contacted"
        f"{_soon(contacts['median_hours'])}; {resolved} of {cases['opened']} cases resolved"
        f"{_soon(cases['median_hours'])}; {recovered} recovered, "
        f"{recovery['still_detractor']} still detractors, {recovery['silent']} silent, "
        f"{recovery['pending']} with time left to answer"
    )


def _soon(hours: float | None) -> str:
    return "" if hours is None else f" (median {hours:.1f} h)"


def _alerts(told: Mapping[str, Any]) -> RenderableType:
    if not told["alerts"]:
        return Text("no figure changed for real: all is quiet")
    table = table_of("alert", "group", "state", "since", "from", "to", "why")
    for one in told["alerts"]:
        table.add_row(
            cell(one["alert"]),
            cell(one["value"] or "all"),
            Text(one["state"], style="red" if one["state"] == "open" else "green"),
            cell(one["since"][:16].replace("T", " ")),
            cell(f"{one['before']['nps']:+.1f}, n {one['before']['n']}"),
            cell(f"{one['after']['nps']:+.1f}, n {one['after']['n']}"),
            cell(f"{one['direction']}: {one['reason'].replace('_', ' ')}"),
        )
    return table
