"""What the commands about sources show: tables for a person, JSON for a program.

In: what was inspected or tried. Out: text that reads at 80 columns, plain where nobody looks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.ingest.told import Ignored, Outcome, Thin, Translated
from services.ingest.tryout.guesses import foremost
from services.ingest.tryout.inspection import Inspected
from services.ingest.tryout.suggest import Suggestion
from services.ingest.tryout.trace import Field
from services.ingest.tryout.trial import Message, Trial, scheme_text

#: More of what nobody reads is told as a number.
_MOST_UNREAD: Final = 15
_MOST_CANDIDATES: Final = 3
_MOST_SHOWN: Final = 60
_PLACE: Final = re.compile(r"\[[0-9]+\]")
_STYLES: Final = {"refused": "bold red", "left out": "yellow", "cleared": "magenta"}


def as_text(value: object, most: int = _MOST_SHOWN) -> str:
    """Write a value of a message on one line, cut where it is long."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def table(*columns: str, spare: int = 0) -> Table:
    """Make a table without lines, whose cells are folded rather than cut.

    `spare` is how many columns a screen has beyond 80.
    """
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        number = column in ("µs", "fields")
        made.add_column(
            column,
            overflow="fold",
            justify="right" if number else "left",
            width=_WIDTHS.get(column),
            max_width=_MOST_WIDTHS[column] + spare // 2 if column in _MOST_WIDTHS else None,
        )
    return made


#: Fixed, for at 80 columns the widest would leave the others nothing. 26 holds the longest name of
#: a canonical answer (answers.callback_requested).
_WIDTHS: Final = {"µs": 6, "field": 26}
_MOST_WIDTHS: Final = {"value": 23, "found by": 19, "what stands there": 42}


def show_sources(
    console: Console, sources: Sequence[Inspected], told: Mapping[str, Sequence[str]]
) -> None:
    """Show what `check` found; `told` holds lines under errors, warnings and notes."""
    if sources:
        made = table("source", "becomes", "fields", "verified by")
        for one in sources:
            name = Text(one.name, style="red" if one.problems else "")
            scheme = scheme_text(one.entry) if one.entry else ""
            made.add_row(name, ", ".join(one.becomes), str(one.fields), scheme)
        console.print(made)
    for title, style in (("errors", "bold red"), ("warnings", "yellow"), ("notes", "dim")):
        if told[title]:
            console.print(Text(f"\n{title}", style=style))
            for line in told[title]:
                console.print(Text(line), soft_wrap=True)
    counts = [counted(len(lines), title) for title, lines in told.items() if title != "notes"]
    console.print(Text(f"\n{counted(len(sources), 'sources')}: {', '.join(counts)}"))


def counted(number: int, things: str) -> str:
    """Write how many there are: 1 error, 2 errors."""
    return f"{number} {things.removesuffix('s') if number == 1 else things}"


def show_trial(console: Console, source: str, trial: Trial) -> None:
    """Show what would become of one request."""
    signature = trial.signature
    word = {True: "holds", False: "DOES NOT HOLD", None: "not checked"}[signature.holds]
    style = {True: "green", False: "bold red", None: "yellow"}[signature.holds]
    console.print(Text.assemble("signature  ", (word, style), f"  ({signature.scheme})"))
    for reason in signature.why:
        console.print(Text(f"           {reason}"), soft_wrap=False)
    console.print(Text(f"answer     {trial.answer}"))
    if trial.undecodable:
        console.print(Text(f"body       {trial.undecodable}", style="bold red"))
    many = len(trial.messages) > 1
    for number, message in enumerate(trial.messages, start=1):
        console.print()
        if many:
            console.print(Text(f"message {number} of {len(trial.messages)}", style="bold"))
        _show_message(console, source, message)
    costs = trial.costs
    console.print(
        Text(
            f"\ncost       verify {costs.verify:.0f} + decode {costs.decode:.0f} + "
            f"translate {costs.translate:.0f} = {costs.total:.0f} µs"
        )
    )


def _show_message(console: Console, source: str, message: Message) -> None:
    console.print(_outcome(source, message))
    if message.fields:
        made = table("field", "value", "found by", "µs", spare=max(0, console.width - 80))
        for one in message.fields:
            made.add_row(Text(one.name), _value(one), Text(one.path), f"{one.micros:.1f}")
        console.print(made)
    if message.unread:
        console.print(Text("\nread by no field", style="bold"))
        made = table("path", "what stands there")
        rows = _alike(message.unread)
        for path, what in rows[:_MOST_UNREAD]:
            made.add_row(Text(path), Text(what, style="dim"))
        console.print(made)
        if len(rows) > _MOST_UNREAD:
            console.print(Text(f"… and {len(rows) - _MOST_UNREAD} more"))


def _alike(unread: Sequence[tuple[str, object]]) -> list[tuple[str, str]]:
    """Tell what every element of a list has, such as its type, in one row."""
    rows: dict[str, list[tuple[str, object]]] = {}
    for path, value in unread:
        whole = isinstance(value, dict | list)
        rows.setdefault(path if whole else _PLACE.sub("[]", path), []).append((path, value))
    return [
        (same if len(found) > 1 else found[0][0], ", ".join(_few(found)))
        for same, found in rows.items()
    ]


def _few(found: Sequence[tuple[str, object]]) -> list[str]:
    texts = list(dict.fromkeys(as_text(value, 40) for _, value in found))
    return texts if len(texts) <= 3 else [*texts[:3], "…"]


def _value(one: Field) -> Text:
    if one.state in ("said", "left out"):
        said = Text(as_text(one.value).replace(".000000Z", "Z"))
    elif one.state == "not said":
        return Text("not said", style="dim")
    else:
        said = Text(one.state, style=_STYLES[one.state])
    if one.note:
        said.append(f" ({one.note})", style=_STYLES.get(one.state, ""))
    return said


def _outcome(source: str, message: Message) -> Text:
    outcome = message.outcome
    if isinstance(outcome, Translated):
        event = outcome.told.event
        return Text.assemble(
            "event      ", (event.data.TYPE, "bold green"), f"\n           id {event.id}\n"
        )
    if isinstance(outcome, Thin):
        return Text.assemble(
            "fetch      ",
            (f"{source}/{outcome.survey}/{outcome.response_id}", "bold green"),
            "\n           ids only: the response is read by the platform's API\n",
        )
    if isinstance(outcome, Ignored):
        return Text.assemble("ignored    ", (outcome.reason, "bold yellow"), "\n")
    return Text.assemble("QUARANTINE ", (f"{outcome.path}: {outcome.rule}", "bold red"), "\n")


def show_candidates(console: Console, suggestion: Suggestion, presets: Sequence[str]) -> None:
    """Show what else each field might be, and what to look at."""
    others = [one for one in suggestion.candidates if one not in suggestion.chosen]
    if others:
        made = table("or", "path", "value", "sure")
        for one in foremost(others, _MOST_CANDIDATES):
            value = Text(as_text(one.value, 24), style="dim")
            made.add_row(Text(one.field), Text(one.path), value, f"{one.confidence:.0%}")
        console.print()
        console.print(made)
    notes = [*suggestion.notes, *(f"this looks like preset: {name}" for name in presets)]
    for note in notes:
        console.print(Text(f"! {note}", style="yellow"))


def suggestion_json(suggestion: Suggestion, presets: Sequence[str]) -> dict[str, Any]:
    """Tell a proposed source as one JSON object."""
    return {
        "yaml": suggestion.yaml,
        "candidates": [asdict(one) for one in suggestion.candidates],
        "notes": list(suggestion.notes),
        "presets": list(presets),
    }


def trial_json(trial: Trial) -> dict[str, Any]:
    """Tell a trial as one JSON object."""
    return {
        "ok": trial.ok,
        "answer": trial.answer,
        "signature": asdict(trial.signature),
        "undecodable": trial.undecodable or None,
        "messages": [_message_json(message) for message in trial.messages],
        "micros": {**asdict(trial.costs), "total": trial.costs.total},
    }


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "becomes": message.becomes,
        **_outcome_json(message.outcome),
        "event": message.event,
        "fields": [asdict(one) for one in message.fields],
        "unread": [{"path": path, "value": value} for path, value in message.unread],
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Translated):
        return {"outcome": "event"}
    if isinstance(outcome, Thin):
        return {"outcome": "fetch", "survey": outcome.survey, "response_id": outcome.response_id}
    if isinstance(outcome, Ignored):
        return {"outcome": "ignored", "reason": outcome.reason}
    return {"outcome": "quarantine", "path": outcome.path, "rule": outcome.rule}


def sources_json(sources: Sequence[Inspected], told: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Tell an inspection as one JSON object."""
    return {
        "ok": not told["errors"],
        **told,
        "sources": [
            {
                "name": one.name,
                "becomes": one.becomes,
                "fields": one.fields,
                "verified_by": scheme_text(one.entry) if one.entry else None,
                "secrets_unset": one.unset,
            }
            for one in sources
        ],
    }
