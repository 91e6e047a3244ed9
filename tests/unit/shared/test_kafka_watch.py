"""When a consumer of Kafka is taken for dead: never while it works, in time once it does not."""

from collections.abc import Hashable, Mapping

import pytest

from shared.bus.kafka_watch import Watch

Places = Mapping[Hashable, int]


def watch() -> Watch:
    """One that began at 0, with 100 s to join and 30 s before it asks."""
    return Watch(0.0, joining_s=100.0, idle_s=30.0)


def test_a_task_that_ended_is_enough() -> None:
    """It never comes back by itself."""
    assert watch().verdict(1.0, ended=True, joining=False) == "a task in it ended"


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        pytest.param([(0, True), (99, True)], None, id="joining takes its time"),
        pytest.param([(0, True), (101, True)], "it joins without end", id="longer than allowed"),
        pytest.param([(0, True), (90, False), (150, True)], None, id="joined in between"),
        pytest.param([(0, False), (5000, False)], None, id="it has its place"),
    ],
)
def test_joining_may_take_as_long_as_the_group_allows(
    looks: list[tuple[float, bool]], reason: str | None
) -> None:
    """All members must ask for records first, which a slow one does late."""
    one = watch()

    told = [one.verdict(now, ended=False, joining=joining) for now, joining in looks]

    assert told[-1] == reason


def test_the_broker_is_asked_only_after_a_while_without_records() -> None:
    """A consumer that reads costs nothing more."""
    one = watch()

    assert not one.wants_ends(29.0)
    one.polled(29.0)
    assert not one.wants_ends(58.0)
    assert one.wants_ends(59.0)
    assert one.ends(59.0, {"p": 3}, {"p": 3}) is None
    assert not one.wants_ends(88.0)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        pytest.param(({"p": 3}, {"p": 3}), ({"p": 3}, {"p": 9}), None, id="just come"),
        pytest.param(({"p": 3}, {"p": 9}), ({"p": 7}, {"p": 9}), None, id="it moved"),
        pytest.param(({"p": 3}, {"p": 9}), ({"q": 3}, {"q": 9}), None, id="another partition"),
        pytest.param(({"p": 3}, {"p": 9}), ({}, {}), None, id="it has none any more"),
        pytest.param(
            ({"p": 3, "q": 1}, {"p": 9, "q": 1}),
            ({"p": 3, "q": 2}, {"p": 9, "q": 2}),
            "it reads no more",
            id="one of two stands",
        ),
        pytest.param(
            ({"p": -1}, {"p": 0}), ({"p": -1}, {"p": 0}), "it reads no more", id="no place"
        ),
    ],
)
def test_standing_still_before_records_is_told_the_second_time(
    first: tuple[Places, Places],
    second: tuple[Places, Places],
    reason: str | None,
) -> None:
    """Once may be a record that came this moment."""
    one = watch()

    assert one.ends(30.0, *first) is None
    assert one.ends(60.0, *second) == reason


def test_records_in_between_begin_the_count_anew() -> None:
    """Who reads is alive, wherever it stands."""
    one = watch()
    one.ends(30.0, {"p": 3}, {"p": 9})
    one.polled(40.0)

    assert one.ends(70.0, {"p": 3}, {"p": 9}) is None
