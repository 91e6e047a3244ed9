"""The load: a process of its own that posts over keep-alive connections, as JSON tells it.

`python -m tests.bench.load` reads an `Order` from the first line of standard input, prepares its
requests and connections and writes `ready`. Each further line is a number of seconds to send for;
an `Outcome` answers it. Plain sockets under one `epoll`, because an HTTP client would cost more
than the server that it measures.

Without `rate` each connection sends its next request when it has its answer (closed loop). With it,
requests fall due evenly, and a delay counts from when one was due, also if it had to wait for a
free connection: a server that stalls cannot hide it.
"""

import select
import socket
import sys
import time
from collections import Counter, deque
from datetime import UTC, datetime

from pydantic import BaseModel

from tests.bench import payloads
from tests.builders.crowd import Crowd

_END_OF_HEAD = b"\r\n\r\n"
#: An answer later than this is none; the run ends with what it has.
_SILENCE_S = 10.0


class Order(BaseModel):
    """What to send where. `distinct` requests are made and then sent again from the first.

    With a `crowd` these are its messages, in their order.
    """

    ports: list[int]
    connections: int
    rate: float | None = None
    shape: str = "shop"
    secret: str
    first: int = 0
    distinct: int = 20_000
    crowd: Crowd | None = None


class Outcome(BaseModel):
    """What came of it. Times in ms, `cpu_s` of this process while it sent.

    `longest_ms` is the longest that one request took from when it was really sent. `began`: seconds
    since 1970; with a rate, request n of this run fell due n ÷ rate seconds later.
    """

    began: float
    sent: int
    seconds: float
    statuses: dict[int, int]
    p50_ms: float
    p90_ms: float
    p99_ms: float
    most_ms: float
    longest_ms: float
    broken: int
    cpu_s: float


class _Connection:
    """One keep-alive connection with at most one request under way."""

    __slots__ = ("buffer", "sent_at", "since", "sock")

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = self.sent_at = 0.0
        self.buffer = b""

    def answer(self) -> int | None:
        """Read what came; the status once an answer is whole, 0 when the connection broke."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            return 0
        if not data:
            return 0
        self.buffer += data
        end = self.buffer.find(_END_OF_HEAD)
        if end < 0:
            return None
        head = self.buffer[:end].lower()
        _, _, length = head.partition(b"content-length:")
        whole = end + 4 + int(length.split(b"\r\n", 1)[0] or b"0")
        if len(self.buffer) < whole:
            return None
        self.buffer = self.buffer[whole:]
        return int(head[9:12])


class Load:
    """Sends until a run's time is over, then waits for the answers under way."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = _requests(order)
        self._connections = {
            connection.sock.fileno(): connection
            for connection in (
                _Connection(order.ports[place % len(order.ports)])
                for place in range(order.connections)
            )
        }
        self._free = deque(self._connections.values())
        self._next = 0
        self._begin()

    def _begin(self) -> None:
        self._statuses: Counter[int] = Counter()
        self._delays: list[float] = []
        self._longest = 0.0
        self._sent = 0
        self._broken = 0

    def run(self, seconds: float) -> Outcome:
        """Send and read until the end; another run goes on with the same connections."""
        self._begin()
        cpu, began, started = time.process_time(), time.time(), time.perf_counter()
        with select.epoll() as poll:
            for number in self._connections:
                poll.register(number, select.EPOLLIN)
            ended = self._loop(poll, started, started + seconds)
        return self._outcome(began, ended - started, time.process_time() - cpu)

    def _loop(self, poll: select.epoll, started: float, ending: float) -> float:
        now = answered = started
        while now < ending + _SILENCE_S:
            due = self._send_due(started, now, ending)
            if now >= ending and len(self._free) == len(self._connections):
                break
            for number, _ in poll.poll(max(0.0, min(due, ending) - now) if now < ending else 0.1):
                if self._read(self._connections[number], poll):
                    answered = time.perf_counter()
            if not self._connections:
                break
            now = time.perf_counter()
        return max(answered, ending)

    def _send_due(self, started: float, now: float, ending: float) -> float:
        """Send what is due on free connections; returns when the next one is."""
        rate, free = self._order.rate, self._free
        while free and now < ending:
            due = started + self._sent / rate if rate else now
            if due > now:
                return due
            connection = free.popleft()
            connection.sent_at = time.perf_counter()
            connection.since = due if rate else connection.sent_at
            # Small enough for the socket's buffer, so a blocking `sendall` does not block.
            connection.sock.sendall(self._requests[self._next % len(self._requests)])
            self._next += 1
            self._sent += 1
        return ending

    def _read(self, connection: _Connection, poll: select.epoll) -> bool:
        status = connection.answer()
        if status is None:
            return False
        if status == 0:
            self._broken += 1
            poll.unregister(connection.sock)
            del self._connections[connection.sock.fileno()]
            connection.sock.close()
            if connection in self._free:
                self._free.remove(connection)
            return False
        now = time.perf_counter()
        self._delays.append(now - connection.since)
        self._longest = max(self._longest, now - connection.sent_at)
        self._statuses[status] += 1
        self._free.append(connection)
        return True

    def _outcome(self, began: float, seconds: float, cpu_s: float) -> Outcome:
        delays = sorted(self._delays) or [0.0]

        def part(share: float) -> float:
            return round(delays[min(len(delays) - 1, int(share * len(delays)))] * 1000, 3)

        return Outcome(
            began=began,
            sent=self._sent,
            seconds=seconds,
            statuses=dict(self._statuses),
            p50_ms=part(0.5),
            p90_ms=part(0.9),
            p99_ms=part(0.99),
            most_ms=part(1),
            longest_ms=round(self._longest * 1000, 3),
            broken=self._broken,
            cpu_s=cpu_s,
        )


def _requests(order: Order) -> list[bytes]:
    numbers = range(order.first, order.first + order.distinct)
    if order.crowd is not None:
        answers = map(order.crowd.message, numbers)
        return [payloads.signed(order.shape, answer, order.secret) for answer in answers]
    return payloads.requests(order.shape, order.secret, datetime.now(UTC), numbers)


def main() -> None:
    """Obey one order, once for every line."""
    load = Load(Order.model_validate_json(sys.stdin.readline()))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(f"{load.run(float(line)).model_dump_json()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
