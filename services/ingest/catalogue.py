"""The sources of this installation: `sources.yaml` over the presets, compiled, with their secrets.

In: the file and the resolver of secrets. Out: `Catalogue`, or `ConfigError` whose every line names
file, line and fix.
"""

from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.ingest.decode.decoders import Decoder, compile_decoder
from services.ingest.fetch.recipe import Recipe, compile_recipe
from services.ingest.fetch.settings import laid_over
from services.ingest.keep.configs import UsedMapping, used
from services.ingest.keep.spool import SpoolLimits
from services.ingest.mapper.compiler import compile_columns, compile_mapping
from services.ingest.mapper.mapping import Mapping
from services.ingest.mapper.needs import Location, MappingErrors
from services.ingest.receive.inbound import Headers
from services.ingest.receive.rates import Bucket
from services.ingest.settings import SourceEntry, SourcesFile
from services.ingest.verify.settings import TokenCheck
from services.ingest.verify.verifier import Verifier, compile_verifier
from shared.errors import ConfigError
from shared.identifiers import Rules
from shared.settings import Secrets, load_yaml

PRESETS = Path(__file__).resolve().parent / "sources"

_OF_EVERY_BODY = ("content-type", "content-encoding")
#: Laid over the preset key by key; every other key of an entry replaces the preset's.
_LAID_OVER = ("identifiers", "answers", "attributes", "variables", "shorthands")


@dataclass(frozen=True, slots=True)
class Source:
    """One source, ready. `secrets` are the texts to strike out of a body before it is kept.

    `used` is the entry over its preset, under the version that kept rows name; `bucket` is how much
    it may send to this process. `recipe` is how its responses are fetched, where they are;
    `columns` how the rows of a file are read.
    """

    name: str
    entry: SourceEntry
    verifier: Verifier
    decoder: Decoder
    mapping: Mapping
    bucket: Bucket
    secrets: tuple[bytes, ...]
    used: UsedMapping
    recipe: Recipe | None
    columns: Mapping

    def headers_of(self, sent: Headers) -> Iterable[str]:
        """Name the headers without which a kept message could not be read again."""
        if self.decoder.name in ("cloudevents", "auto"):  # theirs are known by their prefix only
            prefixed = (name for name in sent.keys() if self.decoder.reads_header(name))  # noqa: SIM118
            return {*prefixed, *self.mapping.headers}
        return (*_OF_EVERY_BODY, *self.mapping.headers)

    @property
    def takes_path(self) -> bool:
        """Tell whether the address goes on after the source's name: a token stands there."""
        return isinstance(self.entry.verify, TokenCheck) and bool(self.entry.verify.path)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All sources by name, and what holds for each of them; `version` names the file's text."""

    sources: MappingOf[str, Source]
    body_bytes: int
    quarantine_for: timedelta
    bodies_for: timedelta
    spool: SpoolLimits
    version: str
    rules: Rules


def load_catalogue(path: Path, secrets: Secrets, rules: Rules) -> Catalogue:
    """Read and compile everything; `rules` normalise identifiers. Raises `ConfigError`."""
    loaded = load_yaml(path, SourcesFile)
    sources: dict[str, Source] = {}
    problems: list[str] = []
    for name, entry in loaded.value.sources.items():
        try:
            sources[name] = _source(
                name, laid_over_preset(entry), secrets, loaded.value.body_bytes, rules
            )
        except MappingErrors as errors:
            problems += [loaded.told(("sources", name, *at), fix) for at, fix in errors.problems]
    if problems:
        raise ConfigError("\n".join(problems))
    return Catalogue(
        sources=sources,
        body_bytes=loaded.value.body_bytes,
        quarantine_for=timedelta(days=loaded.value.quarantine_days),
        bodies_for=timedelta(days=loaded.value.bodies_days),
        spool=SpoolLimits(
            rows=loaded.value.spool.rows,
            bytes=loaded.value.spool.mebibytes << 20,
            age=timedelta(hours=loaded.value.spool.hours),
        ),
        version=loaded.version,
        rules=rules,
    )


def preset_names() -> list[str]:
    """List the presets that ship with the product."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_preset(name: str) -> SourceEntry:
    """Read a preset that ships with the product. Raises `MappingErrors` for an unknown name."""
    known = preset_names()
    if name not in known:
        raise MappingErrors([(("preset",), f"unknown preset: choose one of {', '.join(known)}")])
    return load_yaml(PRESETS / f"{name}.yaml", SourceEntry).value


def laid_over_preset(entry: SourceEntry) -> SourceEntry:
    """Complete an entry with its preset's keys. Raises `MappingErrors`."""
    if entry.preset is None:
        return entry
    preset = load_preset(entry.preset)
    changes = {key: getattr(entry, key) for key in entry.model_fields_set}
    for key in _LAID_OVER:
        if key in changes:
            changes[key] = {**getattr(preset, key), **changes[key]}
    if entry.fetch is not None:
        changes["fetch"] = laid_over(entry.fetch, preset.fetch)
    return preset.model_copy(update=changes)


def _source(
    name: str, entry: SourceEntry, secrets: Secrets, body_bytes: int, rules: Rules
) -> Source:
    mapping = compile_mapping(name, entry, rules)
    texts = _secrets(entry, secrets)
    version = used(name, entry.model_dump(mode="json", by_alias=True, exclude_unset=True))
    return Source(
        name=name,
        entry=entry,
        verifier=compile_verifier(entry.verify, texts, entry.allow_ips, entry.unsigned),
        decoder=decoder_of(entry, body_bytes),
        mapping=mapping,
        bucket=Bucket(entry.rate.per_second, entry.rate.burst),
        secrets=tuple(text.encode() for text in texts),
        used=version,
        recipe=compile_recipe(name, entry, secrets, version=version.version, rules=rules),
        columns=mapping if entry.columns is None else compile_columns(name, entry, rules),
    )


def decoder_of(entry: SourceEntry, body_bytes: int) -> Decoder:
    """Compile how a source's requests are decoded. Raises `MappingErrors`."""
    try:
        return compile_decoder(entry.decoder, entry.json_in, entry.each, body_bytes=body_bytes)
    except ValueError as error:
        raise MappingErrors([(("json_in",), str(error))]) from None


def _secrets(entry: SourceEntry, secrets: Secrets) -> tuple[str, ...]:
    found: list[str] = []
    problems: list[tuple[Location, str]] = []
    for place, reference in enumerate(entry.secrets):
        try:
            found.append(secrets.get(reference))
        except ConfigError as error:
            problems.append((("secrets", place), str(error)))
    if problems:
        raise MappingErrors(problems)
    return tuple(found)
