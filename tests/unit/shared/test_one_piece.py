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
