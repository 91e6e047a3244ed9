"""Limits of time that share one timer: each ends what is overdue, and nothing else."""

import asyncio

import pytest

from shared.deadlines import Deadlines

#: Longer than any test.
LONG_S = 3600.0


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_takes_too_long_is_a_timeout() -> None:
    """As with `asyncio.timeout`; the task goes on afterwards as if nothing had been."""
    limits = Deadlines(0)

    with pytest.raises(TimeoutError), limits.start():
        await _for_ever()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_each_of_many_is_ended() -> None:
    """Those that began together and those that begin when some have ended already."""
    limits = Deadlines(0)

    async def one() -> str:
        try:
            with limits.start():
                await _for_ever()
        except TimeoutError:
            return "late"
        return "done"

    assert await asyncio.gather(*(one() for _ in range(20))) == ["late"] * 20
    assert await one() == "late"


async def test_what_ends_in_time_is_left_alone() -> None:
    """Nothing is interrupted after its end, and its value is its own."""
    limits = Deadlines(0)

    with limits.start():
        found = 7
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert found == 7


async def test_an_error_within_stays_what_it_is() -> None:
    """Only an interruption of ours becomes `TimeoutError`."""
    limits = Deadlines(LONG_S)

    with pytest.raises(KeyError), limits.start():
        raise KeyError("x")


async def test_somebody_elses_cancelling_stays_one() -> None:
    """Who stops a task must see it stopped."""
    limits = Deadlines(LONG_S)

    async def work() -> None:
        with limits.start():
            await _for_ever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_by_both_stays_cancelled() -> None:
    """Ours must not swallow another's."""
    limits = Deadlines(LONG_S)
    begun = []

    async def work() -> None:
        with limits.start() as limit:
            begun.append(limit)
            await _for_ever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    begun[0].expire()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_limit_is_told_by_the_inner() -> None:
    """A caller's longer limit does not hear of it."""
    outer, inner = Deadlines(LONG_S), Deadlines(0)

    with outer.start(), pytest.raises(TimeoutError), inner.start():
        await _for_ever()


async def test_an_outer_limit_ends_what_an_inner_one_allows() -> None:
    """The inner one lets the interruption pass: it is not its own."""
    outer, inner = Deadlines(0), Deadlines(LONG_S)

    async def work() -> None:
        with inner.start():
            await _for_ever()

    with pytest.raises(TimeoutError), outer.start():
        await work()
