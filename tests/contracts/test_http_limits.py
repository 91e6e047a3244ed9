"""Our HTTP server under bad clients, on real sockets: whatever comes ends in bounded time, bytes
and connections, and good clients notice nothing. Deadlines are short here; each test waits for the
connection's end.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.http.limits import REFUSALS, Limits
from tests.builders.limited import Served, line, request, serving
from tests.builders.waiting import eventually

#: Everything in time, unless a test shortens what it is about.
CALM = Limits(linger_s=0.5)
HEAD = "POST / HTTP/1.1\r\nHost: a.example\r\n"


async def said(served: Served, *pieces: bytes) -> bytes:
    """Send pieces on a fresh connection, and give all that comes back until it closes."""
    async with line(served) as connection:
        try:
            await connection.send(*pieces)
        except ConnectionError:
            return await connection.rest()
        return await connection.rest()


def head_of(size: int) -> bytes:
    """Make a whole head of about that many bytes in twenty headers."""
    lines = [f"X-{n}: {'a' * (size // 20 - 8)}\r\n" for n in range(20)]
    return (HEAD + "".join(lines) + "Content-Length: 0\r\n\r\n").encode()


@pytest.mark.parametrize(
    ("pieces", "status", "code"),
    [
        pytest.param([head_of(40_000)], 431, "headers-too-large", id="whole, in one piece"),
        pytest.param(
            [head_of(40_000)[i : i + 1000] for i in range(0, 40_000, 1000)],
            431,
            "headers-too-large",
            id="piece by piece",
        ),
        pytest.param(
            [HEAD.encode(), b"X-Endless: ", *[b"a" * 8192] * 5],
            431,
            "headers-too-large",
            id="one header without an end",
        ),
        pytest.param(
            [(HEAD + "A: b\r\n" * 300 + "\r\n").encode()], 431, "headers-too-large", id="many small"
        ),
        pytest.param([b"\r\n" * 20_000], 431, "headers-too-large", id="nothing but line ends"),
        pytest.param([b"GET /" + b"a" * 40_000], 431, "headers-too-large", id="endless URL"),
        pytest.param(
            [f"GET /{'a' * 9000} HTTP/1.1\r\n\r\n".encode()], 414, "url-too-long", id="long URL"
        ),
        pytest.param([b"nonsense\r\n\r\n"], 400, "malformed", id="no HTTP"),
        pytest.param([b"\x16\x03\x01\x02\x00\x01\x00"], 400, "malformed", id="TLS on a plain port"),
        pytest.param([b"GET /\xff HTTP/1.1\r\n\r\n"], 400, "malformed", id="URL is no ASCII"),
        pytest.param([b"CONNECT a:1 HTTP/1.1\r\n\r\n"], 400, "malformed", id="no proxy"),
        pytest.param(
            [(HEAD + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n").encode()],
            400,
            "malformed",
            id="two lengths",
        ),
        pytest.param(
            [(HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode(), b"zz\r\n"],
            400,
            "malformed",
            id="no chunk",
        ),
    ],
)
async def test_a_bad_head_is_refused_and_the_connection_closed(
    pieces: list[bytes], status: int, code: str
) -> None:
    """At once, by a problem that names the fix, and counted."""
    async with serving(CALM) as served:
        answer = await said(served, *pieces)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close\r\n" in answer
        assert f"urn:nps:problem:{code}".encode() in answer
        assert served.refused == [code]
        assert served.bodies == []


async def test_a_large_head_and_a_large_body_within_the_limits_are_served() -> None:
    """The limit of the head is none of the body, though both come in one piece."""
    headers = [f"X-{n}: {'a' * 1500}" for n in range(20)]
    async with serving(CALM) as served, line(served) as connection:
        for _ in range(2):
            await connection.send(request(headers=headers, body=b"b" * 300_000))
            assert (await connection.answer())[2] == b"300000"
        assert served.refused == []


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        pytest.param([], b"", id="silence"),
        pytest.param([b"POST / HT"], b"HTTP/1.1 408 ", id="half a line"),
        pytest.param([HEAD.encode(), b"X-A: b\r\n"], b"HTTP/1.1 408 ", id="half a head"),
        pytest.param([request() + b"POST / "], b"HTTP/1.1 200 ", id="half a second head"),
    ],
)
async def test_a_head_that_does_not_become_whole_in_time_ends_the_connection(
    pieces: list[bytes], answer: bytes
) -> None:
    """The idle time of kept connections is not a second deadline for it."""
    async with serving(replace(CALM, head_s=0.3, idle_s=60)) as served:
        heard = await said(served, *pieces)
        assert heard.startswith(answer)
        assert (b" 408 " in heard) == bool(pieces)


async def test_bytes_that_trickle_in_do_not_lengthen_the_deadline() -> None:
    """It counts from the beginning of the head, not from its last byte."""
    async with serving(replace(CALM, head_s=0.5)) as served, line(served) as connection:
        await connection.send(HEAD.encode())

        async def trickle() -> bool:
            await connection.send(b"X: y\r\n")
            return bool(served.refused)

        await eventually(trickle, within=10, what="the refusal")
        assert served.refused == ["headers-too-slow"]


@pytest.mark.parametrize(
    "start",
    [
        pytest.param((HEAD + "Content-Length: 100\r\n\r\nhalf").encode(), id="with a length"),
        pytest.param(
            (HEAD + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").encode(), id="in chunks"
        ),
    ],
)
async def test_a_body_that_does_not_become_whole_in_time_ends_the_connection(start: bytes) -> None:
    """With 408, and the app is told that the sender left."""
    async with serving(replace(CALM, body_s=0.3)) as served:
        assert (await said(served, start)).startswith(b"HTTP/1.1 408 ")

        async def told() -> bool:
            return served.left == 1

        await eventually(told, within=5, what="the app's notice")
        assert (served.refused, served.bodies) == (["too-slow"], [])


async def test_a_kept_connection_may_rest_longer_than_a_head_may_take() -> None:
    """It is served again meanwhile, and closes without a word once the idle time is over."""
    async with (
        serving(replace(CALM, head_s=0.2, body_s=0.2, idle_s=1.5)) as served,
        line(served) as kept,
    ):
        for _ in range(2):
            await kept.send(request())
            assert (await kept.answer())[0] == 200
            async with line(served) as silent:
                assert await silent.rest() == b""  # the head's time is over, for both
        assert await kept.rest() == b""
        assert served.refused == []


async def test_an_answer_may_take_longer_than_any_deadline_of_the_client() -> None:
    """Deadlines are for what a client owes us."""
    short = replace(CALM, head_s=0.2, body_s=0.2, idle_s=0.2)
    async with serving(short) as served, line(served) as connection, line(served) as other:
        await connection.send(request("/held"))
        assert await other.rest() == b""  # the silent one was swept meanwhile
        served.release.set()
        assert (await connection.answer())[0] == 200


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_early_answer_is_heard_and_ends_the_connection(framing: str) -> None:
    """What the client goes on sending is dropped, not kept, and its answer not cut off by it."""
    megabyte = bytes(1 << 20)
    head = HEAD.replace(" / ", " /early ")
    async with serving(replace(CALM, linger_s=5)) as served, line(served) as connection:
        if framing == "length":
            await connection.send(f"{head}Content-Length: {8 << 20}\r\n\r\n".encode())
            await connection.send(*[megabyte] * 8)
        else:
            await connection.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            await connection.send(*[b"100000\r\n" + megabyte + b"\r\n"] * 8)
        status, answer, _ = await connection.answer()
        assert (status, b"connection: close" in answer) == (413, True)
        assert await connection.rest() == b""
        (protocol,) = served.open or {None}
        assert protocol is None or len(protocol.cycle.body) == 0


async def test_a_client_that_goes_on_after_its_refusal_is_cut_off() -> None:
    """The grace for reading the answer has an end in bytes, too."""
    limits = replace(CALM, linger_s=60, linger_bytes=1 << 20)
    async with serving(limits) as served, line(served) as connection:
        await connection.send(b"nonsense\r\n\r\n")

        async def cut() -> bool:
            try:
                await connection.send(bytes(1 << 18))
            except ConnectionError:
                return True
            return False

        await eventually(cut, within=10, what="the cut")


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        pytest.param(b"0\r\n", b"X-T: " + b"a" * 1000 + b"\r\n", id="trailers"),
        pytest.param(b"0\r\nX-T: ", b"a" * 1000, id="one trailer"),
        pytest.param(b"4;x=", b"a" * 1000, id="a chunk's extension"),
    ],
)
async def test_trimmings_of_a_chunked_body_have_an_end(start: bytes, endless: bytes) -> None:
    """They are no body, so no limit of the body ends them."""
    head = (HEAD + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n").encode()
    async with serving(CALM) as served:
        assert (await said(served, head + start, *[endless] * 2000)).startswith(b"HTTP/1.1 400 ")
        assert served.refused == ["malformed"]


async def test_a_trailer_is_not_taken_for_a_header() -> None:
    """A signature is looked for where it was when the app began to read."""
    head = (HEAD + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n").encode()
    async with serving(CALM) as served, line(served) as connection:
        await connection.send(head + b"X-Signature: late\r\n\r\n")
        assert (await connection.answer())[2] == b"4"
        assert b"x-signature" not in dict(served.headers[0])


async def test_chunks_of_a_single_byte_are_a_body_like_any_other() -> None:
    """Odd, and allowed: the allowance for chunk sizes grows with the body."""
    head = (HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode()
    async with serving(CALM) as served, line(served) as connection:
        await connection.send(head, *[b"1\r\na\r\n" * 1000] * 20, b"0\r\n\r\n")
        assert (await connection.answer())[2] == b"20000"


async def test_beyond_the_limit_of_connections_others_go_on() -> None:
    """One too many hears 503 and when to come again; a place that is free again is given away."""
    async with serving(replace(CALM, connections=2)) as served:
        async with line(served) as first:
            async with line(served) as second:
                await first.send(request())
                await second.send(request())
                assert (await first.answer())[0] == (await second.answer())[0] == 200
                heard = await said(served)
                assert heard.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: " in heard
                await first.send(request())
                assert (await first.answer())[0] == 200

            async def one_place() -> bool:
                return len(served.open) == 1

            await eventually(one_place, within=5, what="a free place")
            async with line(served) as third:
                await third.send(request())
                assert (await third.answer())[0] == 200
        assert served.refused == ["too-many-connections"]


async def test_unfinished_bodies_have_a_limit_together() -> None:
    """Whoever brings too many bytes hears 503; small and whole ones, and the others, go on."""
    body = b"b" * 90_000
    whole = request(body=body)
    async with serving(replace(CALM, unfinished_bytes=120_000)) as served:
        async with line(served) as first:
            await first.send(whole[:80_000])

            async def counted() -> bool:
                return any(protocol.sweep.unfinished > 79_000 for protocol in served.open)

            await eventually(counted, within=5, what="the first one's share")
            assert (await said(served, whole[:80_000])).startswith(b"HTTP/1.1 503 ")
            async with line(served) as small:
                await small.send(request(body=b"small"))
                assert (await small.answer())[2] == b"5"
            await first.send(whole[80_000:])
            assert (await first.answer())[2] == b"90000"
            await first.send(whole[:80_000], whole[80_000:])
            assert (await first.answer())[2] == b"90000"
            assert {protocol.sweep.unfinished for protocol in served.open} == {0}
        assert served.refused == ["too-many-bytes"]


@pytest.mark.parametrize("size", [1, 7, 50, 100_000])
async def test_requests_sent_ahead_are_answered_in_order(size: int) -> None:
    """However the bytes are cut."""
    bodies = [b"b" * n for n in (0, 3, 70_000 if size > 50 else 70, 0, 5)]
    sent = b"".join(request(body=body) for body in bodies)
    async with serving(CALM) as served, line(served) as connection:
        await connection.send(*[sent[i : i + size] for i in range(0, len(sent), size)])
        answers = [(await connection.answer())[2] for _ in bodies]
        assert answers == [b"%d" % len(body) for body in bodies]
        assert served.bodies == bodies


async def test_too_many_requests_sent_ahead_end_the_connection() -> None:
    """Each waits in memory: who does not wait for answers gets none."""
    async with serving(CALM) as served:
        assert await said(served, request("/held") + request(method="GET") * 100) == b""
        assert served.refused == ["too-many-pipelined"]


async def test_nonsense_behind_a_request_is_not_answered_before_it() -> None:
    """The first answer belongs to the first request, and the connection ends with it."""
    async with serving(CALM) as served, line(served) as connection:
        await connection.send(request("/held") + b"nonsense\r\n\r\n")

        async def refused() -> bool:
            return served.refused == ["malformed"]

        await eventually(refused, within=5, what="the refusal")
        served.release.set()
        status, head, _ = await connection.answer()
        assert (status, b"connection: close" in head) == (200, True)
        assert await connection.rest() == b""


@pytest.mark.parametrize("body", [b"", b"half", b"b" * 100_000], ids=["none", "small", "large"])
async def test_a_wish_for_another_protocol_is_passed_over(body: bytes) -> None:
    """Some clients add it to every request: body and next request are read all the same."""
    headers = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"]
    wish = request(headers=headers, body=body)
    async with serving(CALM) as served, line(served) as connection:
        await connection.send(wish, request(body=b"next") + wish)
        answers = [(await connection.answer())[2] for _ in range(3)]
        assert answers == [b"%d" % len(body), b"4", b"%d" % len(body)]
        await connection.send(request(headers=["Connection: Upgrade, close", "Upgrade: a"]))
        assert b"connection: close" in (await connection.answer())[1]
        assert await connection.rest() == b""


async def test_an_answer_nobody_reads_is_given_up() -> None:
    """What waits for a client that asks and does not listen is memory."""
    async with serving(replace(CALM, write_s=0.3)) as served, line(served) as connection:
        await connection.send(request("/large"))

        async def gone() -> bool:
            return not served.open

        await eventually(gone, within=10, what="the end of the connection")


async def test_stopping_waits_for_the_answer_under_way_and_for_nothing_else() -> None:
    """A kept connection and a half-open one are closed at once, a busy one after its answer."""
    async with (
        serving(CALM) as served,
        line(served) as idle,
        line(served) as busy,
        line(served) as half,
    ):
        await idle.send(request())
        assert (await idle.answer())[0] == 200
        await busy.send(request("/held"))
        await half.send(b"POST /")

        async def all_there() -> bool:
            return len(served.open) == 3 and len(served.bodies) == 2

        await eventually(all_there, within=5, what="three connections")
        for protocol in list(served.open):
            protocol.shutdown()
        assert await idle.rest() == await half.rest() == b""
        served.release.set()
        status, head, _ = await busy.answer()
        assert (status, b"connection: close" in head) == (200, True)
        assert await busy.rest() == b""


FRAGMENTS = [
    request(body=b"abc"),
    request(method="GET"),
    request(headers=["Upgrade: h2c", "Connection: Upgrade"], body=b"abc"),
    request(headers=["Expect: 100-continue"], body=b"abc"),
    request("/early", body=b"abc"),
    (HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode(),
    HEAD.encode(),
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\nX-T: a\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n\r\n",
    b"X" * 40_000,
    b"\r\n",
    b"\0",
]


@pytest.fixture(scope="module")
async def fuzzed() -> AsyncIterator[Served]:
    """One server for all that is thrown at it."""
    async with serving(Limits(head_s=0.1, body_s=0.1, idle_s=0.1, linger_s=0.1)) as served:
        yield served


@given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=60), max_size=6), st.data())
@settings(max_examples=60, deadline=None)
async def test_whatever_is_sent_every_connection_ends_and_nothing_breaks(
    fuzzed: Served, fragments: list[bytes], data: st.DataObject
) -> None:
    """Any pieces in any cut: no error of ours, nobody left behind, the next client served."""
    sent = b"".join(fragments)
    cut = data.draw(st.integers(0, len(sent)))
    loop = asyncio.get_running_loop()
    broken: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: broken.append(context))
    try:
        await said(fuzzed, sent[:cut], sent[cut:])
        # A busy machine may need longer than these limits allow even a good client.
        await eventually(lambda: _is_served(fuzzed), within=10, what="a good client's answer")

        async def nobody() -> bool:
            return not fuzzed.open

        await eventually(nobody, within=10, what="the end of every connection")
    finally:
        loop.set_exception_handler(None)
    assert broken == []


async def _is_served(fuzzed: Served) -> bool:
    try:
        async with line(fuzzed) as good:
            await good.send(request(body=b"good"))
            return (await good.answer())[2] == b"4"
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


def test_every_refusal_is_a_whole_answer() -> None:
    """Its length fits, it closes, and its code is its own."""
    for refusal in REFUSALS:
        head, _, body = refusal.answer.partition(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
        assert b"connection: close" in head
    assert len({refusal.code for refusal in REFUSALS}) == len(REFUSALS)
