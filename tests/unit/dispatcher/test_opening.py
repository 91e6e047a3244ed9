"""Calendars: when a message may go, by law and courtesy, on the clock of the customer's wall."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.dispatcher.hours.calendars import Calendar
from services.dispatcher.hours.opening import Place, concerning, next_open, place_of
from services.dispatcher.playbook.plays import Playbook
from shared.events.vocabulary import Channel, ContactClass
from shared.settings import load_yaml

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "config" / "playbook.yaml"
PACKS = load_yaml(SHIPPED, Playbook).value.calendars
PARIS = Place("Europe/Paris", "FR", {})


def pack(**changes: Any) -> Calendar:
    """Open on working days from ten to six, since the beginning of 2026."""
    values: dict[str, Any] = {
        "name": "office",
        "classes": ["marketing"],
        "open": [
            {"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "10:00", "closes": "18:00"}
        ],
        "valid_from": date(2026, 1, 1),
        "source": "invented",
    }
    return Calendar.model_validate({**values, **changes})


def utc(month: int, day: int, hour: int, minute: int = 0, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def released(channel: Channel, at: datetime, place: Place = PARIS) -> tuple[datetime, str | None]:
    """When marketing by a channel may go under the shipped packs, and which pack refuses `at`."""
    found, refused = next_open(concerning(PACKS, "marketing", channel, place), place, at)
    return found, refused.name if refused else None


@pytest.mark.parametrize(
    ("channel", "at", "expected", "refused"),
    [
        pytest.param("email", utc(3, 12, 12), utc(3, 12, 12), None, id="mail at noon"),
        pytest.param("email", utc(3, 12, 19), utc(3, 13, 7), "night", id="mail at eight"),
        pytest.param("email", utc(3, 15, 12), utc(3, 15, 12), None, id="mail on a sunday"),
        pytest.param("sms", utc(3, 12, 12), utc(3, 12, 12), None, id="a text at noon"),
        pytest.param("sms", utc(3, 14, 18, 59), utc(3, 14, 18, 59), None, id="saturday evening"),
        pytest.param("sms", utc(3, 14, 19), utc(3, 16, 7), "night", id="over a sunday"),
        pytest.param("sms", utc(3, 15, 12), utc(3, 16, 7), "fr-sms", id="sunday noon"),
        pytest.param(
            "sms", utc(4, 4, 19), utc(4, 7, 6), "night", id="a sunday before a holiday (Easter)"
        ),
        pytest.param("sms", utc(7, 14, 10), utc(7, 15, 6), "fr-sms", id="the 14th of July"),
        pytest.param(
            "sms", utc(12, 24, 20), utc(12, 26, 7), "night", id="over Christmas day to saturday"
        ),
        pytest.param("call", utc(3, 12, 8, 59), utc(3, 12, 9), "fr-calls", id="before ten"),
        pytest.param("call", utc(3, 12, 12), utc(3, 12, 13), "fr-calls", id="at lunch"),
        pytest.param("call", utc(3, 13, 19), utc(3, 16, 9), "night", id="over the week-end"),
        pytest.param("call", utc(5, 1, 10), utc(5, 4, 8), "fr-calls", id="a long week-end in May"),
    ],
)
def test_the_shipped_packs_in_france(
    channel: Channel, at: datetime, expected: datetime, refused: str | None
) -> None:
    """Nights, Sundays, holidays and lunch, as France and the house want them."""
    assert released(channel, at) == (expected, refused)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param(Place("Europe/Paris", "FR", {}), {"night", "fr-sms"}, id="in France"),
        pytest.param(Place("Europe/Brussels", "BE", {}), {"night"}, id="elsewhere"),
        pytest.param(Place("Europe/Paris", None, {}), {"night", "fr-sms"}, id="by her zone"),
        pytest.param(Place("Europe/Paris", "BE", {}), {"night"}, id="country goes before zone"),
        pytest.param(Place("Asia/Tokyo", None, {}), {"night"}, id="by another zone"),
    ],
)
def test_whom_a_pack_concerns(place: Place, expected: set[str]) -> None:
    """Her country decides; of whose country nothing is known, her zone."""
    assert {found.name for found in concerning(PACKS, "marketing", "sms", place)} == expected


@pytest.mark.parametrize("contact_class", ["service", "asked_for", "survey", "internal"])
def test_the_shipped_packs_are_about_marketing_alone(contact_class: ContactClass) -> None:
    """An apology, or the call she asked for, is not kept until Monday."""
    assert concerning(PACKS, contact_class, "call", PARIS) == ()


@pytest.mark.parametrize(
    ("region", "at", "expected"),
    [
        pytest.param(None, utc(12, 26, 10), utc(12, 26, 10), id="not in all of France"),
        pytest.param("57", utc(12, 26, 10), utc(12, 28, 7), id="in Moselle"),
        pytest.param("Mars", utc(12, 26, 10), utc(12, 26, 10), id="an unknown region is none"),
    ],
)
def test_a_region_has_holidays_of_its_own(
    region: str | None, at: datetime, expected: datetime
) -> None:
    """Saint Stephen's day is kept in the east of France alone."""
    place = place_of("Europe/Paris", {"attributes.country": "fr ", "attributes.region": region})
    assert released("sms", at, place)[0] == expected


@pytest.mark.parametrize(
    ("changes", "at", "expected"),
    [
        pytest.param({}, utc(3, 27, 17), utc(3, 30, 8), id="the clocks go forward in between"),
        pytest.param({}, utc(10, 23, 16), utc(10, 26, 9), id="the clocks go back in between"),
        pytest.param(
            {"open": [{"opens": "02:30", "closes": "04:00"}]},
            utc(3, 29, 0),
            utc(3, 29, 1, 30),
            id="an opening that the clock leaps over",
        ),
        pytest.param(
            {
                "open": [
                    {"opens": "22:00", "closes": "24:00"},
                    {"opens": "00:00", "closes": "02:00"},
                ]
            },
            utc(3, 12, 22, 59),
            utc(3, 12, 22, 59),
            id="open right before midnight",
        ),
        pytest.param(
            {
                "open": [
                    {"opens": "22:00", "closes": "24:00"},
                    {"opens": "00:00", "closes": "02:00"},
                ]
            },
            utc(3, 12, 23),
            utc(3, 12, 23),
            id="and at midnight",
        ),
        pytest.param(
            {
                "open": [
                    {"opens": "22:00", "closes": "24:00"},
                    {"opens": "00:00", "closes": "02:00"},
                ]
            },
            utc(3, 12, 1),
            utc(3, 12, 21),
            id="closed at its end",
        ),
        pytest.param({"valid_from": date(2026, 3, 13)}, utc(3, 12, 3), None, id="not yet in force"),
        pytest.param(
            {"valid_from": date(2026, 3, 13)}, utc(3, 13, 3), utc(3, 13, 9), id="its first day"
        ),
        pytest.param(
            {"valid_until": date(2026, 3, 13)}, utc(3, 13, 3), utc(3, 13, 9), id="its last day"
        ),
        pytest.param(
            {"valid_until": date(2026, 3, 13)},
            utc(3, 13, 20),
            utc(3, 13, 23),
            id="open from the midnight after its last day",
        ),
    ],
)
def test_hours_on_the_wall(
    changes: dict[str, Any], at: datetime, expected: datetime | None
) -> None:
    """Days of 23 and 25 hours, midnight, and the days on which a pack begins and ends."""
    assert next_open([pack(**changes)], PARIS, at)[0] == (expected or at)


def test_packs_that_never_agree_are_asked_again_in_sixty_days() -> None:
    """Mornings by one, evenings by the other: there is an end to looking, after any deadline."""
    mornings = pack(name="mornings", open=[{"opens": "08:00", "closes": "09:00"}])
    evenings = pack(name="evenings", open=[{"opens": "19:00", "closes": "20:00"}])
    at = utc(3, 12, 12)
    found, refused = next_open([mornings, evenings], PARIS, at)
    assert (found - at).days == 60
    assert refused is not None
    assert refused.name == "mornings"


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        pytest.param({"open": []}, "at least 1", id="never open"),
        pytest.param(
            {"open": [{"opens": "22:00", "closes": "02:00"}]}, "over midnight", id="over midnight"
        ),
        pytest.param({"open": [{"opens": 480, "closes": "10:00"}]}, "in quotes", id="unquoted"),
        pytest.param({"open": [{"opens": "08:00", "closes": "25:00"}]}, "up to", id="no such hour"),
        pytest.param({"public_holidays": {"country": "XX"}}, "no public holidays", id="nowhere"),
        pytest.param(
            {"public_holidays": {"country": "FR", "subdivision": "Mars"}}, "FR Mars", id="no part"
        ),
        pytest.param({"valid_until": date(2025, 1, 1)}, "must not be before", id="ends before"),
        pytest.param({"source": ""}, "at least 1", id="from nowhere"),
    ],
)
def test_a_pack_that_cannot_be_meant_is_refused(changes: dict[str, Any], fix: str) -> None:
    """At the start, with what to write instead."""
    with pytest.raises(ValidationError, match=fix):
        pack(**changes)
