"""The playbook: which action follows which decision, as strict values (`playbook.yaml`).

The shipped file is the reference of every key. Matching and planning are in `plan`.
"""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from services.dispatcher.calendars import Calendar
from services.dispatcher.delivery import OnUnknown, ProfileLate
from services.dispatcher.durations import ClockTime, Duration
from services.dispatcher.routing import Route
from shared.events.decisions import Lifecycle, MoveKind, Trigger
from shared.events.vocabulary import Channel, ContactClass, Segment, Tone, Value
from shared.settings import Strict

_NAME = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


#: As decisions say it, without region: `fr`, not `FR` or `fr-FR`, which would match nobody.
_Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


#: As a report of it is named: `review_left`, `referral`, `purchase`.
_What = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
#: A bound of a numeric attribute: an average basket, a monthly revenue, a count of orders.
_Number = Annotated[float, Field(allow_inf_nan=False)]


class When(Strict):
    """What a decision must show. Each key narrows; lists mean "one of"; an absent key means any."""

    trigger: Trigger
    segment: tuple[Segment, ...] = ()
    theme: tuple[str, ...] = ()
    escalations: tuple[_NAME, ...] = ()
    move: tuple[MoveKind, ...] = ()
    survey: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    language: tuple[_Language, ...] = ()
    tone: tuple[Tone, ...] = ()
    score_from: Annotated[int, Field(ge=0, le=10)] | None = None
    score_to: Annotated[int, Field(ge=0, le=10)] | None = None
    has_comment: bool | None = None
    lifecycle: tuple[Lifecycle, ...] = ()
    mature: bool | None = None
    callback_requested: bool | None = None
    panel_opt_in: bool | None = None
    recovered: bool | None = None
    previous_segment: tuple[Segment, ...] = ()
    pains: tuple[str, ...] = ()
    strengths: tuple[str, ...] = ()
    streak_from: Annotated[int, Field(ge=1)] | None = None
    answers_from: Annotated[int, Field(ge=1)] | None = None
    answers_to: Annotated[int, Field(ge=1)] | None = None
    what: tuple[_What, ...] = ()
    attributes: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    attributes_from: dict[str, _Number] = Field(default_factory=dict)
    attributes_to: dict[str, _Number] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _possible(self) -> "When":
        bounds: list[tuple[str, float | None, float | None]] = [
            ("score_{}", self.score_from, self.score_to),
            ("answers_{}", self.answers_from, self.answers_to),
        ]
        bounds += [
            (f"attributes_{{}}.{name}", least, self.attributes_to.get(name))
            for name, least in self.attributes_from.items()
        ]
        for name, least, most in bounds:
            if least is not None and most is not None and most < least:
                low, high = name.format("from"), name.format("to")
                raise ValueError(f"{high} must not be below {low}: nothing is between them")
        if self.what and self.trigger != "action_completed":
            raise ValueError("what names a completed action: give trigger action_completed")
        return self

    @property
    def specificity(self) -> int:
        """Count the conditions: of equals in priority, the more particular play wins."""
        by_name = (self.attributes, self.attributes_from, self.attributes_to)
        return len(self.model_fields_set) - 1 + sum(max(0, len(names) - 1) for names in by_name)


def _as_lookup(raw: object) -> object:
    """Let one template stand for all languages: `price: REASSURE_PRICE`."""
    return {"default": raw} if isinstance(raw, str) else raw


def _found_by(templates: dict[str, str]) -> dict[str, str]:
    """Refuse a key that no customer's language and tone would ever find."""
    for key in templates:
        if not re.fullmatch(r"default|tu|vous|[a-z]{2,3}(-(tu|vous))?", key):
            raise ValueError(
                f"no one finds '{key}': write default, a language (fr), a tone (tu, vous), "
                "or both (fr-tu)"
            )
    return templates


#: `<language>-<tone>`, `<language>`, `<tone>` or `default` → the platform's template.
Templates = Annotated[
    dict[str, str],
    BeforeValidator(_as_lookup, json_schema_input_type=str | dict[str, str]),
    AfterValidator(_found_by),
]


class SignedBy(Strict):
    """Who signs a message: a person who can be answered, never a no-reply."""

    name: Annotated[str, Field(min_length=1)]
    role: str = ""
    reply_to: str = ""


class Delay(Strict):
    """A human-like delay: nobody writes within a second of being rated."""

    min: Duration
    max: Duration

    @model_validator(mode="after")
    def _ordered(self) -> "Delay":
        if self.max < self.min:
            raise ValueError("max must not be below min")
        return self


class Do(Strict):
    """What to do: one action, by the first permitted of some channels, at one target."""

    action: _NAME
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    target: _NAME
    route: Route | None = None
    contact_class: Annotated[ContactClass, Field(alias="class")]
    legal_basis: str | None = None
    variants: dict[str, Templates]
    context: dict[str, Value] = Field(default_factory=dict)
    signed_by: SignedBy | None = None
    delay: Delay | None = None
    max_age: Duration | None = None
    cooldown: Duration | None = None
    once_per: Literal["cause", "customer"] = "cause"
    on_unknown: OnUnknown | None = None
    profile_late: ProfileLate = "send"
    quiet: Literal["queue", "drop"] = "queue"

    @model_validator(mode="after")
    def _complete(self) -> "Do":
        if "default" not in self.variants:
            raise ValueError("variants need a 'default': it is taken for every other theme")
        if any("default" not in templates for templates in self.variants.values()):
            raise ValueError("every variant needs a 'default' template for other languages")
        if self.contact_class == "service" and not self.legal_basis:
            raise ValueError("class 'service' goes without consent: name its legal_basis")
        if self.route is not None and self.contact_class != "internal":
            raise ValueError("route leads alerts to their owner: class 'internal' only")
        return self


class Surge(Strict):
    """The brake against a play gone wild: what comes past `most` per target in `per` is parked."""

    most: Annotated[int, Field(ge=1)]
    per: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(
        minutes=1
    )


class Play(Strict):
    """One rule of the playbook."""

    name: _NAME
    when: When
    do: Do
    only_one_of: _NAME | None = None
    priority: int = 0
    surge: Surge | None = None
    approve_first: Annotated[int, Field(ge=0, le=10_000)] = 0


class QuietHours(Strict):
    """When the classes are left alone, by the customer's own clock."""

    start: ClockTime
    end: ClockTime
    classes: tuple[ContactClass, ...]

    @model_validator(mode="after")
    def _differ(self) -> "QuietHours":
        if self.start == self.end:
            raise ValueError("start and end must differ; leave quiet_hours out for none")
        return self


class Playbook(Strict):
    """The file `playbook.yaml`."""

    max_age: Duration = timedelta(hours=72)
    max_age_internal: Duration = timedelta(hours=24)
    delay: Delay = Delay(min=timedelta(minutes=2), max=timedelta(minutes=30))
    profile_wait: Duration = timedelta(minutes=10)
    max_staleness: Duration = timedelta(seconds=60)
    quiet_hours: QuietHours | None = None
    calendars: tuple[Calendar, ...] = ()
    opening_jitter: Duration = timedelta(0)
    surge: Surge | None = None
    plays: tuple[Play, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Playbook":
        names = [play.name for play in self.plays]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two plays are named {sorted(twice)[0]}: a name makes delivery ids")
        packs = [pack.name for pack in self.calendars]
        if twice := {name for name in packs if packs.count(name) > 1}:
            raise ValueError(f"two calendars are named {sorted(twice)[0]}: reasons name them")
        return self

    def named(self, name: str) -> Play | None:
        """Return a play; None if this version has it no more."""
        return next((play for play in self.plays if play.name == name), None)

    def max_age_of(self, play: Play) -> timedelta:
        """Tell how old its cause may be when this play acts."""
        internal = play.do.contact_class == "internal"
        return play.do.max_age or (self.max_age_internal if internal else self.max_age)
