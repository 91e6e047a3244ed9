"""What an outward call that brought no answer means to us: httpx's exceptions as a `Failure`."""

import httpx

from services.dispatcher.platforms.verdict import Failure
from shared.http.outward import AddressRefused


def failure_of(error: httpx.TransportError) -> Failure:
    """Put an exception of any transport into our words."""
    if isinstance(error, AddressRefused):
        return Failure("refused", str(error))
    before = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
    )
    if isinstance(error, before):
        return Failure("connect", str(error) or "no connection")
    return Failure("sent", str(error) or "no whole answer")
