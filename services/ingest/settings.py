"""The file `sources.yaml`, as written by an operator: one entry per survey tool.

In: YAML. Out: frozen values whose every path and zone reads; `catalogue` lays an entry over its
preset and compiles it. `deploy/config/sources.yaml` is the commented reference.
"""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from services.ingest.paths import compile_path, quote
from services.ingest.signatures import Algorithm, Encoding, KeyRecipe
from shared.events.vocabulary import Channel, Purpose, Value
from shared.settings import SecretRef, Strict


def _readable(path: str) -> str:
    # A shorthand (`question:nps`) is written out, and read, when the preset is known.
    if not is_shorthand(path):
        compile_path(path)
    return path


def _readable_template(template: str) -> str:
    if "{}" not in template:
        raise ValueError("must contain {}, where the name goes")
    compile_path(template.replace("{}", quote("name")))
    return template


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not an IANA time zone such as Europe/Paris") from None
    return name


def _not_reserved(name: str) -> str:
    # Both stand in the label `source` of the metrics for something else.
    if name in ("events", "unknown"):
        raise ValueError("this name is reserved: choose another")
    return name


def is_shorthand(path: str) -> bool:
    """Tell a shorthand from a path: a word and a colon before any dot, bracket or quote."""
    word, colon, _ = path.partition(":")
    return bool(colon) and word != "header" and word.replace("_", "").isalpha()


PathText = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_readable)]
Template = Annotated[str, AfterValidator(_readable_template)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
SourceName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$"), AfterValidator(_not_reserved)
]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
Scalar = str | bool | int | float


def _paths(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Paths = Annotated[tuple[PathText, ...], Field(min_length=1, max_length=32), BeforeValidator(_paths)]


class _WithFrom(Strict):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class Picked(_WithFrom):
    """Where a value is: `from` one path or several (the first that says something), or a constant.

    `values` translates: a value found is replaced by the one beside it, others stay.
    """

    from_: Paths | None = Field(default=None, alias="from")
    constant: Scalar | None = None
    values: dict[str, Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> "Picked":
        if (self.from_ is None) == (self.constant is None):
            raise ValueError("give either `from` or `constant`")
        return self


def _spec(value: Any) -> Any:
    return {"from": value} if isinstance(value, str | list) else value


#: Short forms: a path, or a list of paths, stands for `{from: …}`.
Spec = Annotated[Picked, BeforeValidator(_spec)]


class Condition(_WithFrom):
    """Holds when the value found is one of `is` (compared as folded text)."""

    from_: Paths = Field(alias="from")
    is_: Annotated[tuple[Scalar, ...], Field(min_length=1)] = Field(alias="is")


class Ignore(Condition):
    """A message that is accepted and not counted, such as a platform's test ping."""

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z ]{0,40}$")] = "test message"


class ConsentField(_WithFrom):
    """A question or hidden field that says yes or no to being contacted; other values say nothing.

    An unquoted yes or no is true or false in YAML: it means the word and the boolean.
    """

    channel: Channel | Literal["all"]
    purpose: Purpose
    from_: Paths = Field(alias="from")
    granted: tuple[Scalar, ...] = ("yes", "true", "1", "oui")
    refused: tuple[Scalar, ...] = ("no", "false", "0", "non")
    text_version: Annotated[str, Field(max_length=100)] | None = None


class SignatureCheck(Strict):
    """How the platform signs; see `signatures.Scheme`. The secrets stand in the entry."""

    kind: Literal["signature"] = "signature"
    header: HeaderName
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    separator: str = ""
    signed: str = "{body}"
    key: KeyRecipe = "plain"
    id_header: HeaderName | None = None
    timestamp_header: HeaderName | None = None
    tolerance_s: Annotated[int, Field(gt=0, le=3600)] = 300

    @model_validator(mode="after")
    def _placeholders_have_headers(self) -> "SignatureCheck":
        if "{body}" not in self.signed:
            raise ValueError("`signed` must contain {body}: else anyone could change the body")
        if ("{timestamp}" in self.signed) != (self.timestamp_header is not None):
            raise ValueError("`timestamp_header` and {timestamp} in `signed` go together")
        if ("{id}" in self.signed) != (self.id_header is not None):
            raise ValueError("`id_header` and {id} in `signed` go together")
        return self


class TokenCheck(Strict):
    """A secret text that the platform sends in a header, with or without `Bearer `."""

    kind: Literal["token"]
    header: HeaderName


def _signature_unless_said(value: Any) -> Any:
    return {"kind": "signature", **value} if isinstance(value, dict) else value


Check = Annotated[
    Annotated[SignatureCheck | TokenCheck, Field(discriminator="kind")],
    BeforeValidator(_signature_unless_said),
]


class SourceEntry(Strict):
    """One source. What an entry leaves out is taken from its preset, then from these defaults.

    `identifiers`, `answers`, `attributes` and `shorthands` are laid over the preset's key by key
    (null takes a key away); everything else replaces.
    """

    preset: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] | None = None
    decoder: Literal["json"] = "json"
    verify: Check | None = None
    secrets: Annotated[tuple[SecretRef, ...], Field(max_length=2)] = ()
    unsigned: bool = False
    ignore: tuple[Ignore, ...] = ()
    surveys: tuple[str, ...] = ()
    survey: Spec | None = None
    response_id: Spec | None = None
    answered_at: Spec | None = None
    revision: Spec | None = None
    revision_is: Literal["time", "counter"] = "time"
    complete: Literal["final", "unknown"] | Condition = "unknown"
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    not_before_days: Annotated[int, Field(gt=0)] = 1826
    identifiers: dict[Literal["email", "external_id", "phone"], Spec | None] = Field(
        default_factory=dict
    )
    answers: dict[Name, Spec | None] = Field(default_factory=dict)
    attributes: dict[Name, Spec | None] = Field(default_factory=dict)
    consents: tuple[ConsentField, ...] = ()
    shorthands: dict[Name, tuple[Template, ...]] = Field(default_factory=dict)


class SourcesFile(Strict):
    """The whole file."""

    sources: dict[SourceName, SourceEntry]
    body_bytes: Annotated[int, Field(ge=1024, le=16 << 20)] = 1 << 20
    quarantine_days: Annotated[int, Field(ge=1, le=366)] = 30
