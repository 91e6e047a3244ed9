"""Treating a client badly: keep it waiting, or cut its connection without a byte of answer.

ASGI has no word for cutting: an application that answers nothing gets a 500 from its server. The
server under us is uvicorn, whose `receive` is a method of the object that holds the connection; the
contract test looks at a real socket, so a change there is seen.
"""

import asyncio
import math
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from starlette.requests import Request

#: How often something that waits looks whether the process is stopping.
TICK_S: Final = 0.25
#: Linger 0: the kernel sends RST instead of the polite FIN.
_NO_LINGER: Final = struct.pack("ii", 1, 0)


async def cut_connection(request: Request) -> None:
    """Reset the client's connection; returns when the server has noticed.

    Raises `TypeError` under a server that does not show its connection.
    """
    cycle = getattr(request.receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    # Not asked for its class: uvloop's is no subclass of `asyncio.Transport`.
    if transport is None or not hasattr(transport, "abort"):
        raise TypeError("this server does not show its connections: a reset is not possible")
    if not transport.is_closing():
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    # Until the disconnect is known, returning would make the server write a 500.
    await _left(request)


async def keep_waiting(
    request: Request, stopping: Callable[[], bool], *, at_most_s: float = math.inf
) -> None:
    """Return when the client left, the process is being stopped, or `at_most_s` seconds passed."""
    left = asyncio.ensure_future(_left(request))
    end = asyncio.get_running_loop().time() + at_most_s
    try:
        while not left.done() and not stopping():
            remaining = end - asyncio.get_running_loop().time()
            if remaining <= 0:
                return
            await asyncio.wait({left}, timeout=min(TICK_S, remaining))
    finally:
        left.cancel()
        with suppress(asyncio.CancelledError):
            await left


async def _left(request: Request) -> None:
    """Wait until the server tells that the client is gone (the body has been read before)."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
