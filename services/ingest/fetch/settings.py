"""How the responses of thin webhooks are read by the platform's API, as written by an operator.

In: the YAML of a source's `fetch` and `reconcile`. Out: frozen values; `fetch_recipe` compiles
them.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from services.ingest.fetch.template import compile_template
from services.ingest.mapper.reads import Ignore, PathText, Reads
from shared.settings import SecretRef, Strict


def _compilable(text: str) -> str:
    # A path alone is compiled once the preset and its `base` are known.
    compile_template(f"https://host.example{text}" if text.startswith("/") else text)
    return text


def _origin(text: str) -> str:
    if compile_template(text).names:
        raise ValueError("stands as it is: no {name} in it")
    return text.rstrip("/")


Address = Annotated[str, Field(max_length=2000), AfterValidator(_compilable)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,1000}$")]


class FetchRate(Strict):
    """How many calls the platform allows, over all replicas: per minute, and per UTC day."""

    per_minute: Annotated[int, Field(ge=1, le=60_000)] = 60
    per_day: Annotated[int, Field(ge=1)] | None = None


class Bulk(Strict):
    """One call that reads many responses of one survey.

    `url` knows {survey}, the time {since} (ISO), {since_unix} and {since_ms}, and {page}. Pages
    follow at `next` (a path to the address of the next one), or count up from 1 where the address
    has {page}, until one is empty.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    url: Address
    items: PathText
    next: PathText | None = None
    #: From so many waiting responses of one survey on, one call for all is cheaper.
    from_: Annotated[int, Field(ge=1, alias="from")] = 3
    at_most_every_s: Annotated[float, Field(ge=0, le=86_400)] = 900.0
    #: Bounds one reading: 100 pages of 100 are a busy week of a large survey.
    pages: Annotated[int, Field(ge=1, le=10_000)] = 100


class Fetch(Strict):
    """How one response is read, and how often what did not answer is tried again.

    `reads` says where the fetched document has its fields; what it leaves out is taken from the
    source's own keys. Without `survey` or `response_id` in it they are those of the message.
    `base` is the platform's address where `url` is a path. What an entry leaves out is taken from
    its preset, key by key.
    """

    base: Annotated[str, Field(max_length=500), AfterValidator(_origin)] | None = None
    url: Address | None = None
    headers: dict[HeaderName, HeaderText] = Field(default_factory=dict)
    secret: SecretRef | None = None
    item: PathText | None = None
    reads: Reads = Reads()
    ignore: tuple[Ignore, ...] = ()
    rate: FetchRate = FetchRate()
    not_found_for_s: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    give_up_after_s: Annotated[float, Field(ge=60, le=2_592_000)] = 259_200.0
    bulk: Bulk | None = None
    allow_http: bool = False
    allow_private: bool = False

    @model_validator(mode="after")
    def _a_secret_is_used(self) -> "Fetch":
        used = any("{secret}" in text for text in self.headers.values())
        if self.secret is not None and self.headers and not used:
            raise ValueError("`secret` is in no header: write {secret} where it belongs")
        return self


class Reconcile(Strict):
    """Reading what was answered lately, to find responses whose message never came.

    The first reading goes `look_back_s` back, each further one to where the last began, less
    `overlap_s`: platforms show an answer a little after they took it, and clocks differ.
    """

    every_s: Annotated[float, Field(ge=60, le=604_800)] = 3600.0
    look_back_s: Annotated[float, Field(ge=60, le=2_592_000)] = 172_800.0
    overlap_s: Annotated[float, Field(ge=0, le=2_592_000)] = 900.0
    surveys: tuple[str, ...] = ()


#: Of `reads`, what is laid over the preset's name by name; other keys replace.
_BY_NAME: Final = ("identifiers", "answers", "attributes")


def laid_over(entry: Fetch, preset: Fetch | None) -> Fetch:
    """Complete an entry's `fetch` with its preset's, key by key."""
    if preset is None:
        return entry
    changes = {key: getattr(entry, key) for key in entry.model_fields_set}
    if "reads" in changes:
        changes["reads"] = _reads_over(entry.reads, preset.reads)
    return preset.model_copy(update=changes)


def _reads_over(entry: Reads, preset: Reads) -> Reads:
    changes = {key: getattr(entry, key) for key in entry.model_fields_set}
    for key in _BY_NAME:
        if key in changes:
            changes[key] = {**getattr(preset, key), **changes[key]}
    return preset.model_copy(update=changes)
