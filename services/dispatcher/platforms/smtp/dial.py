"""A socket to a mail server, at an address we may reach: checked where we dial.

In: host and port. Out: a connected socket; raises `Refused` before any byte, `OSError` for no
connection. The name is asked for once, and the address that was checked is the one dialled.
"""

import asyncio
import socket

from shared.http.addresses import is_public


class Refused(Exception):
    """The name leads only to addresses of this machine or network."""


async def dial(host: str, port: int, *, allow_private: bool) -> socket.socket:
    """Connect to the first address that is allowed and answers."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed = [info for info in found if allow_private or is_public(str(info[4][0]))]
    if not allowed:
        raise Refused
    problem: OSError = OSError("no address")
    for family, kind, protocol, _, address in allowed:
        try:
            return await _connect(socket.socket(family, kind, protocol), address)
        except OSError as error:
            problem = error
    raise problem


async def _connect(made: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made
