"""Section `budgets`: how many contacts at most, counted over which window."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from services.segmenter.policy.words import Name, Zone, once
from shared.events.decisions import CalendarWindow, RollingWindow
from shared.events.vocabulary import Channel, ContactClass
from shared.settings import Strict


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


def _budgets(budgets: tuple[BudgetRule, ...]) -> tuple[BudgetRule, ...]:
    once("budget", [budget.name for budget in budgets])
    return budgets


Budgets = Annotated[tuple[BudgetRule, ...], AfterValidator(_budgets)]
