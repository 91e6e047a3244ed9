"""One costly thing for all workers of a run: the first to ask makes it, the last use ends it."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO


@asynccontextmanager
async def shared(
    meeting: Path, make: Callable[[], AbstractAsyncContextManager[str]]
) -> AsyncIterator[str]:
    """Give the address of the one thing of a folder in which all who share it meet.

    `make` makes it and gives its address; whoever made it ends it, after waiting for the others.
    """
    address = meeting / "address"
    async with AsyncExitStack() as stack:
        users, owner = (
            stack.enter_context((meeting / name).open("ab")) for name in ("users", "owner")
        )
        with (meeting / "turn").open("ab") as turn:
            await _lock(turn, fcntl.LOCK_EX)
            await _lock(users, fcntl.LOCK_SH)  # waits for one that is being ended
            if ours := _is_free(owner):
                address.write_text(await stack.enter_async_context(make()))
        try:
            yield address.read_text()
        finally:
            if ours:
                await _lock(users, fcntl.LOCK_EX)


async def _lock(file: IO[bytes], kind: int) -> None:
    """Wait for a lock, which ends with the file's closing: also that of a killed worker."""
    await asyncio.to_thread(fcntl.flock, file, kind)


def _is_free(file: IO[bytes]) -> bool:
    """Take a lock at once or not at all; tells whether it is ours."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
