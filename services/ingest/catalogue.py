"""The sources of this installation: `sources.yaml` over the presets, compiled, with their secrets.

In: the file and the resolver of secrets. Out: `Catalogue`, or `ConfigError` whose every line names
file, line and fix.
"""

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from services.ingest.compiler import Location, MappingErrors, compile_mapping
from services.ingest.decoders import DECODERS
from services.ingest.mapping import Mapping
from services.ingest.settings import SignatureCheck, SourceEntry, SourcesFile, TokenCheck
from services.ingest.signatures import Headers, Scheme, key_of, verify, verify_token
from shared.errors import ConfigError
from shared.settings import Secrets, load_yaml

PRESETS = Path(__file__).resolve().parent / "sources"

#: Laid over the preset key by key; every other key of an entry replaces the preset's.
_LAID_OVER = ("identifiers", "answers", "attributes", "shorthands")


@dataclass(frozen=True, slots=True)
class Verifier:
    """Knows whether a message is authentic. `check` None: the operator said `unsigned: true`."""

    check: Scheme | str | None
    keys: tuple[bytes, ...]

    def authentic(self, body: bytes, headers: Headers, now: datetime) -> bool:
        """Tell whether one of the secrets vouches for these bytes."""
        if self.check is None:
            return True
        if isinstance(self.check, str):
            return verify_token(self.check, self.keys, headers) is not None
        return verify(self.check, self.keys, body, headers, now) is not None


@dataclass(frozen=True, slots=True)
class Source:
    """One source, ready. `secrets` are the texts to strike out of a body before it is kept."""

    name: str
    verifier: Verifier
    decode: Callable[[bytes], object]
    mapping: Mapping
    secrets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All sources by name, and what holds for each of them; `version` names the file's text."""

    sources: MappingOf[str, Source]
    body_bytes: int
    quarantine_for: timedelta
    version: str


def load_catalogue(path: Path, secrets: Secrets) -> Catalogue:
    """Read and compile everything. Raises `ConfigError`."""
    loaded = load_yaml(path, SourcesFile)
    sources: dict[str, Source] = {}
    problems: list[str] = []
    for name, entry in loaded.value.sources.items():
        try:
            sources[name] = _source(name, laid_over_preset(entry), secrets)
        except MappingErrors as errors:
            problems += [loaded.told(("sources", name, *at), fix) for at, fix in errors.problems]
    if problems:
        raise ConfigError("\n".join(problems))
    return Catalogue(
        sources=sources,
        body_bytes=loaded.value.body_bytes,
        quarantine_for=timedelta(days=loaded.value.quarantine_days),
        version=loaded.version,
    )


def load_preset(name: str) -> SourceEntry:
    """Read a preset that ships with the product. Raises `MappingErrors` for an unknown name."""
    known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
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
    return preset.model_copy(update=changes)


def scheme_of(check: SignatureCheck) -> Scheme:
    """Take the configured signature check as the pure core knows it."""
    return Scheme(
        header=check.header,
        algorithm=check.algorithm,
        encoding=check.encoding,
        prefix=check.prefix,
        separator=check.separator,
        signed=check.signed,
        key=check.key,
        id_header=check.id_header or "",
        timestamp_header=check.timestamp_header or "",
        tolerance=timedelta(seconds=check.tolerance_s),
    )


def _source(name: str, entry: SourceEntry, secrets: Secrets) -> Source:
    mapping = compile_mapping(name, entry)
    texts = _secrets(entry, secrets)
    return Source(
        name=name,
        verifier=_verifier(entry, texts),
        decode=DECODERS[entry.decoder],
        mapping=mapping,
        secrets=tuple(text.encode() for text in texts),
    )


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


def _verifier(entry: SourceEntry, texts: tuple[str, ...]) -> Verifier:
    if entry.unsigned:
        if texts:
            raise MappingErrors([(("unsigned",), "remove `secrets`, or remove `unsigned: true`")])
        return Verifier(None, ())
    if entry.verify is None:
        raise MappingErrors([(("verify",), "missing: say how it signs, or `unsigned: true`")])
    if not texts:
        fix = "missing: give a reference such as env:NPS_SECRET_…, or `unsigned: true`"
        raise MappingErrors([(("secrets",), fix)])
    if isinstance(entry.verify, TokenCheck):
        return Verifier(entry.verify.header, tuple(text.encode() for text in texts))
    scheme = scheme_of(entry.verify)
    keys: list[bytes] = []
    for place, text in enumerate(texts):
        try:
            keys.append(key_of(text, scheme.key))
        except ValueError as error:
            raise MappingErrors([(("secrets", place), f"the secret {error}")]) from None
    return Verifier(scheme, tuple(keys))
