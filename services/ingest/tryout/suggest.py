"""A source proposed from one sample: how it is decoded, told from a stranger, and read. Pure.

In: a captured message (its headers, where they were captured) and the name of the new source. Out:
YAML that loads and maps the sample, with the reason of every line, for a person to check.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from services.ingest.decode.decoders import Undecodable, compile_decoder
from services.ingest.decode.payload import Payload
from services.ingest.mapper.compiler import inheriting
from services.ingest.mapper.moments import DateOrder, parse
from services.ingest.mapper.paths import compile_path
from services.ingest.mapper.reading import says_nothing
from services.ingest.mapper.reads import Hashed, Picked, is_shorthand
from services.ingest.mapper.values import Unreadable, word
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourceEntry
from services.ingest.tryout.guesses import Candidate, best, candidates
from services.ingest.tryout.kinds import OtherKind, other_kind
from services.ingest.tryout.proof import Proof, proof_of
from services.ingest.tryout.seen import Sample, look
from services.ingest.tryout.shape import Shape, shape_of

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
#: Words that say of a message that it is the last of its answer.
_DONE: Final = frozenset(
    {"completed", "complete", "finished", "done", "submitted", "true", "final"}
)
_STATE: Final = frozenset(
    {"status", "state", "finished", "completed", "complete", "is complete", "done"}
)
_UNDONE: Final = frozenset({"unfinished", "incomplete", "partial", "is partial", "draft"})
#: Questions that were seen and have no canonical name: as many as one looks through.
_MOST_OTHERS: Final = 20


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A proposed source: its YAML, every candidate, those chosen of them, and what to look at."""

    yaml: str
    candidates: tuple[Candidate, ...]
    chosen: tuple[Candidate, ...]
    notes: tuple[str, ...]


def suggest(inbound: Inbound, name: str) -> Suggestion:
    """Propose a source named `name`. Raises `Undecodable` where no decoder reads the sample."""
    shape = shape_of(inbound)
    sample = look(shape.payload.body)
    found = candidates(sample.seen)
    chosen = best(found)
    proof = proof_of(inbound)
    notes = [f"elements of {path} have no key of their own: not mapped" for path in sample.unnamed]
    if shape.differing is not None:
        path, kinds = shape.differing
        told = ", ".join(kinds)
        notes.append(f"messages of several kinds by {path} ({told}): see `kinds` and `ignore`")
    other = other_kind(sample.seen, chosen)
    if other is not None:
        notes.append(f"no score was found: taken as {other.becomes} for what {other.path} says")
    elif "score" not in chosen:
        notes.append("no score was found: put the path of the question, or fetch the response")
    if "email" not in chosen and "external_id" not in chosen:
        notes.append("nobody is named: customers cannot be recognised")
    lines = [*_head(name, shape, proof), *_body(name, sample, chosen, other)]
    text = "\n".join(lines) + "\n"
    return Suggestion(text, tuple(found), tuple(chosen.values()), tuple(notes))


def resembles(preset: SourceEntry, inbound: Inbound) -> bool:
    """Tell whether a sample has the ids of a shipped preset where that preset has them.

    Only paths that lead through a key count: `id` alone is everywhere.
    """
    try:
        decoder = compile_decoder(preset.decoder, preset.json_in, preset.each)
        payload = decoder.split(decoder.read(inbound), inbound)[0]
    except Undecodable:
        return False
    ways = [inheriting(kind, preset) for kind in preset.kinds] or [preset]
    return any(_stands(way.survey, payload) and _stands(way.response_id, payload) for way in ways)


def _stands(spec: Picked | Hashed | None, payload: Payload) -> bool:
    paths = spec.from_ or () if isinstance(spec, Picked) else ()
    return any(
        "." in path and not is_shorthand(path) and not says_nothing(compile_path(path)(payload))
        for path in paths
    )


def _head(name: str, shape: Shape, proof: Proof) -> list[str]:
    variable = re.sub(r"[^A-Z0-9]+", "_", name.upper())
    lines = ["sources:", f"  {name}:"]
    if shape.decoder != "json":
        lines.append(f"    decoder: {shape.decoder}")
    if shape.json_in:
        lines.append(f"    json_in: [{', '.join(map(_quoted, shape.json_in))}]")
    if shape.each is not None:
        lines.append(f"    each: {_quoted(shape.each)}")
    lines += [f"    # {proof.reason}", *_wrapped(f"    verify: {proof.verify}")]
    return [*lines, f"    secrets: [env:NPS_SECRET_{variable}]"]


def _body(
    name: str, sample: Sample, chosen: dict[str, Candidate], other: OtherKind | None
) -> list[str]:
    if other is not None:
        return _of_another_kind(other, chosen)
    lines = _identity(name, sample, chosen)
    lines += _complete(sample)
    lines += _section("identifiers", chosen, ("email", "external_id", "phone"))
    answers = _section("answers", chosen, ("score", "comment", "language"))
    if "score" not in chosen:
        answers = answers or ["    answers:"]
        answers.insert(1, "      score: score  # not in this sample: put its path")
    lines += answers + _others(sample, chosen)
    return lines + _section("attributes", chosen, ("first_name", "last_name"))


def _of_another_kind(other: OtherKind, chosen: dict[str, Candidate]) -> list[str]:
    key, where = other.needs
    more = "Other states are other steps of the case: see `kinds`."
    if other.becomes == "message_bounced":
        more = "A bounce that passes must not close the address: see `ignore`."
    return [
        f"    # By its looks. {more}",
        f"    becomes: {other.becomes}",
        f"    {key}: {where if where.startswith('{') else _quoted(where)}",
        _line(4, "answered_at", chosen["answered_at"]),
        *_dates(chosen["answered_at"].value),
        *_section("identifiers", chosen, ("email", "external_id", "phone")),
    ]


def _wrapped(line: str) -> list[str]:
    """Break a flow mapping between its keys, where it is longer than one reads."""
    lines, rest = [""], re.split(r"(?<=,) (?=[a-z_]+: )", line)
    for part in rest:
        if lines[-1] and len(lines[-1]) + len(part) > 94:
            lines.append(" " * 13)
        lines[-1] += (" " if lines[-1].strip() else "") + part
    return lines


def _identity(name: str, sample: Sample, chosen: dict[str, Candidate]) -> list[str]:
    lines = [
        _line(4, "survey", chosen["survey"])
        if "survey" in chosen
        else f"    survey: {{constant: {_quoted(name)}}}  # not in this sample"
    ]
    if "response_id" in chosen:
        lines.append(_line(4, "response_id", chosen["response_id"]))
    else:
        # Without a time, what she said must tell one answer of hers from the next.
        told = ["email", "external_id", "answered_at"]
        told += [] if "answered_at" in chosen else ["score", "comment"]
        parts = [chosen[one].path for one in told if one in chosen]
        parts = parts or [one.path for one in sample.seen[:3]] or ["id"]
        listed = ", ".join(map(_quoted, parts))
        lines.append("    # No id in this sample: it is made of these.")
        lines.append(f"    response_id: {{hash: [{listed}]}}")
    lines += [_line(4, one, chosen[one]) for one in ("answered_at", "revision") if one in chosen]
    return lines + (_dates(chosen["answered_at"].value) if "answered_at" in chosen else [])


def _dates(value: object) -> list[str]:
    """Say what comes first in a date in figures; many a day tells it by being no month."""
    found: list[DateOrder] = []
    orders: tuple[DateOrder | None, ...] = (None, "day_first", "month_first")
    for order in orders:
        with suppress(Unreadable):
            parse(value, UTC, dates=order)
            if order is None:
                return []
            found.append(order)
    doubt = "  # or month_first: this sample fits both" if len(found) > 1 else ""
    return [f"    dates: {found[0]}{doubt}"] if found else []


def _complete(sample: Sample) -> list[str]:
    for one in sample.seen:
        if one.last in _STATE and not one.listed and word(one.value) in _DONE:
            value = _quoted(str(word(one.value)))
            return [f"    complete: {{from: {_quoted(one.path)}, is: [{value}]}}"]
        if one.last in _UNDONE and not one.listed and word(one.value) == "false":
            return [f"    complete: {{from: {_quoted(one.path)}, is: [false]}}"]
    return ["    complete: final  # if a partial answer may come, say how the last one is known"]


def _section(title: str, chosen: dict[str, Candidate], names: Sequence[str]) -> list[str]:
    lines = [_line(6, name, chosen[name]) for name in names if name in chosen]
    return [f"    {title}:", *lines] if lines else []


def _others(sample: Sample, chosen: dict[str, Candidate]) -> list[str]:
    """List the other questions, for a person to take up."""
    taken = {one.path for one in chosen.values()}
    elements = {path.rpartition("]")[0] for path in taken}
    lines: list[str] = []
    for one in sample.seen:
        element = one.path.rpartition("]")[0]
        if one.listed and element not in elements and (one.said or one.last in _SAYING):
            elements.add(element)
            said = element.rpartition("=")[2].lower()
            name = re.sub(r"[^a-z0-9]+", "_", said).strip("_")[:64]
            name = name if _NAME.fullmatch(name) else "name_it"
            lines.append(f"      # {name}: {_quoted(one.path)}")
    return lines[:_MOST_OTHERS]


#: Where an element has its answer.
_SAYING: Final = frozenset(
    {"value", "answer", "text", "number", "choice", "response", "values", "answers", "label"}
)


def _line(indent: int, key: str, found: Candidate) -> str:
    where = f"{{from: {_quoted(found.path)}, {found.part}}}" if found.part else _quoted(found.path)
    line = f"{' ' * indent}{key}: {where}"
    reason = f"# {found.confidence:.0%}: {found.reason}"
    # Within 80 columns the reason stands beside the path, else above it.
    short = len(line) + len(reason) < 79
    return f"{line}  {reason}" if short else f"{' ' * indent}{reason}\n{line}"


def _quoted(text: str) -> str:
    """Write a text as YAML; JSON's quoting is YAML's as well, but harder to read."""
    reserved = text.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
    if _PLAIN.fullmatch(text) and not reserved:
        return text
    if text.isprintable() and "'" not in text and '"' in text:
        return f"'{text}'"
    return "".join(map(_printable, json.dumps(text, ensure_ascii=False)))


def _printable(one: str) -> str:
    """Write a character that YAML takes as no text by its number."""
    return one if one.isprintable() else f"\\U{ord(one):08x}"
