"""Sources looked at without starting anything: what is wrong, what is doubtful, what is ready.

In: `sources.yaml` and the resolver of secrets. Out: every mistake of every source at once; a source
whose secrets are not set here is still compiled, as an operator's own computer needs it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.ingest.catalogue import decoder_of, laid_over_preset, load_preset
from services.ingest.decode.decoders import Decoder
from services.ingest.fetch.recipe import Recipe, compile_recipe
from services.ingest.mapper.compiler import compile_columns, compile_mapping, inheriting
from services.ingest.mapper.mapping import Mapping
from services.ingest.mapper.needs import Location, MappingErrors
from services.ingest.settings import SourceEntry, SourcesFile
from services.ingest.tryout.lint import warnings
from services.ingest.verify.verifier import compile_verifier
from shared.errors import ConfigError
from shared.identifiers import Rules
from shared.settings import Loaded, Secrets, load_yaml

#: Fits every recipe: hex, base64, a word in an address, 32 bytes of a public key.
_STAND_IN: Final = "1" * 64


@dataclass
class Inspected:
    """One source. `entry` is None where its preset is unknown; `mapping` where it does not compile.

    `unset` are references to secrets that are not set here, `problems` and `doubts` pairs of the
    key at fault and the thing to do.
    """

    name: str
    entry: SourceEntry | None = None
    mapping: Mapping | None = None
    decoder: Decoder | None = None
    recipe: Recipe | None = None
    secrets: tuple[str, ...] | None = None
    problems: list[tuple[Location, str]] = field(default_factory=list)
    doubts: list[tuple[Location, str]] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)

    @property
    def becomes(self) -> list[str]:
        """Name what its messages become, each once, in the order of its kinds."""
        if self.entry is None:
            return []
        kinds = [kind.becomes for kind in self.entry.kinds] or [self.entry.becomes]
        return list(dict.fromkeys(kinds))

    @property
    def fields(self) -> int:
        """Count what is read of a message: of its richest kind, with what is fetched."""
        if self.entry is None:
            return 0
        ways = [inheriting(kind, self.entry) for kind in self.entry.kinds] or [self.entry]
        return max(
            sum(
                bool(spec)
                for part in (way.identifiers, way.answers, way.attributes, way.variables)
                for spec in part.values()
            )
            + len(way.consents)
            for way in ways
        )


class _Lenient(Secrets):
    """Resolves what is set, puts a stand-in for what is not, and remembers which."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__({})
        self._secrets = secrets
        self.unset: list[str] = []

    def get(self, reference: str) -> str:
        """Return the secret or the stand-in."""
        try:
            return self._secrets.get(reference)
        except ConfigError:
            self.unset.append(reference)
            return _STAND_IN


def inspected(
    path: Path, secrets: Secrets, rules: Rules, *, only: str | None = None
) -> tuple[Loaded[SourcesFile], list[Inspected]]:
    """Look at every source of a file, or at `only` one.

    Raises `ConfigError` where the file is no YAML of this shape, or has no source of that name.
    """
    loaded = load_yaml(path, SourcesFile)
    entries = loaded.value.sources
    if only is not None and only not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise ConfigError(f"{path}: no source {only!r}: choose one of {known}")
    return loaded, [
        _inspect(name, entry, secrets, loaded.value.body_bytes, rules)
        for name, entry in entries.items()
        if only in (None, name)
    ]


def _inspect(
    name: str, written: SourceEntry, secrets: Secrets, body_bytes: int, rules: Rules
) -> Inspected:
    found = Inspected(name)
    lenient = _Lenient(secrets)
    with _gathering(found):
        found.entry = entry = laid_over_preset(written)
        preset = None if written.preset is None else load_preset(written.preset)
        found.doubts = warnings(written, entry, preset)
        texts = tuple(lenient.get(reference) for reference in entry.secrets)
        found.secrets = None if lenient.unset else texts
        with _gathering(found):
            found.mapping = compile_mapping(name, entry, rules)
        with _gathering(found):
            compile_columns(name, entry, rules)
        with _gathering(found):
            found.decoder = decoder_of(entry, body_bytes)
        with _gathering(found, but=lambda at: bool(lenient.unset) and at[0] == "secrets"):
            compile_verifier(entry.verify, texts, entry.allow_ips, entry.unsigned)
        with _gathering(found):
            found.recipe = compile_recipe(name, entry, lenient, version="", rules=rules)
    found.problems = list(dict.fromkeys(found.problems))
    found.unset = list(dict.fromkeys(lenient.unset))
    return found


@contextmanager
def _gathering(
    found: Inspected, *, but: Callable[[Location], bool] = lambda _at: False
) -> Iterator[None]:
    """Go on after a mistake, so that all are told at once."""
    try:
        yield
    except MappingErrors as errors:
        found.problems += [(at, fix) for at, fix in errors.problems if not but(at)]
