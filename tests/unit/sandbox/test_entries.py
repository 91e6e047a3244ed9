"""What one call does: effect, repeat, answer, counters."""

from datetime import UTC, datetime

import pytest

from services.sandbox.entries import ActionCall, Counters, Entry, ProfileCall, receive
from services.sandbox.switches import Account, Mode, Switch

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
ACTION = ActionCall(
    customer="c-1", email="ada@example.com", delivery_id="d-1", play="reassure", action="message"
)
PROFILE = ProfileCall(customer="c-1", email="ada@example.com", attributes={"nps_score": 9})


def received(
    call: ActionCall | ProfileCall, *, account: Account = "main", mode: Mode = "ok", known: bool
) -> Entry:
    return receive(
        account,
        call,
        key="d-1",
        switch=Switch(mode=mode),
        known_keys={"d-1"} if known else set(),
        number=1,
        at=NOW,
    )


@pytest.mark.parametrize(
    ("account", "mode", "known", "repeat", "effect", "status"),
    [
        pytest.param("main", "ok", False, False, True, 202, id="first: done"),
        pytest.param("main", "ok", True, True, False, 200, id="known key: not done again"),
        pytest.param("unkeyed", "ok", True, True, True, 202, id="keys ignored: done again"),
        pytest.param("main", "503", False, False, False, 503, id="503: not done"),
        pytest.param("main", "503", True, True, False, 503, id="503 to a known key"),
        pytest.param("unkeyed", "429", False, False, False, 429, id="429: not done"),
        pytest.param("main", "slow", False, False, True, 202, id="slow: done"),
        pytest.param("main", "hang", False, False, True, None, id="hang: done, never told"),
        pytest.param("main", "reset", False, False, True, None, id="reset: done, never told"),
        pytest.param("main", "reset", True, True, False, None, id="reset to a known key"),
    ],
)
def test_an_action(
    *, account: Account, mode: Mode, known: bool, repeat: bool, effect: bool, status: int | None
) -> None:
    """Effect, mark and answer of an action follow from account, switch and key."""
    entry = received(ACTION, account=account, mode=mode, known=known)
    assert (entry.repeat, entry.effect, entry.status) == (repeat, effect, status)


def test_a_profile_is_written_each_time() -> None:
    """Writing the same attributes twice is harmless, so no key is looked at."""
    entry = received(PROFILE, known=True)
    assert (entry.repeat, entry.effect, entry.status) == (False, True, 200)


def test_counters_count_effects_and_what_went_wrong() -> None:
    """Each call adds to what it was."""
    counters = Counters()
    for entry in (
        received(PROFILE, known=False),
        received(ACTION, known=False),
        received(ACTION, known=True),
        received(ACTION, mode="503", known=False),
        received(ACTION, mode="reset", known=False),
    ):
        counters = counters.add(entry)
    assert counters == Counters(profiles=1, actions=2, repeats=1, refused=1, unanswered=1)
