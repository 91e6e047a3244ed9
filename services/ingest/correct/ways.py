"""How each source is read now, and how it was read under any mapping ever used.

In: the catalogue, and the stored entries by version. Out: `Way`s; those of the past are compiled
once. Raises `DependencyAway` when the database is away.
"""

from collections import OrderedDict
from typing import Final

from pydantic import ValidationError

from services.ingest.catalogue import Catalogue, Source, decoder_of
from services.ingest.correct.again import Way
from services.ingest.fetch.recipe import compile_fetched
from services.ingest.keep.configs import Configs
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.mapper.needs import MappingErrors
from services.ingest.settings import SourceEntry

#: Bodies are kept for two weeks: few mappings are changed more often in that time.
_MOST_OLD: Final = 64


def way_of(source: Source) -> Way:
    """Take how a source is read now."""
    recipe = source.recipe
    return Way(
        version=source.used.version,
        decoder=source.decoder,
        mapping=source.mapping,
        fetched=None if recipe is None else recipe.mapping,
    )


class Ways:
    """The ways of all sources."""

    def __init__(self, catalogue: Catalogue, configs: Configs) -> None:
        self._catalogue = catalogue
        self._configs = configs
        self._old: OrderedDict[str, Way] = OrderedDict()

    def source(self, name: str) -> Source | None:
        """Find a configured source."""
        return self._catalogue.sources.get(name)

    def now(self, name: str) -> Way | None:
        """Tell how a source is read now; None for one that is not configured."""
        source = self.source(name)
        return None if source is None else way_of(source)

    async def then(self, version: str) -> Way | None:
        """Tell how messages were read under a version; None if that cannot be known any more."""
        if (known := self._old.get(version)) is not None:
            self._old.move_to_end(version)
            return known
        stored = await self._configs.get(version)
        if stored is None:
            return None
        try:
            entry = SourceEntry.model_validate(stored.entry)
            way = _compiled(stored.source, entry, version, self._catalogue)
        except (ValidationError, MappingErrors):
            # Written by a release whose keys this one no longer knows.
            return None
        self._old[version] = way
        if len(self._old) > _MOST_OLD:
            self._old.popitem(last=False)
        return way


def _compiled(name: str, entry: SourceEntry, version: str, catalogue: Catalogue) -> Way:
    fetch, rules = entry.fetch, catalogue.rules
    return Way(
        version=version,
        decoder=decoder_of(entry, catalogue.body_bytes),
        mapping=compile_mapping(name, entry, rules),
        fetched=None if fetch is None else compile_fetched(name, entry, fetch, rules),
    )
