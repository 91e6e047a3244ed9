"""The operator's policy: `policy.yaml` as frozen values.

In: the file (the shipped one explains every key). Out: `Policy`, or errors that name the fix.
"""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from shared.events.decisions import CalendarWindow, RollingWindow
from shared.events.vocabulary import Channel, ContactClass, Purpose, Segment
from shared.settings import Strict

Days = Annotated[int, Field(ge=0, le=3660)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("unknown time zone: use an IANA name such as Europe/Paris") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


class Band(Strict):
    """Scores `first` to `last`, both included."""

    segment: Segment
    first: Annotated[int, Field(ge=0, le=10)]
    last: Annotated[int, Field(ge=0, le=10)]


class Bands(Strict):
    """The bands of each metric."""

    nps: tuple[Band, ...]

    @model_validator(mode="after")
    def _cover_all_scores_once(self) -> "Bands":
        covered = sorted(s for band in self.nps for s in range(band.first, band.last + 1))
        if covered != list(range(11)):
            raise ValueError("the bands must cover each score from 0 to 10 exactly once")
        return self


class Clocks(Strict):
    """How often a customer may be asked; 0 days switches a clock off."""

    relational_days: Days = 90
    any_survey_days: Days = 30
    after_contact_days: Days = 7
    new_customer_days: Days = 14
    #: Names of surveys about one experience (`*` stands for anything): not relational.
    transactional_surveys: tuple[str, ...] = ()


class Rests(Strict):
    """When not to sell; 0 days switches a rest off."""

    marketing_after_detractor_days: Days = 14


class PermitRule(Strict):
    """Under which basis a class of contact may use which channels.

    `consent`: `granted` needs a yes, `not_refused` bears the unknown, `requested` needs the
    customer to have asked, `none` asks nobody. `purpose` is the statement looked at.
    """

    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    basis: Annotated[str, Field(min_length=1)]
    consent: Literal["granted", "not_refused", "requested", "none"]
    purpose: Purpose | None = None

    @model_validator(mode="after")
    def _names_its_purpose(self) -> "PermitRule":
        if self.consent != "none" and self.purpose is None:
            raise ValueError("name the purpose whose consent is looked at (or consent: none)")
        return self


class RollingRule(Strict):
    """The last `hours` hours."""

    kind: Literal["rolling"]
    #: A quarter at most: the connector keeps the newest 200 foreign contacts of a person.
    hours: Annotated[int, Field(ge=1, le=24 * 92)]

    def wire(self, _zone: str) -> RollingWindow:
        """Make the window as decisions state it."""
        return RollingWindow(hours=self.hours)


class CalendarRule(Strict):
    """The current day, week or month in a named zone, or in the customer's own."""

    kind: Literal["calendar"]
    unit: Literal["day", "week", "month"]
    zone: Zone | Literal["customer"]

    def wire(self, zone: str) -> CalendarWindow:
        """Make the window as decisions state it, for a customer living in `zone`."""
        return CalendarWindow(unit=self.unit, zone=zone if self.zone == "customer" else self.zone)


class BudgetRule(Strict):
    """At most `limit` contacts of these classes and channels (null: all) per window."""

    name: Name
    scope: Literal["person", "group"] = "person"
    classes: Annotated[tuple[ContactClass, ...], Field(min_length=1)]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)] | None = None
    limit: Annotated[int, Field(le=100)]
    window: Annotated[RollingRule | CalendarRule, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _lets_something_through(self) -> "BudgetRule":
        if self.limit < 1:
            raise ValueError(
                "limit must be 1 or more: 0 would silently stop every message; to stop a play, "
                "switch it off in playbook.yaml; to lift the limit, remove this budget"
            )
        return self


class Zones(Strict):
    """Where a customer's clock is when no attribute `zone` says so."""

    default: Zone
    countries: dict[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], Zone] = Field(
        default_factory=dict
    )


class ThemeRule(Strict):
    """How one theme is recognised.

    `declared`: reasons that a customer ticks. `topics`: words that name it in any sentence.
    `pains`: words that complain about it, unless negated. Accents and endings do not matter.
    """

    name: Name
    declared: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    pains: tuple[str, ...] = ()


class Policy(Strict):
    """The whole file."""

    bands: Bands
    clocks: Clocks = Clocks()
    rests: Rests = Rests()
    permits: dict[ContactClass, PermitRule]
    budgets: tuple[BudgetRule, ...] = ()
    zones: Zones
    themes: tuple[ThemeRule, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Policy":
        for kind, names in (
            ("budget", [budget.name for budget in self.budgets]),
            ("theme", [theme.name for theme in self.themes]),
        ):
            if len(names) != len(set(names)):
                raise ValueError(f"two entries share a {kind} name: rename one")
        return self
