"""The operator's policy: `policy.yaml` as frozen values.

In: the file (the shipped one explains every key). Out: `Policy`, or errors that name the fix.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from shared.events.decisions import CalendarWindow, RollingWindow
from shared.events.vocabulary import Channel, ContactClass, Purpose, Segment
from shared.settings import Strict

#: Strict, because YAML's `true` would be taken for a 1.
Days = Annotated[int, Field(ge=0, le=3660, strict=True)]


def _plain(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise ValueError("use at most 64 of a-z, 0-9, - and _, and no - or _ in front")
    return name


def _country(code: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", code):
        raise ValueError("use the two capital letters of the country, such as FR")
    return code


Name = Annotated[str, AfterValidator(_plain)]


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
    first: Annotated[int, Field(ge=0, le=10, strict=True)]
    last: Annotated[int, Field(ge=0, le=10, strict=True)]


class Bands(Strict):
    """The bands of each metric."""

    nps: tuple[Band, ...]

    @model_validator(mode="after")
    def _cover_all_scores_once(self) -> "Bands":
        covered = Counter(s for band in self.nps for s in range(band.first, band.last + 1))
        wrong = [f"{score} is in {covered[score]}" for score in range(11) if covered[score] != 1]
        if wrong:
            raise ValueError(
                f"put each score from 0 to 10 into exactly one band: {', '.join(wrong)}"
            )
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
    """When to leave her alone beside the clocks; 0 days switches a rest off."""

    marketing_after_detractor_days: Days = 14
    open_case_days: Days = 90


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


def _every_class(permits: dict[ContactClass, PermitRule]) -> dict[ContactClass, PermitRule]:
    missing = [name for name in get_args(ContactClass) if name not in permits]
    if missing:
        raise ValueError(f"add {', '.join(missing)}: a class without a permit reaches nobody")
    return permits


Permits = Annotated[dict[ContactClass, PermitRule], AfterValidator(_every_class)]


class RollingRule(Strict):
    """The last `hours` hours."""

    kind: Literal["rolling"]
    #: A quarter at most: the connector keeps the newest 200 foreign contacts of a person.
    hours: Annotated[int, Field(ge=1, le=24 * 92, strict=True)]

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


def _lets_something_through(limit: int) -> int:
    if limit < 1:
        raise ValueError(
            "limit must be 1 or more: 0 would silently stop every message; to stop a play, "
            "switch it off in playbook.yaml; to lift the limit, remove this budget"
        )
    return limit


class BudgetRule(Strict):
    """At most `limit` contacts of these classes and channels (null: all) per window."""

    name: Name
    scope: Literal["person", "group"] = "person"
    classes: Annotated[tuple[ContactClass, ...], Field(min_length=1)]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)] | None = None
    limit: Annotated[int, Field(le=100, strict=True), AfterValidator(_lets_something_through)]
    window: Annotated[RollingRule | CalendarRule, Field(discriminator="kind")]


class Zones(Strict):
    """Where a customer's clock is when no attribute `zone` says so."""

    default: Zone
    countries: dict[Annotated[str, AfterValidator(_country)], Zone] = Field(default_factory=dict)


def _words(text: str) -> str:
    if not any(character.isalnum() for character in text):
        raise ValueError("write a word or a phrase, or remove the entry: this matches nothing")
    return text


Words = Annotated[str, AfterValidator(_words)]


class ThemeRule(Strict):
    """How one theme is recognised.

    `declared`: reasons that a customer ticks. `topics`: words that name it in any sentence.
    `pains`: words that complain about it, unless negated. Accents and endings do not matter, but
    for an entry that begins with `=`: that one means itself and nothing else.
    """

    name: Name
    declared: tuple[Words, ...] = ()
    topics: tuple[Words, ...] = ()
    pains: tuple[Words, ...] = ()


def _once(kind: str, names: Sequence[str]) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"{kind} {twice} is given twice: rename or remove one")


def _budgets(budgets: tuple[BudgetRule, ...]) -> tuple[BudgetRule, ...]:
    _once("budget", [budget.name for budget in budgets])
    return budgets


def _themes(themes: tuple[ThemeRule, ...]) -> tuple[ThemeRule, ...]:
    _once("theme", [theme.name for theme in themes])
    declared = [{reason.casefold() for reason in theme.declared} for theme in themes]
    _once("declared reason", [reason for reasons in declared for reason in reasons])
    return themes


class Policy(Strict):
    """The whole file."""

    bands: Bands
    clocks: Clocks = Clocks()
    rests: Rests = Rests()
    permits: Permits
    budgets: Annotated[tuple[BudgetRule, ...], AfterValidator(_budgets)] = ()
    zones: Zones
    themes: Annotated[tuple[ThemeRule, ...], AfterValidator(_themes)] = ()
