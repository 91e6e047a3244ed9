"""Waiting for another process or loop: a condition is polled under a deadline, never slept for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    check: Callable[[], Awaitable[T]], *, within: float = 30.0, what: str = "the condition"
) -> T:
    """Return the first truthy answer of `check`; fails after `within` seconds naming `what`.

    An AssertionError raised by `check` counts as "not yet", and is shown if it never comes true.
    """
    deadline = time.monotonic() + within
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = answer = await check()
        except AssertionError as error:
            last = error
        else:
            if answer:
                return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {within:g} s; last: {last!r}")
