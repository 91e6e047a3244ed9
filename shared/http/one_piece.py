"""Writing head and body of an answer at once: uvicorn writes each as it comes.

Two writes are two system calls and two packets, and the other side wakes twice: for a webhook's
answer of 100 bytes that cost as much as mapping it. In: one cycle of uvicorn's httptools protocol.
Out: the `send` that its application calls; what uvicorn checks and counts stays uvicorn's.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class _Gathered:
    """Stands in for a transport while one answer is written."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self.write = self._pieces.append
        self.is_closing = transport.is_closing

    def close(self) -> None:
        """Close, after what was written so far."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._pieces:
            self._transport.write(b"".join(self._pieces))
            self._pieces.clear()


def in_one_piece(cycle: RequestResponseCycle) -> Send:
    """Make the `send` of a cycle: it keeps the head until the first piece of the body is there.

    A head without a body was not sent: whoever fails in between can still be answered with 500.
    """
    send = cast("Send", cycle.send)
    head: Message | None = None

    async def held(message: Message) -> None:
        nonlocal head
        if message["type"] == "http.response.start" and not cycle.response_started:
            head = message
            return
        if head is None:
            await send(message)
            return
        begin, head = head, None
        transport = cycle.transport
        gathered = _Gathered(transport)
        cycle.transport = cast("Any", gathered)
        try:
            await send(begin)
            await send(message)
        finally:
            cycle.transport = transport
            gathered.flush()

    return held
