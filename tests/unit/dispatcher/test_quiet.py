"""Quiet times at work: queued to the opening with a share of the jitter, or dropped."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.dispatcher.delivery import TargetRules
from services.dispatcher.gates.gates import dropped, gate, release
from services.dispatcher.gates.quiet import quiet_of
from services.dispatcher.playbook.plays import Playbook
from tests.builders.decisions import hold
from tests.builders.deliveries import delivery
from tests.builders.dispatching import play
from tests.unit.dispatcher.test_gates import recipient, scene

TARGET = TargetRules("sandbox", 1)
#: 21:30 and eight the next morning in Paris; ten in the morning.
NIGHT = datetime(2026, 3, 12, 20, 30, tzinfo=UTC)
EIGHT = datetime(2026, 3, 13, 7, 0, tzinfo=UTC)
TEN = datetime(2026, 3, 12, 9, 0, tzinfo=UTC)
OPEN = {"opens": "08:00", "closes": "20:00"}


def book(*packs: dict[str, Any], quiet: str = "queue", **settings: Any) -> Playbook:
    """A playbook with packs, `night` unless others are given."""
    found = [
        {
            "name": "night",
            "classes": ["marketing"],
            "open": [OPEN],
            "valid_from": "2026-01-01",
            "source": "invented",
            **changes,
        }
        for changes in packs or ({},)
    ]
    plays = [play("thanks", "promoter", "invite", quiet=quiet)]
    return Playbook.model_validate({"plays": plays, "calendars": found, **settings})


def test_what_waits_for_an_opening_is_spread_and_each_keeps_its_share() -> None:
    """Not ten thousand at eight sharp; and a delivery looked at twice has one moment."""
    playbook = book(opening_jitter="20 min")
    moments = set()
    for _ in range(50):
        one = delivery(id=uuid.uuid4())
        at, why = quiet_of(one, recipient(), playbook, TARGET)(NIGHT)
        assert why == "calendar night"
        assert at == quiet_of(one, recipient(), playbook, TARGET)(NIGHT)[0]
        moments.add(at)
    assert EIGHT <= min(moments) < max(moments) < EIGHT + timedelta(minutes=20)
    assert len(moments) > 25


def test_a_share_never_leads_into_the_next_quiet_time() -> None:
    """Open for five minutes only: all of it goes at the opening rather than tomorrow."""
    playbook = book({"open": [{"opens": "08:00", "closes": "08:05"}]}, opening_jitter="12 h")
    for number in range(20):
        one = delivery(id=uuid.UUID(int=number * 10_000 * 499))
        at, _ = quiet_of(one, recipient(), playbook, TARGET)(NIGHT)
        assert EIGHT <= at < EIGHT + timedelta(minutes=5)


def test_quiet_hours_of_before_and_packs_add_up() -> None:
    """An older file with both has the stricter of them."""
    hours = {"start": "18:00", "end": "09:00", "classes": ["marketing"]}
    moved = quiet_of(delivery(), recipient(), book(quiet_hours=hours), TARGET)
    assert moved(NIGHT) == (EIGHT + timedelta(hours=1), "quiet hours")
    assert moved(TEN) == (TEN, None)


def test_a_hold_that_ends_at_night_and_packs_that_never_open_come_to_an_end() -> None:
    """Looking for a moment ends, also where there is none."""
    who = recipient(holds=(hold(NIGHT),))
    assert release(delivery(), who, book(), TARGET)(TEN)[0] == EIGHT
    never = book(
        {"name": "mornings", "open": [{"opens": "06:00", "closes": "07:00"}]},
        {"name": "evenings", "open": [{"opens": "21:00", "closes": "22:00"}]},
    )
    at, why = release(delivery(), who, never, TARGET)(TEN)
    assert at >= TEN + timedelta(days=60)
    assert why is not None


@pytest.mark.parametrize(
    ("at", "quiet", "changes", "state", "reason"),
    [
        pytest.param(NIGHT, "queue", {}, "waiting", "calendar night; next free", id="queued"),
        pytest.param(NIGHT, "drop", {}, "suppressed", "calendar night: this play drops", id="drop"),
        pytest.param(TEN, "drop", {}, None, None, id="by-day-it-goes"),
        pytest.param(
            NIGHT, "drop", {"contact_class": "service"}, None, None, id="of-no-concern-to-the-pack"
        ),
        pytest.param(
            NIGHT,
            "drop",
            {"unanswered_since": NIGHT},
            "in_doubt",
            "calendar night",
            id="what-may-have-reached-her-is-not-dropped",
        ),
    ],
)
def test_a_play_queues_or_drops(
    at: datetime, quiet: str, changes: dict[str, Any], state: str | None, reason: str | None
) -> None:
    """A good-night message tomorrow at eight is worse than none: the play says so."""
    refused = gate(delivery(**changes), scene(now=at, playbook=book(quiet=quiet)))
    assert (refused.state if refused else None) == state
    if refused is not None and reason is not None:
        assert reason in refused.reason


def test_a_target_that_reaches_nobody_drops_nothing() -> None:
    """The sandbox shows at night what would go by day."""
    loud = TargetRules("sandbox", 1, skip_delay_and_quiet_hours=True)
    assert dropped(delivery(), recipient(), book(quiet="drop"), loud, NIGHT) is None
