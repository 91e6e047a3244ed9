"""Digests, nights and heartbeats: what waits for which notice, and when it goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.dispatcher.alerts.digest import above, countable, digest_of, escalated, night_until
from services.dispatcher.targets.alert_settings import AlertSettings
from services.dispatcher.tell.pulse import heartbeat_of
from shared.events.vocabulary import Value
from tests.builders.deliveries import delivery

PARIS = AlertSettings.model_validate({"zone": "Europe/Paris", "heartbeat": "24 h"})


def alert(**changes: Any) -> Any:
    """An internal alert."""
    given = {"contact_class": "internal", "action": "internal_alert", "channel": "chat"}
    return delivery(**{**given, **changes})


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("context", "urgent"),
    [
        pytest.param({}, False, id="an unhappy customer"),
        pytest.param({"escalations": ["churn"]}, False, id="said lightly"),
        *(
            pytest.param({"escalations": [topic, "churn"]}, True, id=topic)
            for topic in ("legal", "safety", "abuse", "call_me", "a_topic_of_their_own")
        ),
    ],
)
def test_escalations_are_neither_digested_nor_put_off_to_the_morning(
    context: dict[str, Value], urgent: bool
) -> None:
    """A danger waits for nobody's sleep and for no digest."""
    raised = alert(context=context)
    midnight = at("2026-03-12T23:00")

    assert escalated(raised) is urgent
    assert countable(raised) is not urgent
    assert (night_until(raised, PARIS, midnight) is None) is urgent


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        pytest.param({}, True, id="the first attempt"),
        pytest.param({"attempts": 1}, False, id="a repeat was counted before"),
        pytest.param({"context": {"corrects": "x"}}, False, id="a correction"),
        pytest.param({"contact_class": "marketing"}, False, id="a customer's message"),
    ],
)
def test_only_what_is_told_for_the_first_time_counts(changes: dict[str, Any], counts: bool) -> None:
    """Neither a repeat nor a correction is one more alert."""
    given = {"contact_class": "internal", **changes}

    assert countable(delivery(**given)) is counts


@pytest.mark.parametrize(
    ("now", "until"),
    [
        pytest.param("2026-03-12T18:59", None, id="one minute to eight in Paris"),
        pytest.param("2026-03-12T19:00", "2026-03-13T07:00", id="eight in the evening"),
        pytest.param("2026-03-13T06:59", "2026-03-13T07:00", id="one minute to eight"),
        pytest.param("2026-03-13T07:00", None, id="eight in the morning"),
        pytest.param("2026-03-28T23:00", "2026-03-29T06:00", id="the clocks change at night"),
    ],
)
def test_the_night_is_the_readers_own(now: str, until: str | None) -> None:
    """By the zone of the target, not of the customer."""
    assert night_until(alert(), PARIS, at(now)) == (at(until) if until else None)


def test_past_the_number_alerts_of_one_kind_wait_for_the_digest() -> None:
    """Each kind has its own number, and what was sent before in the hour counts."""
    others = [alert(action="other"), alert(action="other")]
    counts, past = above([alert(), alert(), alert(), *others], {"internal_alert": 1}, 2)

    assert counts == {"internal_alert": 2, "other": 2}
    assert [one.action for one in past] == ["internal_alert", "internal_alert"]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param("2026-03-12T09:25", "2026-03-12T10:00", id="at the end of the hour"),
        pytest.param("2026-03-12T18:25", "2026-03-13T07:00", id="in the morning after the last"),
    ],
)
def test_a_digest_goes_at_the_end_of_its_hour(now: str, due: str) -> None:
    """All of one hour name the same digest, on every replica."""
    notice = digest_of(alert(), PARIS, at(now))

    assert notice.due == at(due)
    assert notice.id == digest_of(alert(), PARIS, at(now) + timedelta(minutes=20)).id
    assert notice.id != digest_of(alert(), PARIS, at(now) + timedelta(hours=1)).id


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param("2026-03-12T08:00", "2026-03-12T08:00", id="nine in Paris"),
        pytest.param("2026-03-12T15:00", "2026-03-12T08:00", id="after a start in the afternoon"),
        pytest.param("2026-03-12T07:59", None, id="not yet"),
        pytest.param("2026-07-12T07:00", "2026-07-12T07:00", id="nine in summer"),
    ],
)
def test_a_heartbeat_is_due_once_a_day_by_the_readers_clock(now: str, due: str | None) -> None:
    """Whatever replica asks, and however often, it is the same notice."""
    notice = heartbeat_of("chat", "chat", PARIS, at(now))

    assert (notice.due if notice else None) == (at(due) if due else None)
    if notice:
        later = heartbeat_of("chat", "chat", PARIS, at(now) + timedelta(minutes=1))
        assert later is not None
        assert later.id == notice.id


def test_a_weekly_heartbeat_is_told_on_one_day_of_seven() -> None:
    """By the calendar, so that no restart shifts it."""
    weekly = AlertSettings.model_validate({"heartbeat": "7 d"})
    days = [at("2026-03-01T09:00") + timedelta(days=n) for n in range(14)]

    assert sum(heartbeat_of("chat", "chat", weekly, day) is not None for day in days) == 2


def test_who_wants_no_heartbeat_gets_none() -> None:
    """It is asked for, target by target."""
    assert heartbeat_of("chat", "chat", AlertSettings(), at("2026-03-12T09:00")) is None
    assert heartbeat_of("chat", "chat", None, at("2026-03-12T09:00")) is None
