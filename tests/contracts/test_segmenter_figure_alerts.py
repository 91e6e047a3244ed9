"""Alerts on figures on a real PostgreSQL: opened once, told once, and quiet again."""

import asyncio
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from services.segmenter.policy.whole import Policy
from shared.events.envelope import Event
from tests.builders.facts import answered
from tests.builders.figures import Figures, figures_on, policy_with

#: A Monday after midnight in the policy's zone.
MONDAY = datetime(2026, 3, 16, 3, tzinfo=UTC)


def weeks(**alert: object) -> Policy:
    """One alert on weeks with at least ten answers."""
    return policy_with(alerts=[{"name": "weekly", "days": 7, "minimum_n": 10, **alert}])


def week(back: int, scores: list[int], *, store: str = "Lyon") -> list[Event]:
    """Answers given in the week that is so many weeks over at `MONDAY` (0: the last one)."""
    at = MONDAY - timedelta(weeks=back, days=4)
    return [
        answered(
            f"{store}-{back}-{number}",
            score,
            email=f"{store.lower()}{back}x{number}@example.com",
            at=at,
            attributes={"store": store},
        )
        for number, score in enumerate(scores)
    ]


GOOD, BAD = [10] * 12, [2] * 12


async def test_a_real_change_opens_an_alert_and_its_end_is_told(database: str) -> None:
    """Row, line and metric say it once when it opens and once when it is quiet again."""
    async with figures_on(database, weeks(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        watch = figures.watch()
        with capture_logs() as lines:
            assert await watch.look() == 1
        (opened,) = [line for line in lines if line["event"].startswith("segmenter.figure")]
        assert (opened["event"], opened["direction"]) == ("segmenter.figure_changed", "down")
        (alert,) = await figures.alerts()
        assert (alert["state"], alert["value"], alert["reason"]) == ("open", None, "changed")
        assert (alert["before"]["nps"], alert["after"]["nps"]) == (100.0, -100.0)
        assert alert["since"] == "2026-03-16T03:00:00Z"
        assert _gauge(figures) == 1

        figures.now = MONDAY + timedelta(hours=1)
        assert await watch.look() == 0

        await figures.tell(*week(-1, GOOD))
        figures.now = MONDAY + timedelta(weeks=1)
        assert await watch.look() == 0, "nothing was read since the period ended"
        await figures.sweep()
        with capture_logs() as lines:
            assert await watch.look() == 1
        assert "segmenter.figure_quiet_again" in {line["event"] for line in lines}
        (alert,) = await figures.alerts()
        assert (alert["state"], alert["reason"]) == ("quiet", "back")
        assert alert["since"] == "2026-03-23T03:00:00Z"
        assert await figures.alerts(state="open") == []
        assert _gauge(figures) == 0


async def test_an_alert_on_a_survey_that_ended_is_quiet_in_the_end(database: str) -> None:
    """Four weeks without answers say nothing any more, one of them with an hour less."""
    async with figures_on(database, weeks(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        watch = figures.watch()
        assert await watch.look() == 1
        for number in (1, 2, 3, 4):
            assert _gauge(figures) == 1
            figures.now = MONDAY + timedelta(weeks=number)
            await figures.sweep()
            assert await watch.look() == (number == 4)
        (alert,) = await figures.alerts()
        assert (alert["state"], alert["reason"]) == ("quiet", "too_few")
        assert (alert["before"]["nps"], alert["after"]["nps"]) == (100.0, -100.0)
        assert _gauge(figures) == 0


def _gauge(figures: Figures) -> float | None:
    return figures.registry.get_sample_value(
        "nps_segmenter_figure_alerts_open", {"alert": "weekly"}
    )


async def test_chance_and_few_answers_open_nothing(database: str) -> None:
    """Neither a difference that may be chance, nor a large one among nine people."""
    async with figures_on(database, weeks(by="attribute:store"), now=MONDAY) as figures:
        await figures.tell(
            *week(1, [9, 9, 9, 9, 9, 7, 7, 2, 2, 2]),
            *week(0, [9, 9, 9, 9, 7, 7, 2, 2, 2, 2]),
            *week(1, GOOD[:9], store="Nice"),
            *week(0, BAD[:9], store="Nice"),
        )
        assert await figures.watch().look() == 0
        assert await figures.alerts() == []


async def test_each_group_is_watched_by_itself(database: str) -> None:
    """One store falls and another rises; people without a store are no store."""
    async with figures_on(database, weeks(by="attribute:store"), now=MONDAY) as figures:
        await figures.tell(
            *week(1, GOOD), *week(0, BAD), *week(1, BAD, store="Nice"), *week(0, GOOD, store="Nice")
        )
        await figures.tell(
            *(answered(f"a{n}", 9, email=None, at=MONDAY - timedelta(days=11)) for n in range(12)),
            *(answered(f"b{n}", 0, email=None, at=MONDAY - timedelta(days=4)) for n in range(12)),
        )
        with capture_logs() as lines:
            assert await figures.watch().look() == 2
        assert not any("Lyon" in str(line) for line in lines)
        found = {alert["value"]: alert["direction"] for alert in await figures.alerts()}
    assert found == {"Lyon": "down", "Nice": "up"}


async def test_two_replicas_tell_a_change_once(database: str) -> None:
    """The one that comes second finds the alert taken, or compared a moment ago."""
    async with figures_on(database, weeks(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        told = await asyncio.gather(*(figures.watch().look() for _ in range(3)))
        assert sorted(told) == [0, 0, 1]
        assert len(await figures.alerts()) == 1


async def test_an_alert_taken_out_of_the_policy_is_not_shown(database: str) -> None:
    """What nobody watches any more is no news."""
    async with figures_on(database, weeks(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        assert await figures.watch().look() == 1
    async with figures_on(database, policy_with(alerts=[]), now=MONDAY) as figures:
        assert await figures.watch().look() == 0
        assert await figures.alerts() == []


async def test_the_loop_looks_at_once_and_stops(database: str) -> None:
    """After a restart nobody waits an hour; told to stop, it is over."""
    async with figures_on(database, weeks(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        stopping = asyncio.Event()

        def clock() -> datetime:
            stopping.set()
            return MONDAY

        await asyncio.wait_for(figures.watch(clock).run(stopping), 30)
        assert [alert["state"] for alert in await figures.alerts()] == ["open"]
