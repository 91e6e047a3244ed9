"""Waiting in a loop, but never longer than the process lives."""

import asyncio
from contextlib import suppress


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait so many seconds, or until `stopping` is set, whichever comes first."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
