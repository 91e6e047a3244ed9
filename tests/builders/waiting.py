"""Waiting for another process or loop: a condition is polled under a deadline, never slept for."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
#: Beside other workers all takes longer; a deadline tells only when to give up.
_PATIENCE = 2 if "PYTEST_XDIST_WORKER" in os.environ else 1


async def eventually(
    check: Callable[[], Awaitable[T]], *, within: float = 30.0, what: str = "the condition"
) -> T:
    """Return the first truthy answer of `check`; fails after `within` seconds naming `what`.

    One of several workers has twice the time.
    An AssertionError raised by `check` counts as "not yet", and is shown if it never comes true.
    """
    within *= _PATIENCE
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
