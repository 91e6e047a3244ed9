"""A platform's bad answers, all the way down: carrier, outward connector, socket; and by phase."""

from datetime import timedelta

import httpx
import pytest

from services.dispatcher.platforms.wire import failure_of
from shared.http.outward import MAX_ANSWER, AddressRefused, Outward
from tests.builders import platforms
from tests.builders.outside_party import answering, hang_after, server
from tests.builders.platforms import NOW, carrier

TAKEN = b'HTTP/1.1 202 Accepted\r\nContent-Length: 12\r\n\r\n{"id": "a1"}'


def local() -> Outward:
    """Make a connector that may talk to this machine without TLS."""
    return Outward(connections=4, allow_private=True, allow_http=True)


@pytest.mark.parametrize(
    ("error", "phase"),
    [
        pytest.param(AddressRefused("no"), "refused", id="an address we may not call"),
        pytest.param(httpx.ConnectError("no"), "connect", id="no connection"),
        pytest.param(httpx.ConnectTimeout("no"), "connect", id="no connection in time"),
        pytest.param(httpx.PoolTimeout("no"), "connect", id="no connection free"),
        pytest.param(httpx.UnsupportedProtocol("no"), "connect", id="no such scheme"),
        pytest.param(httpx.LocalProtocolError("no"), "connect", id="not a request"),
        pytest.param(httpx.ReadTimeout("no"), "sent", id="no answer in time"),
        pytest.param(httpx.ReadError("no"), "sent", id="broken answer"),
        pytest.param(httpx.WriteError("no"), "sent", id="broken while sending"),
        pytest.param(httpx.RemoteProtocolError("no"), "sent", id="no HTTP"),
    ],
)
def test_what_broke_is_told_by_phase(error: httpx.TransportError, phase: str) -> None:
    """Only what certainly never left us may be sent again without a second thought."""
    assert failure_of(error).phase == phase


async def test_a_success_too_large_to_read_leaves_doubt_and_is_not_repeated() -> None:
    """It was taken, whatever it said about that: never `retry` without a key."""
    seen: list[bytes] = []
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_ANSWER + 1)
    async with server(answering(head + b"x" * (MAX_ANSWER + 1), seen)) as url:
        lane = carrier("sandbox_unkeyed", local(), vars={"url": url, "account": "main"})
        verdict = await lane.act(platforms.ACTION, budget=timedelta(seconds=20), now=NOW)
        await lane.close()
    assert (verdict.outcome, len(seen)) == ("in_doubt", 1)


async def test_a_hang_ends_within_the_budget_and_leaves_doubt() -> None:
    """The budget ends the call, the phase judges it.

    The connection is there before: on a busy machine making one may take the whole budget, and then
    nothing was sent.
    """
    outcomes = {}
    for target in ("sandbox", "sandbox_unkeyed"):
        async with server(hang_after(TAKEN)) as url:
            lane = carrier(target, local(), vars={"url": f"{url}/sandbox", "account": "main"})
            before = await lane.act(platforms.ACTION, budget=timedelta(seconds=20), now=NOW)
            verdict = await lane.act(platforms.ACTION, budget=timedelta(seconds=1), now=NOW)
            outcomes[target] = (before.outcome, verdict.outcome)
            await lane.close()
    expected = ("accepted", "in_doubt")
    assert outcomes == {"sandbox": expected, "sandbox_unkeyed": expected}
