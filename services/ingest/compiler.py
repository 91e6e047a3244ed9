"""A source of `sources.yaml`, compiled: every path becomes a closure before the first message.

In: a complete `SourceEntry` (entry over preset). Out: a `Mapping` that `translate` reads payloads
with, or `MappingErrors` naming each key at fault. Pure.
"""

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from services.ingest import values
from services.ingest.mapping import ConsentReader, Mapping, Reader, Reading, Test
from services.ingest.paths import MISSING, Payload, Pick, compile_path, quote
from services.ingest.settings import (
    Condition,
    ConsentField,
    Picked,
    Scalar,
    SourceEntry,
    is_shorthand,
)

Location = tuple[str | int, ...]

#: How the canonical names are read; any other question takes what `values.answer` takes.
_ANSWERS: MappingOf[str, Reading] = {
    "score": values.score,
    "comment": values.text_answer,
    "liked_least": values.text_answer,
    "improve": values.text_answer,
    "liked_most": values.text_answer,
    "why": values.text_answer,
    "callback_requested": values.flag,
    "callback_slot": values.text_answer,
    "panel_opt_in": values.flag,
    "language": values.language,
}
_ATTRIBUTES: MappingOf[str, Reading] = {"tone": values.tone}


class MappingErrors(Exception):
    """What a source lacks: pairs of the key at fault and the thing to do."""

    def __init__(self, problems: Sequence[tuple[Location, str]]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = tuple(problems)


def compile_mapping(name: str, entry: SourceEntry) -> Mapping:
    """Compile one source. Raises `MappingErrors`."""
    return _Compiler(name, entry).mapping()


class _Compiler:
    """Compiles an entry and gathers everything that is wrong with it, to be told at once."""

    def __init__(self, name: str, entry: SourceEntry) -> None:
        self._name = name
        self._entry = entry
        self._problems: list[tuple[Location, str]] = []

    def mapping(self) -> Mapping:
        entry = self._entry
        survey = self._required("survey", entry.survey)
        response_id = self._required("response_id", entry.response_id)
        if not entry.answers:
            self._problems.append((("answers",), "missing: say where the score is"))
        compiled = Mapping(
            source=self._name,
            ignore=tuple(
                (self._test(("ignore", place), item), item.reason)
                for place, item in enumerate(entry.ignore)
            ),
            surveys=frozenset(entry.surveys),
            survey=survey,
            response_id=response_id,
            answered_at=self._optional("answered_at", entry.answered_at),
            revision=self._optional("revision", entry.revision),
            revision_is_time=entry.revision_is == "time",
            complete=(
                self._test(("complete",), entry.complete)
                if isinstance(entry.complete, Condition)
                else entry.complete == "final"
            ),
            zone=ZoneInfo(entry.zone),
            not_before=timedelta(days=entry.not_before_days),
            identifiers=tuple(
                (kind, self._reader(("identifiers", kind), spec))
                for kind, spec in entry.identifiers.items()
                if spec is not None
            ),
            answers=self._fields("answers", entry.answers, _ANSWERS, values.answer),
            attributes=self._fields("attributes", entry.attributes, _ATTRIBUTES, values.attribute),
            consents=tuple(
                self._consent(("consents", place), item)
                for place, item in enumerate(entry.consents)
            ),
        )
        if self._problems:
            raise MappingErrors(self._problems)
        return compiled

    def _required(self, key: str, spec: Picked | None) -> Reader:
        if spec is None:
            self._problems.append(((key,), f"missing: say where the {key} is, or choose a preset"))
            return Reader(key, lambda _payload: MISSING)
        return self._reader((key,), spec)

    def _optional(self, key: str, spec: Picked | None) -> Reader | None:
        return None if spec is None else self._reader((key,), spec)

    def _fields(
        self,
        key: str,
        specs: MappingOf[str, Picked | None],
        canonical: MappingOf[str, Reading],
        otherwise: Reading,
    ) -> tuple[tuple[str, Reader, Reading], ...]:
        return tuple(
            (name, self._reader((key, name), spec), canonical.get(name, otherwise))
            for name, spec in specs.items()
            if spec is not None
        )

    def _reader(self, at: Location, spec: Picked) -> Reader:
        if spec.from_ is None:
            constant = spec.constant
            return Reader("constant", lambda _payload: constant)
        pick = self._first(at, spec.from_)
        if spec.values:
            pick = _translated(pick, {str(values.word(k)): v for k, v in spec.values.items()})
        return Reader(" | ".join(spec.from_), pick)

    def _test(self, at: Location, condition: Condition) -> Test:
        return Test(self._first(at, condition.from_), _words(condition.is_))

    def _consent(self, at: Location, item: ConsentField) -> ConsentReader:
        granted, refused = _words(item.granted), _words(item.refused)
        if granted & refused:
            self._problems.append((at, "a value cannot both grant and refuse"))
        return ConsentReader(
            channel=item.channel,
            purpose=item.purpose,
            pick=self._first(at, item.from_),
            granted=granted,
            refused=refused,
            text_version=item.text_version,
        )

    def _first(self, at: Location, paths: Sequence[str]) -> Pick:
        picks: list[Pick] = []
        for path in paths:
            try:
                picks += [compile_path(text) for text in self._written_out(path)]
            except ValueError as error:
                self._problems.append((at, str(error)))
        return picks[0] if len(picks) == 1 else _first_said(tuple(picks))

    def _written_out(self, path: str) -> Sequence[str]:
        if not is_shorthand(path):
            return [path]
        word, _, name = path.partition(":")
        templates = self._entry.shorthands.get(word)
        if templates is None:
            known = ", ".join(f"{k}:…" for k in sorted(self._entry.shorthands)) or "none"
            raise ValueError(f"unknown shorthand {word!r} (this source knows: {known})")
        return [template.replace("{}", quote(name)) for template in templates]


def _first_said(picks: tuple[Pick, ...]) -> Pick:
    """Take the first value that says something; an explicit null counts if no other does."""

    def pick(payload: Payload) -> object:
        found: object = MISSING
        for one in picks:
            value = one(payload)
            if value is None:
                found = None
            elif value is not MISSING and value != "":
                return value
        return found

    return pick


def _translated(pick: Pick, table: MappingOf[str, object]) -> Pick:
    def translated(payload: Payload) -> object:
        value = pick(payload)
        word = values.word(value)
        return value if word is None else table.get(word, value)

    return translated


def _words(scalars: Sequence[Scalar]) -> frozenset[str]:
    words = {str(values.word(scalar)) for scalar in scalars}
    # YAML reads an unquoted yes as true, and no as false: both the word and the boolean are meant.
    words |= {"yes" if scalar else "no" for scalar in scalars if isinstance(scalar, bool)}
    return frozenset(words)
