"""The file `sources.yaml`, as written by an operator: one entry per survey tool.

In: YAML. Out: frozen values; `catalogue` lays an entry over its preset and compiles it.
`deploy/config/sources.yaml` is the commented reference.
"""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    IPvAnyNetwork,
)

from services.ingest.fetch.settings import Fetch, Reconcile
from services.ingest.mapper.reads import Ignore, Kind, Name, PathText, Reads, Template
from services.ingest.verify.settings import Check
from shared.settings import SecretRef, Strict


def _not_reserved(name: str) -> str:
    # They stand in the label `source` of the metrics for something else.
    if name in ("events", "unknown", "unsubscribe"):
        raise ValueError("this name is reserved: choose another")
    return name


SourceName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$"), AfterValidator(_not_reserved)
]


class Rate(Strict):
    """How much one source may send to one process before it is told to come again (429)."""

    per_second: Annotated[float, Field(gt=0, le=100_000)] = 1_000.0
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000


class SourceEntry(Reads):
    """One source. What an entry leaves out is taken from its preset, then from these defaults.

    `identifiers`, `answers`, `attributes`, `variables` and `shorthands` are laid over the preset's
    key by key (null takes a key away); everything else replaces.
    """

    preset: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")] | None = None
    decoder: Literal["json", "form", "multipart", "cloudevents", "auto"] = "json"
    json_in: tuple[str, ...] = ()
    each: PathText | None = None
    verify: Check | None = None
    secrets: Annotated[tuple[SecretRef, ...], Field(max_length=2)] = ()
    unsigned: bool = False
    allow_ips: tuple[IPvAnyNetwork, ...] = ()
    rate: Rate = Rate()
    ignore: tuple[Ignore, ...] = ()
    surveys: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    columns: Reads | None = None
    fetch: Fetch | None = None
    reconcile: Reconcile | None = None
    shorthands: dict[Name, tuple[Template, ...]] = Field(default_factory=dict)


class SpoolSettings(Strict):
    """How much may wait in the database while Kafka is away, over all replicas.

    Half a million events are 16 minutes of 500 a second. After a day of it senders are told to come
    again: most repeat for a day or longer, and by then the operator knows.
    """

    rows: Annotated[int, Field(ge=1)] = 500_000
    mebibytes: Annotated[int, Field(ge=1)] = 1024
    hours: Annotated[float, Field(gt=0)] = 24.0


class SourcesFile(Strict):
    """The whole file."""

    sources: dict[SourceName, SourceEntry]
    spool: SpoolSettings = SpoolSettings()
    bodies_days: Annotated[int, Field(ge=0, le=366)] = 14
    body_bytes: Annotated[int, Field(ge=1024, le=16 << 20)] = 1 << 20
    quarantine_days: Annotated[int, Field(ge=1, le=366)] = 30
