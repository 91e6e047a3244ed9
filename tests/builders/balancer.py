"""What stands before the replicas of a service: a balancer of connections that follows readiness.

It does what a Service of Kubernetes does and no more: a new connection goes to the next replica
that was ready when last asked, an open one stays where it is, and nothing is tried twice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from tests.builders.ports import free_port

#: How often readiness is asked for; a replica that says no must serve for longer than this.
EVERY_S = 0.2
_ASK = b"GET /readyz HTTP/1.1\r\nHost: replica.example\r\nConnection: close\r\n\r\n"


class Balancer:
    """Replicas by port, and whether each was ready."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ready: dict[int, bool] = {}
        self._turns = count()
        self._open: set[asyncio.Task[None]] = set()

    def add(self, port: int) -> None:
        """Follow one more replica; it gets connections once it was seen ready."""
        self._ready.setdefault(port, False)

    def remove(self, port: int) -> None:
        """Forget a replica that is gone."""
        self._ready.pop(port, None)

    async def look(self) -> None:
        """Ask all replicas whether they are ready."""
        ports = list(self._ready)
        for port, ready in zip(ports, await asyncio.gather(*map(_is_ready, ports)), strict=True):
            if port in self._ready:
                self._ready[port] = ready

    async def follow(self) -> None:
        """Ask again and again."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on to a replica; without any it is closed."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        ready = [port for port, is_ready in self._ready.items() if is_ready]
        writers = [writer]
        try:
            if ready:
                port = ready[next(self._turns) % len(ready)]
                answers, asking = await asyncio.open_connection("127.0.0.1", port)
                writers.append(asking)
                await asyncio.gather(_copy(reader, asking), _copy(answers, writer))
        except (OSError, asyncio.CancelledError):
            return  # the client sees it
        finally:
            for one in writers:
                one.close()

    async def close(self) -> None:
        """End the connections that are open still."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@asynccontextmanager
async def balancing(*ports: int) -> AsyncIterator[Balancer]:
    """Stand before these replicas, which are ready."""
    balancer = Balancer()
    for port in ports:
        balancer.add(port)
    await balancer.look()
    server = await asyncio.start_server(balancer.take, "127.0.0.1", balancer.port)
    following = asyncio.create_task(balancer.follow())
    try:
        yield balancer
    finally:
        server.close()
        following.cancel()
        await balancer.close()


async def _is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_ASK)
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.startswith(b"HTTP/1.1 200 ")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction; the end of what comes is the end of what goes."""
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
