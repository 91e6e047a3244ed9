"""The playbook: which action follows which decision, as strict values (`playbook.yaml`).

The shipped file is the reference of every key. Matching and planning are in `plan`.
"""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from services.dispatcher.delivery import OnUnknown, ProfileLate
from services.dispatcher.hours.calendars import Calendar
from services.dispatcher.playbook.durations import ClockTime, Duration
from services.dispatcher.playbook.offers import CouponPool, Experiment, ReviewSite
from services.dispatcher.playbook.routing import DigestRoute, Route
from services.dispatcher.playbook.variants import Name, Variants
from shared.events.decisions import Lifecycle, MoveKind, Trigger
from shared.events.vocabulary import Channel, ContactClass, Segment, Tone, Value
from shared.settings import Misplaced, Strict

#: Conditions that choose the satisfied: to ask only them for a review is gating.
_SATISFIED: Final = frozenset(
    {"segment", "previous_segment", "score_from", "score_to", "move", "mature", "recovered"}
    | {"theme", "pains", "strengths", "escalations", "streak_from"}
)

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
    escalations: tuple[Name, ...] = ()
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

    action: Name
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    target: Name
    route: Route | None = None
    contact_class: Annotated[ContactClass, Field(alias="class")]
    legal_basis: str | None = None
    variants: Variants
    coupon: Name | None = None
    review_site: Name | None = None
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
        if self.coupon and self.review_site:
            raise ValueError("a review is never asked for with a coupon: remove one of them")
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

    name: Name
    when: When
    do: Do
    only_one_of: Name | None = None
    alone: bool = False
    priority: int = 0
    surge: Surge | None = None
    approve_first: Annotated[int, Field(ge=0, le=10_000)] = 0
    stop_when: tuple[_What, ...] = ()
    experiment: Experiment | None = None

    @model_validator(mode="after")
    def _measurable(self) -> "Play":
        refused = {"internal", "asked_for"}
        if self.experiment and self.experiment.hold_out and self.do.contact_class in refused:
            raise ValueError(
                f"class {self.do.contact_class} has no hold_out: nobody who asked, and no "
                "colleague, goes without"
            )
        return self

    @model_validator(mode="after")
    def _speaks_to_her(self) -> "Play":
        if self.alone and self.do.contact_class == "internal":
            raise ValueError("alone is about what reaches her: remove it from class 'internal'")
        return self


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


def _again(names: list[str]) -> int | None:
    """Return the place of the first name that was there before; never 0."""
    return next((place for place, name in enumerate(names) if name in names[:place]), None)


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
    coupon_pools: dict[Name, CouponPool] = Field(default_factory=dict)
    review_sites: dict[Name, ReviewSite] = Field(default_factory=dict)
    digests: dict[Name, DigestRoute] = Field(default_factory=dict)
    figure_alerts: dict[Name, DigestRoute] = Field(default_factory=dict)
    plays: tuple[Play, ...]

    @model_validator(mode="after")
    def _pools_and_sites_are_there(self) -> "Playbook":
        for place, play in enumerate(self.plays):
            pool, site = play.do.coupon, play.do.review_site
            at_do = ("plays", place, "do")
            if pool is not None and pool not in self.coupon_pools:
                fix = f"play {play.name}: '{pool}' is no pool: add it to coupon_pools"
                raise Misplaced(fix, *at_do, "coupon")
            if site is None:
                continue
            if site not in self.review_sites:
                fix = f"play {play.name}: '{site}' is no site: add it to review_sites"
                raise Misplaced(fix, *at_do, "review_site")
            chosen = _SATISFIED & play.when.model_fields_set
            if self.review_sites[site].audience == "everyone" and chosen:
                raise Misplaced(
                    f"play {play.name}: {site} has audience everyone: remove "
                    f"{', '.join(sorted(chosen))} from its when",
                    *("plays", place, "when"),
                )
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Playbook":
        if place := _again([play.name for play in self.plays]):
            fix = f"two plays are named {self.plays[place].name}: a name makes delivery ids"
            raise Misplaced(fix, "plays", place, "name")
        if place := _again([pack.name for pack in self.calendars]):
            fix = f"two calendars are named {self.calendars[place].name}: reasons name them"
            raise Misplaced(fix, "calendars", place, "name")
        return self

    def named(self, name: str) -> Play | None:
        """Return a play; None if this version has it no more."""
        return next((play for play in self.plays if play.name == name), None)

    def stopped_by(self, what: str) -> frozenset[str]:
        """Name the plays that stop once she has completed this."""
        return frozenset(play.name for play in self.plays if what in play.stop_when)

    def rivals(self, play: Play) -> frozenset[str]:
        """Name the actions of the plays that share its `only_one_of`, its own among them."""
        return frozenset(
            other.do.action
            for other in self.plays
            if other is play or (play.only_one_of and other.only_one_of == play.only_one_of)
        )

    def max_age_of(self, play: Play) -> timedelta:
        """Tell how old its cause may be when this play acts."""
        internal = play.do.contact_class == "internal"
        return play.do.max_age or (self.max_age_internal if internal else self.max_age)
