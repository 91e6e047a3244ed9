"""Counting contacts against budgets, and finding the next free moment."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.delivery import Contact, Delivery
from services.dispatcher.slots.book import Book
from services.dispatcher.slots.slots import Taken, next_free, reach, refusal, take
from shared.events.decisions import Budget, CalendarWindow, RollingWindow
from shared.events.outcomes import DeliveryState
from tests.builders.decisions import CLASSES
from tests.builders.deliveries import contact, delivery

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)


def h(hours: float) -> datetime:
    """Noon and some hours."""
    return NOON + timedelta(hours=hours)


def budget(window: RollingWindow | CalendarWindow, limit: int = 1, **changes: Any) -> Budget:
    """A budget over everything, unless said."""
    values: dict[str, Any] = {
        "name": "b",
        "scope": "person",
        "classes": CLASSES,
        "channels": None,
        "limit": limit,
        "window": window,
    }
    return Budget(**{**values, **changes})


def rolling(hours: int, limit: int = 1, **changes: Any) -> Budget:
    return budget(RollingWindow(hours=hours), limit, **changes)


def calendar(unit: Any, zone: str = "UTC", limit: int = 1) -> Budget:
    return budget(CalendarWindow(unit=unit, zone=zone), limit)


def free(at: datetime) -> tuple[datetime, str | None]:
    """No hold and no quiet hours."""
    return at, None


@pytest.mark.parametrize(
    ("budgets", "contacts", "expected"),
    [
        pytest.param([], [0], h(0), id="no-budget-always-fits"),
        pytest.param([rolling(16)], [], h(0), id="nothing-yet-fits"),
        pytest.param([rolling(16)], [-1], h(15), id="free-when-the-last-leaves-the-window"),
        pytest.param([rolling(16)], [-16], h(0), id="exactly-n-hours-later-fits"),
        pytest.param([rolling(16)], [-15.99], h(0.01), id="a-little-less-does-not"),
        pytest.param([rolling(16, 2)], [-1], h(0), id="second-of-two-fits"),
        pytest.param([rolling(16, 2)], [-3, -1], h(13), id="third-of-two-waits-for-the-oldest"),
        pytest.param([rolling(16)], [10], h(26), id="one-planned-soon-after-counts-too"),
        pytest.param([rolling(16)], [16], h(0), id="one-planned-n-hours-after-does-not"),
        pytest.param([rolling(16)], [-1, 15], h(31), id="no-room-between-two"),
        pytest.param([rolling(16)], [-1, 40], h(15), id="room-between-two"),
        pytest.param([rolling(1), rolling(48, 2)], [-40, -0.5], h(8), id="the-strictest-decides"),
        pytest.param([calendar("day")], [-11], h(12), id="day-is-free-at-midnight"),
        pytest.param([calendar("day")], [-13], h(0), id="yesterday-does-not-count"),
        pytest.param([calendar("day", "Asia/Tokyo")], [-1], h(3), id="midnight-of-its-own-zone"),
        pytest.param([calendar("week")], [-24], h(84), id="week-is-free-on-monday"),
        pytest.param(
            [calendar("month")], [-24], datetime(2026, 4, 1, tzinfo=UTC), id="month-on-the-first"
        ),
        pytest.param([calendar("day")], [-1, 13], h(36), id="a-later-day-may-be-taken-too"),
    ],
)
def test_the_next_free_moment(
    budgets: list[Budget], contacts: list[float], expected: datetime
) -> None:
    """From noon on, the first moment at which one more contact breaks no window."""
    taken = Taken(person=tuple(contact(h(at)) for at in contacts))
    at, reason = next_free(budgets, taken, NOON, free)
    assert abs(at - expected) < timedelta(seconds=1)
    assert (reason is None) == (at == NOON)


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param(datetime(2026, 3, 29, 12, tzinfo=UTC), 23, id="spring-forward-has-23-hours"),
        pytest.param(datetime(2026, 10, 25, 12, tzinfo=UTC), 25, id="autumn-back-has-25-hours"),
        pytest.param(datetime(2026, 3, 12, 12, tzinfo=UTC), 24, id="any-other-has-24"),
    ],
)
def test_a_calendar_day_follows_the_clock_on_the_wall(day: datetime, hours: int) -> None:
    """In Paris, a day with a change of clocks is shorter or longer than others."""
    paris = calendar("day", "Europe/Paris")
    first = refusal(paris, Taken(person=(contact(day),)), day)
    assert first is not None
    before = first.next_free - timedelta(hours=hours)
    assert refusal(paris, Taken(person=(contact(before),)), day) is not None
    assert refusal(paris, Taken(person=(contact(before - timedelta(seconds=1)),)), day) is None


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        pytest.param({}, True, id="same-class-and-channel"),
        pytest.param({"classes": ("service",)}, False, id="another-class"),
        pytest.param({"channels": ("sms",)}, False, id="another-channel"),
        pytest.param({"channels": ("sms", "email")}, True, id="one-of-its-channels"),
    ],
)
def test_a_budget_counts_its_classes_and_channels(changes: dict[str, Any], counts: bool) -> None:
    """A contact of another class or channel neither counts nor is limited."""
    limited = rolling(16, **changes)
    other = delivery(moment=NOON, deadline=h(200))
    taken = Taken(person=(contact(h(-1)),))
    assert (take(other, [limited], taken, free).state == "waiting") == counts


def test_foreign_contacts_count() -> None:
    """What a colleague's tool sent uses the budget like our own."""
    refused = refusal(rolling(16, foreign=(h(-2),)), Taken(), NOON)
    assert refused is not None
    assert (refused.used, refused.limit, refused.next_free) == (1, 1, h(14))


def test_a_group_budget_counts_everyone_of_the_group() -> None:
    """A contact with another member uses the group's budget, not the person's."""
    taken = Taken(person=(), group=(contact(h(-1)),))
    assert refusal(rolling(16, scope="group"), taken, NOON) is not None
    assert refusal(rolling(16), taken, NOON) is None


def test_a_group_budget_counts_what_others_sent_to_any_member() -> None:
    """Each of the group's budgets counts its own; a person's budget is hers alone."""
    taken = Taken(foreign={"household": (h(-3), h(-1))}).without(delivery()).sent()
    group = rolling(16, 3, scope="group", name="household", foreign=(h(-2),))
    refused = refusal(group, taken, NOON)
    assert refused is not None
    assert (refused.used, refused.next_free) == (3, h(13))
    assert refusal(rolling(16, 1, scope="group", name="account"), taken, NOON) is None
    assert refusal(rolling(16, 1, name="household"), taken, NOON) is None


def test_a_book_counts_each_members_foreign_contacts_once() -> None:
    """Hers stand in her budgets already; what a newer state says replaces the older."""
    mine, his, hers = (uuid.UUID(int=n) for n in (1, 2, 3))
    group = rolling(16, scope="group", name="household")
    book = Book(members={"g": {mine, his, hers}}, foreign={his: {"household": (h(-9),)}})
    for member, at in ((mine, -1), (his, -2), (hers, -3)):
        own = rolling(16, foreign=(h(at),))
        book.hear(member, [own, group.model_copy(update={"foreign": (h(at),)})])
    found = book.taken(mine, "g", "sandbox").foreign
    assert {name: sorted(times) for name, times in found.items()} == {"household": [h(-3), h(-2)]}
    assert book.taken(mine, None, "sandbox").foreign == {}


@pytest.mark.parametrize(
    ("deadline", "state", "until"),
    [
        pytest.param(h(72), "waiting", h(15), id="before-the-deadline-it-waits"),
        pytest.param(h(15), "suppressed", h(15), id="at-the-deadline-it-is-too-late"),
        pytest.param(h(2), "suppressed", h(15), id="after-the-deadline-it-is-suppressed"),
    ],
)
def test_a_refusal_names_budget_counts_and_next_free_time(
    deadline: datetime, state: DeliveryState, until: datetime
) -> None:
    """Why not, and when again, is in the row."""
    taken = Taken(person=(contact(h(-1)),))
    refused = take(delivery(moment=NOON, deadline=deadline), [rolling(16)], taken, free)
    assert (refused.state, refused.until) == (state, until)
    assert refused.reason.startswith("budget b: 1 of 1 in 16 h; next free 2026-03-13T03:00")


def test_a_deliverys_own_slot_does_not_stand_in_its_way() -> None:
    """Counted again, a delivery is not its own rival."""
    mine = delivery(moment=NOON, deadline=h(72))
    own = Contact(
        delivery_id=mine.id,
        customer_id=mine.customer_id,
        at=NOON,
        action=mine.action,
        play=mine.play,
        channel="email",
        contact_class="marketing",
        state="planned",
    )
    assert take(mine, [rolling(16)], Taken(person=(own,)), free).state == "planned"


@given(
    moments=st.lists(st.integers(0, 200), max_size=25),
    limit=st.integers(1, 3),
    hours=st.integers(1, 48),
    unit=st.sampled_from([None, "day", "week"]),
)
def test_no_window_ever_holds_more_than_its_limit(
    moments: list[int], limit: int, hours: int, unit: str | None
) -> None:
    """However deliveries are asked for, each taken slot keeps every window within its limit."""
    one = rolling(hours, limit) if unit is None else calendar(unit, "Europe/Paris", limit)
    placed: list[Delivery] = []
    for moment in moments:
        taken = Taken(person=tuple(contact(d.moment) for d in placed))
        asked = delivery(id=uuid.uuid4(), moment=h(moment), deadline=h(10_000))
        placed.append(take(asked, [one], taken, free))
    times = sorted(d.moment for d in placed)
    for index, at in enumerate(times):
        without = Taken(person=tuple(contact(t) for i, t in enumerate(times) if i != index))
        assert refusal(one, without, at) is None


@given(
    hours_ago=st.lists(st.integers(-60, 1500), max_size=25),
    limit=st.integers(1, 3),
    hours=st.integers(1, 800),
    unit=st.sampled_from([None, "day", "week", "month"]),
    ahead=st.integers(0, 900),
)
def test_what_no_window_reaches_changes_no_refusal(
    hours_ago: list[int], limit: int, hours: int, unit: str | None, ahead: int
) -> None:
    """So only as much of an account's contacts is read as its budgets look back."""
    one = rolling(hours, limit) if unit is None else calendar(unit, "Europe/Paris", limit)
    all_of_them = [contact(h(-ago)) for ago in hours_ago]
    near = [each for each in all_of_them if each.at > NOON - reach([rolling(1), one])]
    asked = h(ahead)
    assert refusal(one, Taken(person=tuple(all_of_them)), asked) == refusal(
        one, Taken(person=tuple(near)), asked
    )
