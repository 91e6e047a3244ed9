"""A source of `sources.yaml`, compiled: every path becomes a closure before the first message.

In: a complete `SourceEntry` (entry over preset). Out: a `Mapping` that `translate` reads payloads
with, or `MappingErrors` naming each key at fault. Pure.
"""

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from services.ingest.mapper import values
from services.ingest.mapper.mapping import (
    ConsentReader,
    HashReader,
    Kind,
    Mapping,
    Reader,
    Reading,
    ScoreModel,
    Test,
)
from services.ingest.mapper.needs import Fault, Location, MappingErrors, lacking, unreached
from services.ingest.mapper.paths import Pick, compile_path, quote
from services.ingest.mapper.picks import converted, first_said, parted, translated
from services.ingest.mapper.reads import (
    Condition,
    ConsentField,
    Hashed,
    Ignore,
    Picked,
    Reads,
    Scalar,
    Score,
    is_shorthand,
)
from services.ingest.settings import SourceEntry
from shared.identifiers import AS_SAID, Rules

#: How the canonical names are read; any other question takes what `values.answer` takes.
ANSWERS: MappingOf[str, Reading] = {
    "comment": values.text_answer,
    "liked_least": values.text_answer,
    "improve": values.text_answer,
    "liked_most": values.text_answer,
    "why": values.text_answer,
    "reasons": values.texts,
    "callback_requested": values.flag,
    "callback_slot": values.text_answer,
    "panel_opt_in": values.flag,
    "language": values.language,
}
_ATTRIBUTES: MappingOf[str, Reading] = {"tone": values.tone}

#: What a kind lays over its source's key by key.
_LAID_OVER = ("identifiers", "answers", "attributes", "variables")


def compile_mapping(name: str, entry: SourceEntry, rules: Rules = AS_SAID) -> Mapping:
    """Compile one source; `rules` are how identifiers are normalised. Raises `MappingErrors`."""
    return _Compiler(name, entry, rules).mapping()


def compile_columns(name: str, entry: SourceEntry, rules: Rules = AS_SAID) -> Mapping:
    """Compile how a file's rows are read: `columns` over the source's keys, or these alone.

    Raises `MappingErrors`.
    """
    compiler = _Compiler(name, entry, rules)
    if entry.columns is None:
        return compiler.mapping()
    kind = compiler.kind(("columns",), inheriting(entry.columns, entry))
    return Mapping(source=name, ignore=(), surveys=frozenset(entry.surveys), kinds=(kind,))


def compile_reads(
    name: str,
    entry: SourceEntry,
    at: Location,
    reads: Reads,
    ignore: Sequence[Ignore],
    *,
    rules: Rules = AS_SAID,
) -> Mapping:
    """Compile how a document that is not the source's own message is read, such as a fetched one.

    What `reads` leaves out is taken from the source's own keys. Raises `MappingErrors`.
    """
    compiler = _Compiler(name, entry, rules)
    tests = compiler.ignored(at, ignore)
    kind = compiler.kind(at, inheriting(reads, entry))
    return Mapping(source=name, ignore=tests, surveys=frozenset(), kinds=(kind,))


def inheriting(reads: Reads, entry: SourceEntry) -> Reads:
    """Complete one kind with what its source says."""
    changes = {key: getattr(reads, key) for key in reads.model_fields_set if key != "when"}
    for key in _LAID_OVER:
        if key in changes:
            changes[key] = {**getattr(entry, key), **changes[key]}
    return entry.model_copy(update=changes)


def _answers(score: ScoreModel) -> MappingOf[str, Reading]:
    return {**ANSWERS, "score": values.score if score.plain else values.measured}


class _Compiler:
    """Compiles an entry and gathers everything that is wrong with it, to be told at once."""

    def __init__(self, name: str, entry: SourceEntry, rules: Rules) -> None:
        self._name = name
        self._rules = rules
        self._entry = entry
        self._problems: list[Fault] = []
        self._headers: set[str] = set()
        self._reads_query = False

    def mapping(self) -> Mapping:
        entry = self._entry
        self._problems += unreached(entry.kinds)
        kinds = [(("kinds", place), kind) for place, kind in enumerate(entry.kinds)]
        compiled = Mapping(
            source=self._name,
            ignore=self.ignored(("ignore",), entry.ignore),
            surveys=frozenset(entry.surveys),
            kinds=(
                tuple(self._kind(at, inheriting(kind, entry), kind.when) for at, kind in kinds)
                if kinds
                else (self._kind((), entry, ()),)
            ),
            # Arguments are taken in their order: by now every path above was compiled.
            headers=frozenset(self._headers),
            reads_query=self._reads_query,
        )
        if self._problems:
            raise MappingErrors(self._problems)
        return compiled

    def ignored(self, at: Location, items: Sequence[Ignore]) -> tuple[tuple[Test, str], ...]:
        """Compile what is accepted and not counted."""
        return tuple(
            (self._test((*at, place), item), item.reason) for place, item in enumerate(items)
        )

    def kind(self, at: Location, reads: Reads) -> Kind:
        """Compile one way to read by itself. Raises `MappingErrors`."""
        compiled = self._kind(at, reads, ())
        if self._problems:
            raise MappingErrors(self._problems)
        return compiled

    def _kind(self, at: Location, reads: Reads, when: Sequence[Condition]) -> Kind:
        self._problems += lacking(at, reads)
        score = self._score((*at, "score"), reads.score)
        return Kind(
            becomes=reads.becomes,
            when=tuple(self._test((*at, "when"), condition) for condition in when),
            survey=self._optional((*at, "survey"), reads.survey),
            response_id=self._id((*at, "response_id"), reads.response_id),
            answered_at=self._optional((*at, "answered_at"), reads.answered_at),
            revision=self._optional((*at, "revision"), reads.revision),
            revision_is_time=reads.revision_is == "time",
            complete=(
                self._test((*at, "complete"), reads.complete)
                if isinstance(reads.complete, Condition)
                else reads.complete == "final"
            ),
            zone=ZoneInfo(reads.zone),
            zones={word: ZoneInfo(zone) for word, zone in reads.zones.items()},
            dates=reads.dates,
            not_before=timedelta(days=reads.not_before_days),
            score=score,
            identifiers=tuple(
                (kind, self._reader((*at, "identifiers", kind), spec))
                for kind, spec in reads.identifiers.items()
                if spec is not None
            ),
            answers=self._fields((*at, "answers"), reads.answers, _answers(score), values.answer),
            attributes=self._fields(
                (*at, "attributes"), reads.attributes, _ATTRIBUTES, values.attribute
            ),
            consents=tuple(
                self._consent((*at, "consents", place), item)
                for place, item in enumerate(reads.consents)
            ),
            provenance=reads.provenance,
            event_id=self._optional((*at, "event_id"), reads.event_id),
            case=self._optional((*at, "case"), reads.case),
            channel=self._optional((*at, "channel"), reads.channel),
            contact_class=reads.contact_class,
            delivery_id=self._optional((*at, "delivery_id"), reads.delivery_id),
            what=self._optional((*at, "what"), reads.what),
            everything=(
                self._test((*at, "everything"), reads.everything) if reads.everything else None
            ),
            variables=tuple(
                (name, self._reader((*at, "variables", name), spec))
                for name, spec in reads.variables.items()
            ),
            rules=self._rules,
        )

    def _score(self, at: Location, score: Score) -> ScoreModel:
        ends: list[float | Reader] = []
        both = (
            score.scale if isinstance(score.scale, tuple) else (score.scale.least, score.scale.most)
        )
        for end in both:
            ends.append(
                Reader(end, self._first((*at, "scale"), [end])) if isinstance(end, str) else end
            )
        return ScoreModel(
            metric=score.metric,
            least=ends[0],
            most=ends[1],
            bands=tuple((band, low, high) for band, (low, high) in score.bands.items()),
        )

    def _id(self, at: Location, spec: Picked | Hashed | None) -> Reader | HashReader | None:
        if isinstance(spec, Hashed):
            return HashReader(
                " + ".join(spec.hash), tuple(self._first(at, [path]) for path in spec.hash)
            )
        return self._optional(at, spec)

    def _optional(self, at: Location, spec: Picked | None) -> Reader | None:
        return None if spec is None else self._reader(at, spec)

    def _fields(
        self,
        at: Location,
        specs: MappingOf[str, Picked | None],
        canonical: MappingOf[str, Reading],
        otherwise: Reading,
    ) -> tuple[tuple[str, Reader, Reading], ...]:
        return tuple(
            (name, self._reader((*at, name), spec), canonical.get(name, otherwise))
            for name, spec in specs.items()
            if spec is not None
        )

    def _reader(self, at: Location, spec: Picked) -> Reader:
        if spec.from_ is None:
            constant = spec.constant
            return Reader("constant", lambda _payload: constant)
        pick = self._first(at, spec.from_)
        if spec.after is not None or spec.before is not None:
            pick = parted(pick, spec.after, spec.before)
        if spec.values:
            pick = translated(pick, {str(values.word(k)): v for k, v in spec.values.items()})
        if spec.as_:
            pick = converted(pick, values.CONVERSIONS[spec.as_])
        return Reader(" | ".join(spec.from_), pick)

    def _test(self, at: Location, condition: Condition) -> Test:
        path = " | ".join(condition.from_)
        return Test(path, self._first(at, condition.from_), _words(condition.is_))

    def _consent(self, at: Location, item: ConsentField) -> ConsentReader:
        granted, refused = _words(item.granted), _words(item.refused)
        if granted & refused:
            self._problems.append((at, "a value cannot both grant and refuse"))
        return ConsentReader(
            channel=item.channel,
            purpose=item.purpose,
            path=" | ".join(item.from_),
            pick=self._first(at, item.from_),
            granted=granted,
            refused=refused,
            text_version=item.text_version,
            proof=self._optional((*at, "proof"), Picked(from_=item.proof) if item.proof else None),
        )

    def _first(self, at: Location, paths: Sequence[str]) -> Pick:
        picks: list[Pick] = []
        for path in paths:
            try:
                for text in written_out(path, self._entry.shorthands):
                    picks.append(compile_path(text))
                    if text.startswith("header:"):
                        self._headers.add(text.removeprefix("header:").lower())
                    self._reads_query = self._reads_query or text.startswith("query:")
            except ValueError as error:
                self._problems.append((at, str(error)))
        return picks[0] if len(picks) == 1 else first_said(tuple(picks))


def written_out(path: str, shorthands: MappingOf[str, Sequence[str]]) -> Sequence[str]:
    """Write a preset's shorthand out as paths; a path stands for itself. Raises ValueError."""
    if not is_shorthand(path):
        return [path]
    word, _, name = path.partition(":")
    templates = shorthands.get(word)
    if templates is None:
        known = ", ".join(f"{k}:…" for k in sorted(shorthands)) or "none"
        raise ValueError(f"unknown shorthand {word!r} (this source knows: {known})")
    return [template.replace("{}", quote(name)) for template in templates]


def _words(scalars: Sequence[Scalar]) -> frozenset[str]:
    words = {str(values.word(scalar)) for scalar in scalars}
    # YAML reads an unquoted yes as true, and no as false: both the word and the boolean are meant.
    words |= {"yes" if scalar else "no" for scalar in scalars if isinstance(scalar, bool)}
    return frozenset(words)
