"""Which event a message becomes and where its fields are, as written by an operator.

In: YAML of one source or of one kind of its messages. Out: frozen values whose every path and zone
reads; `compiler` makes closures of them.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from services.ingest.mapper.moments import DateOrder
from services.ingest.mapper.paths import compile_path, quote
from shared.events.feedback import Provenance
from shared.events.vocabulary import Channel, ContactClass, Purpose, Segment, Value
from shared.settings import Strict


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


def is_shorthand(path: str) -> bool:
    """Tell a shorthand from a path: a word and a colon before any dot, bracket or quote."""
    word, colon, _ = path.partition(":")
    return bool(colon) and word not in _PATH_WORDS and word.replace("_", "").isalpha()


PathText = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_readable)]
Template = Annotated[str, AfterValidator(_readable_template)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
ZoneWord = Annotated[str, Field(pattern=r"^[A-Z]{2,5}$")]
Mark = Annotated[str, Field(min_length=1, max_length=64)]
Scalar = str | bool | int | float
#: How a value may be converted; see `values.CONVERSIONS`.
Conversion = Literal["text", "number", "whole", "flag", "list", "lower", "upper"]
#: Words before a colon that are no shorthand of a preset: they are part of the path language.
_PATH_WORDS = frozenset({"header", "root", "query", "expr"})


def _paths(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Paths = Annotated[
    tuple[PathText, ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_paths, json_schema_input_type=str | list[str]),
]


class _WithFrom(Strict):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


def _texts_of_keys(value: Any) -> Any:
    """Take the codes of a form as YAML reads them: 1 is a number there, and yes is true."""
    if not isinstance(value, dict):
        return value
    table: dict[Any, Any] = {}
    for key, text in value.items():
        if isinstance(key, bool):
            table |= {"true": text, "yes": text} if key else {"false": text, "no": text}
        else:
            table[str(key) if isinstance(key, int | float) else key] = text
    return table


class Picked(_WithFrom):
    """Where a value is: `from` one path or several (the first that says something), or a constant.

    `after` and `before` take a part of a text: what stands after the first such mark, before the
    next one; a text without the mark stays whole. `values` translates: a value found (of a list:
    each) is replaced by the one beside it, others stay. `as` then converts it; what cannot be
    converted is refused with the path.
    """

    from_: Paths | None = Field(default=None, alias="from")
    constant: Scalar | None = None
    values: Annotated[dict[str, Value], BeforeValidator(_texts_of_keys)] = Field(
        default_factory=dict
    )
    as_: Conversion | None = Field(default=None, alias="as")
    after: Mark | None = None
    before: Mark | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "Picked":
        if (self.from_ is None) == (self.constant is None):
            raise ValueError("give either `from` or `constant`")
        return self


def _spec(value: Any) -> Any:
    return {"from": value} if isinstance(value, str | list) else value


#: Short forms: a path, or a list of paths, stands for `{from: …}`.
Spec = Annotated[Picked, BeforeValidator(_spec, json_schema_input_type=str | list[str] | Picked)]


class Condition(_WithFrom):
    """Holds when the value found is one of `is` (compared as folded text)."""

    from_: Paths = Field(alias="from")
    is_: Annotated[tuple[Scalar, ...], Field(min_length=1)] = Field(alias="is")


class Ignore(Condition):
    """A message that is accepted and not counted, such as a platform's test ping."""

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z ]{0,40}$")] = "test message"


class ConsentField(_WithFrom):
    """A question or hidden field that says yes or no to being contacted; other values say nothing.

    `proof` is where the payload says by what each person's own word can be shown: without it, a yes
    of a bought address counts for nothing. An unquoted yes or no is true or false in YAML: it means
    the word and the boolean.
    """

    channel: Channel | Literal["all"]
    purpose: Purpose
    from_: Paths = Field(alias="from")
    granted: tuple[Scalar, ...] = ("yes", "true", "1", "oui")
    refused: tuple[Scalar, ...] = ("no", "false", "0", "non")
    text_version: Annotated[str, Field(max_length=100)] | None = None
    proof: Paths | None = None


Becomes = Literal[
    "response",
    "invitation",
    "shown",
    "decline",
    "opt_out",
    "case_opened",
    "case_resolved",
    "case_reopened",
    "message_sent",
    "message_delivered",
    "message_bounced",
    "message_opened",
    "message_unsubscribed",
    "action_completed",
    "customer_update",
    "thin",
]


class Hashed(Strict):
    """An id made of chosen fields, for a tool that gives none; it is marked `hash:`."""

    hash: Paths


#: An end of a scale; what lies beyond is none, and no event takes it.
End = Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000, allow_inf_nan=False)]


class ScaleFrom(_WithFrom):
    """A scale that the payload tells: each end a number, or where it stands."""

    least: PathText | End = 0
    most: PathText | End


class Score(Strict):
    """What the score is: its metric, its scale and, where not the plain ones of NPS, its bands.

    Bands are closed ranges on the platform's own scale. An `nps` score on another scale than 0 to
    10 is converted, and only because the source says so here.
    """

    metric: Literal["nps", "csat", "ces", "stars"] = "nps"
    scale: tuple[End, End] | ScaleFrom = (0, 10)
    bands: dict[Segment, tuple[End, End]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Score":
        scale = self.scale
        least, most = scale if isinstance(scale, tuple) else (scale.least, scale.most)
        if not isinstance(least, str) and not isinstance(most, str) and least >= most:
            raise ValueError("scale: the least value comes first, then the greatest")
        if self.metric != "nps" and "scale" not in self.model_fields_set:
            raise ValueError(f"scale: missing: say how far {self.metric} goes, such as [1, 5]")
        if self.metric == "nps" and self.bands:
            raise ValueError("bands: those of NPS are fixed (0-6, 7-8, 9-10); remove them")
        ends = sorted(self.bands.values())
        if any(low > high for low, high in ends):
            raise ValueError("bands: write each as [lowest, highest]")
        if any(after[0] <= before[1] for before, after in pairwise(ends)):
            raise ValueError("bands: two of them overlap")
        return self


class Reads(Strict):
    """Which event a message becomes, and where each of its fields is.

    Which fields are used depends on `becomes`; `answered_at` is when it happened. `everything`
    tells an opt-out from all messages from one of marketing and surveys alone.
    """

    becomes: Becomes = "response"
    survey: Spec | None = None
    response_id: Annotated[Hashed | Spec | None, Field(union_mode="left_to_right")] = None
    answered_at: Spec | None = None
    revision: Spec | None = None
    revision_is: Literal["time", "counter"] = "time"
    complete: Literal["final", "unknown"] | Condition = "unknown"
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    zones: dict[ZoneWord, Annotated[str, AfterValidator(_known_zone)]] = Field(default_factory=dict)
    dates: DateOrder | None = None
    #: A century is for ever here, and every moment less a century is one that exists.
    not_before_days: Annotated[int, Field(gt=0, le=36_500)] = 1826
    score: Score = Score()
    identifiers: dict[Literal["email", "external_id", "phone"], Spec | None] = Field(
        default_factory=dict
    )
    answers: dict[Name, Spec | None] = Field(default_factory=dict)
    attributes: dict[Name, Spec | None] = Field(default_factory=dict)
    consents: tuple[ConsentField, ...] = ()
    provenance: Provenance | None = None
    event_id: Spec | None = None
    case: Spec | None = None
    channel: Spec | None = None
    contact_class: ContactClass = "marketing"
    delivery_id: Spec | None = None
    what: Spec | None = None
    everything: Condition | None = None
    variables: dict[Name, Spec] = Field(default_factory=dict)


def _conditions(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class Kind(Reads):
    """One kind of message among several: the first whose conditions all hold is taken.

    What it leaves out is taken from the source's own keys.
    """

    when: Annotated[
        tuple[Condition, ...],
        BeforeValidator(_conditions, json_schema_input_type=Condition | list[Condition]),
    ] = ()
