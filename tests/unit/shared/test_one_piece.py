"""An answer leaves in one write, and whatever else an application does stays as uvicorn has it."""

import asyncio
import logging
from typing import Any, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from shared.http.one_piece import in_one_piece


class Writes:
    """A transport that notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


def _cycle(transport: Writes, *, keep_alive: bool = True, method: str = "POST") -> Any:
    real = cast("asyncio.Transport", transport)
    cycle = RequestResponseCycle(
        scope=cast("Any", {"type": "http", "method": method}),
        transport=real,
        flow=FlowControl(real),
        logger=logging.getLogger("test"),
        access_logger=logging.getLogger("test"),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    cycle.send = in_one_piece(cycle)  # type: ignore[method-assign,assignment]
    return cycle


def _start(length: int | None = 2) -> dict[str, Any]:
    headers = [] if length is None else [(b"content-length", b"%d" % length)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _body(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def test_head_and_body_are_one_write() -> None:
    """Nothing leaves before the body is there."""
    transport = Writes()
    cycle = _cycle(transport)

    await cycle.send(_start())
    assert (transport.done, cycle.response_started) == ([], False)
    await cycle.send(_body(b"ok"))

    assert transport.done == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]
    assert cycle.response_complete
    assert cycle.transport is transport


@pytest.mark.parametrize(
    ("headers", "body", "keep_alive"),
    [
        pytest.param([(b"content-length", b"2")], b"ok", True, id="a small answer"),
        pytest.param([(b"Content-Length", b"2"), (b"x-b", b"1")], b"ok", True, id="written large"),
        pytest.param([(b"content-length", b"0")], b"", True, id="an empty one"),
        pytest.param([(b"content-length", b"2")], b"ok", False, id="the last of a connection"),
        pytest.param([], b"ok", True, id="without a length"),
        pytest.param([(b"transfer-encoding", b"chunked")], b"ok", True, id="chunked"),
        pytest.param(
            [(b"connection", b"close"), (b"content-length", b"2")], b"ok", True, id="closing"
        ),
    ],
)
async def test_an_answer_is_what_uvicorn_would_have_written(
    headers: list[tuple[bytes, bytes]], body: bytes, *, keep_alive: bool
) -> None:
    """Byte for byte, and the cycle ends in the same state."""
    ours, theirs = Writes(), Writes()
    both = _cycle(ours, keep_alive=keep_alive), _cycle(theirs, keep_alive=keep_alive)
    del both[1].send
    for cycle in both:
        cycle.default_headers = [(b"date", b"today")]
        await cycle.send({"type": "http.response.start", "status": 202, "headers": headers})
        await cycle.send(_body(body))

    assert _written(ours) == _written(theirs)
    assert ours.is_closing() == theirs.is_closing()
    assert len(ours.done) - ours.is_closing() == 1
    states = [
        (
            each.response_started,
            each.response_complete,
            each.keep_alive,
            each.message_event.is_set(),
        )
        for each in both
    ]
    assert states[0] == states[1]


def _written(transport: Writes) -> bytes:
    return b"".join(piece for piece in transport.done if isinstance(piece, bytes))


@pytest.mark.parametrize(
    "header", [(b"x-a", b"one\r\nx-b: two"), (b"x a", b"one")], ids=["a value", "a name"]
)
async def test_a_header_that_would_split_the_answer_is_refused(header: tuple[bytes, bytes]) -> None:
    """As without us, and nothing of it leaves."""
    transport = Writes()
    cycle = _cycle(transport)
    begin = _start()
    begin["headers"].append(header)

    await cycle.send(begin)
    with pytest.raises(RuntimeError, match="Invalid HTTP header"):
        await cycle.send(_body(b"ok"))

    assert transport.done == []


async def test_the_pieces_of_a_stream_leave_as_they_come() -> None:
    """The head goes with the first of them."""
    transport = Writes()
    cycle = _cycle(transport)

    await cycle.send(_start(None))
    await cycle.send(_body(b"one", more=True))
    await cycle.send(_body(b"two", more=True))
    await cycle.send(_body(b""))

    head, *rest = transport.done
    assert isinstance(head, bytes)
    assert head.endswith(b"\r\n\r\n3\r\none\r\n")
    assert rest == [b"3\r\ntwo\r\n", b"0\r\n\r\n"]


async def test_a_connection_that_ends_is_closed_after_its_answer() -> None:
    """Else the answer would be lost with it."""
    transport = Writes()
    cycle = _cycle(transport, keep_alive=False)

    await cycle.send(_start())
    await cycle.send(_body(b"ok"))

    answer, closed = transport.done
    assert isinstance(answer, bytes)
    assert answer.endswith(b"connection: close\r\n\r\nok")
    assert closed == "closed"


async def test_an_application_that_fails_before_its_body_is_answered_with_500() -> None:
    """Its head was not sent yet, so it can be taken back."""
    transport = Writes()
    cycle = _cycle(transport)

    async def app(_scope: object, _receive: object, send: Any) -> None:
        await send(_start())
        raise KeyError("bug")

    await cycle.run_asgi(app)

    answer, closed = transport.done
    assert isinstance(answer, bytes)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert closed == "closed"


async def test_what_uvicorn_refuses_stays_refused() -> None:
    """A body longer than announced, a head after the head, a body before it."""
    cycle = _cycle(Writes())
    await cycle.send(_start(1))
    with pytest.raises(RuntimeError, match="longer"):
        await cycle.send(_body(b"two"))

    cycle = _cycle(Writes())
    with pytest.raises(RuntimeError, match="start"):
        await cycle.send(_body(b"ok"))

    cycle = _cycle(Writes())
    await cycle.send(_start())
    await cycle.send(_body(b"", more=True))
    with pytest.raises(RuntimeError, match="body"):
        await cycle.send(_start())


async def test_nothing_is_written_to_who_has_gone() -> None:
    """As without it."""
    transport = Writes()
    cycle = _cycle(transport)
    cycle.disconnected = True

    await cycle.send(_start())
    await cycle.send(_body(b"ok"))

    assert transport.done == []
