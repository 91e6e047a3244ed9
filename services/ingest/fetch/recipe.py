"""How one source's responses are fetched, compiled: addresses, headers, and how answers are read.

In: a complete source entry and the resolver of secrets. Out: `Recipe`, or `MappingErrors` naming
each key at fault. Pure but for the secret.
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Final

from services.ingest.decode.payload import Pick
from services.ingest.fetch.settings import Bulk, Fetch, Reconcile
from services.ingest.fetch.template import Template, compile_template
from services.ingest.mapper.compiler import compile_reads
from services.ingest.mapper.mapping import Mapping
from services.ingest.mapper.needs import Location, MappingErrors
from services.ingest.mapper.paths import compile_path
from services.ingest.mapper.reads import Picked, Reads
from services.ingest.settings import SourceEntry
from shared.errors import ConfigError
from shared.identifiers import AS_SAID, Rules
from shared.settings import Secrets

#: What a call for one response may name, beside the source's `variables`.
_OF_ONE: Final = frozenset({"survey", "response_id"})
_OF_MANY: Final = frozenset({"survey", "since", "since_unix", "since_ms", "page"})


@dataclass(frozen=True, slots=True)
class Many:
    """How many responses of one survey are read in one call."""

    url: Template
    items: Pick
    next: Pick | None
    mapping: Mapping
    settings: Bulk


@dataclass(frozen=True, slots=True)
class Recipe:
    """One source's way to its platform's API, which is at `origin`.

    `one` is None for a source that is reconciled only: its messages are whole.
    `secrets` are the texts to strike out of what is kept; neither they nor the headers show when
    this is printed. `version` names the mapping, as kept rows do.
    """

    source: str
    origin: str
    host: str
    one: Template | None
    item: Pick | None
    mapping: Mapping
    many: Many | None
    settings: Fetch
    reconcile: Reconcile | None
    surveys: tuple[str, ...]
    version: str
    headers: MappingOf[str, str] = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)


def compile_recipe(
    name: str, entry: SourceEntry, secrets: Secrets, *, version: str, rules: Rules = AS_SAID
) -> Recipe | None:
    """Compile one source's `fetch`; None where it has none. Raises `MappingErrors`."""
    fetch = entry.fetch
    if fetch is None:
        if entry.reconcile is not None:
            raise _wrong(("reconcile",), "needs `fetch` with `bulk`: say how many are read at once")
        if "thin" in _kinds(entry):
            raise _wrong(("fetch",), "missing: a thin message's response must be read somewhere")
        return None
    one = None
    if fetch.url is not None or fetch.bulk is None or "thin" in _kinds(entry):
        one = _template(("fetch", "url"), fetch.url, fetch, _OF_ONE | _variables(entry))
    secret = _secret(fetch, secrets)
    many = None if fetch.bulk is None else _many(name, entry, fetch, fetch.bulk, one, rules=rules)
    if entry.reconcile is not None and many is None:
        raise _wrong(("reconcile",), "needs `fetch.bulk`: say how many are read at once")
    leads = one if many is None else many.url
    assert leads is not None  # noqa: S101 - one of both was compiled
    return Recipe(
        source=name,
        origin=leads.origin,
        host=leads.host,
        one=one,
        item=None if fetch.item is None else compile_path(fetch.item),
        mapping=compile_fetched(name, entry, fetch, rules),
        many=many,
        settings=fetch,
        reconcile=entry.reconcile,
        surveys=entry.surveys,
        version=version,
        headers={key: text.replace("{secret}", secret) for key, text in fetch.headers.items()},
        secrets=(secret.encode(),) if secret else (),
    )


def _kinds(entry: SourceEntry) -> set[str]:
    return {kind.becomes for kind in entry.kinds} if entry.kinds else {entry.becomes}


def _variables(entry: SourceEntry) -> frozenset[str]:
    """Name what every thin kind says of itself beside its ids."""
    thin = [set(kind.variables) for kind in entry.kinds if kind.becomes == "thin"]
    return frozenset({*entry.variables, *(set.intersection(*thin) if thin else ())})


def _template(at: Location, url: str | None, fetch: Fetch, known: frozenset[str]) -> Template:
    if url is None:
        raise _wrong(at, "missing: the address to call")
    if url.startswith("/") and fetch.base is None:
        raise _wrong(("fetch", "base"), "missing: the platform's address, as https://host")
    try:
        template = compile_template(f"{fetch.base}{url}" if url.startswith("/") else url)
    except ValueError as error:
        raise _wrong(at, str(error)) from None
    if unknown := sorted(template.names - known):
        names = ", ".join(sorted(known))
        raise _wrong(at, f"unknown {{{unknown[0]}}}: choose among {names} (or add a variable)")
    if not template.secure and not fetch.allow_http:
        raise _wrong(at, "must be https (allow_http: true allows more, for a test)")
    return template


def _secret(fetch: Fetch, secrets: Secrets) -> str:
    wanted = any("{secret}" in text for text in fetch.headers.values())
    if fetch.secret is None:
        if wanted:
            raise _wrong(("fetch", "secret"), "missing: give a reference such as env:NPS_TOKEN_…")
        return ""
    if not wanted:
        raise _wrong(("fetch", "headers"), "the secret is used nowhere: write {secret} in a header")
    try:
        text = secrets.get(fetch.secret)
    except ConfigError as error:
        raise _wrong(("fetch", "secret"), str(error)) from None
    if not text.isascii() or not text.isprintable():
        raise _wrong(("fetch", "secret"), "holds characters that a header cannot take")
    return text


def _many(
    name: str,
    entry: SourceEntry,
    fetch: Fetch,
    bulk: Bulk,
    one: Template | None,
    *,
    rules: Rules,
) -> Many:
    at: Location = ("fetch", "bulk", "url")
    url = _template(at, bulk.url, fetch, _OF_MANY)
    if one is not None and url.origin != one.origin:
        raise _wrong(at, "must lead to the same host as `fetch.url`: the secret goes with it")
    if bulk.next is not None and "page" in url.names:
        raise _wrong(("fetch", "bulk", "next"), "remove it, or {page}: pages follow one way only")
    if "response_id" not in fetch.reads.model_fields_set:
        raise _wrong(("fetch", "reads"), "missing `response_id`: say where each of many has its id")
    return Many(
        url=url,
        items=compile_path(bulk.items),
        next=None if bulk.next is None else compile_path(bulk.next),
        mapping=compile_fetched(name, entry, fetch, rules),
        settings=bulk,
    )


def compile_fetched(name: str, entry: SourceEntry, fetch: Fetch, rules: Rules = AS_SAID) -> Mapping:
    """Compile how a fetched document is read; `root:` there is what was asked for.

    Raises `MappingErrors`.
    """
    return compile_reads(
        name, entry, ("fetch", "reads"), reads_of(fetch), fetch.ignore, rules=rules
    )


def reads_of(fetch: Fetch) -> Reads:
    """Complete what is written of a fetched document: without ids of its own it has the asked."""
    changes: dict[str, object] = {"becomes": "response"}
    for key in ("survey", "response_id"):
        if key not in fetch.reads.model_fields_set:
            changes[key] = Picked(from_=(f"root:{key}",))
    return fetch.reads.model_copy(update=changes)


def _wrong(at: Location, fix: str) -> MappingErrors:
    return MappingErrors([(at, fix)])
