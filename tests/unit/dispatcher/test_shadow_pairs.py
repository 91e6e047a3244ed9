"""Pairing what would have been sent with what somebody else sent."""

from datetime import timedelta

import pytest

from services.dispatcher.shadow.pairs import Ours, Theirs, compare
from tests.builders.decisions import NOW, later

LONG_AGO = later(days=-30)


def ours(hours: float = 0, person: str = "anna", channel: str = "email") -> Ours:
    return Ours("sorry", "SORRY_T", "new_tool", channel, later(hours=hours), frozenset({person}))


def theirs(hours: float = 0, *people: str, channel: str = "email") -> Theirs:
    return Theirs(channel, "service", "old", later(hours=hours), frozenset(people or {"anna"}))


@pytest.mark.parametrize(
    ("mine", "others", "expected"),
    [
        pytest.param([ours()], [theirs()], (1, 0, 0), id="the same"),
        pytest.param([ours()], [theirs(24)], (1, 0, 0), id="a day later"),
        pytest.param([ours()], [theirs(-24)], (1, 0, 0), id="a day before"),
        pytest.param([ours()], [theirs(24.1)], (0, 1, 1), id="more than a day later"),
        pytest.param([ours()], [theirs(0, channel="sms")], (0, 1, 1), id="another channel"),
        pytest.param([ours()], [theirs(0, "ben")], (0, 1, 1), id="another person"),
        pytest.param([ours()], [theirs(0, "ben", "anna")], (1, 0, 0), id="by any of her names"),
        pytest.param([ours(), ours(1)], [theirs()], (1, 1, 0), id="one partner each"),
        pytest.param([ours()], [theirs(1), theirs(2)], (1, 0, 1), id="they sent twice"),
        pytest.param([ours(0), ours(20)], [theirs(1), theirs(21)], (2, 0, 0), id="nearest"),
        pytest.param([], [], (0, 0, 0), id="nothing"),
    ],
)
def test_pairs(mine: list[Ours], others: list[Theirs], expected: tuple[int, int, int]) -> None:
    """Both, only ours, only theirs."""
    found = compare(mine, others, LONG_AGO)
    both = sum(tally.both for tally in found.ours.values())
    only_ours = sum(tally.alone for tally in found.ours.values())
    only_theirs = sum(tally.alone for tally in found.theirs.values())
    assert (both, only_ours, only_theirs) == expected
    assert both == sum(tally.both for tally in found.theirs.values())


def test_what_is_older_may_be_a_partner_and_is_not_counted() -> None:
    """Theirs of yesterday evening, ours of this morning: a message of both, counted today."""
    found = compare([ours(1)], [theirs(-10), theirs(-12, "ben")], NOW - timedelta(hours=1))
    assert [(t.both, t.alone) for t in found.ours.values()] == [(1, 0)]
    assert found.theirs == {}


def test_a_pair_shows_nobody() -> None:
    """What a log or a test prints of it names no person, not even by a hash."""
    assert "anna" not in repr(ours())
    assert "anna" not in repr(theirs())
