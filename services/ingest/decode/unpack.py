"""A body as it was before its `Content-Encoding`: gzip and deflate, never more than the limit.

In: the request and how many bytes a body may have. Out: the plain bytes, or `Undecodable`. Pure.
"""

import zlib

from services.ingest.decode.limits import Undecodable
from services.ingest.receive.inbound import Inbound


def unpacked(inbound: Inbound, most: int) -> bytes:
    """Return the plain body. Raises `Undecodable`, also for one that unpacks to more than `most`.

    What it packs is not measured by a ratio: unpacking stops at the limit, whatever was sent.
    """
    if inbound.headers.get("content-encoding") is None:
        return inbound.body
    encoding = ",".join(inbound.headers.getlist("content-encoding")).strip().lower()
    if encoding in ("", "identity"):
        return inbound.body
    if encoding in ("gzip", "x-gzip"):
        return _inflated(inbound.body, most, zlib.MAX_WBITS | 16)
    if encoding == "deflate":
        # The standard means zlib's own frame; some senders leave it out. Its first byte tells:
        # method 8, and a check sum over the first two.
        framed = inbound.body[:1] != b"" and inbound.body[0] & 0x0F == 8
        framed = framed and int.from_bytes(inbound.body[:2]) % 31 == 0
        return _inflated(inbound.body, most, zlib.MAX_WBITS if framed else -zlib.MAX_WBITS)
    raise Undecodable("packed by another content-encoding than gzip or deflate")


def _inflated(body: bytes, most: int, window: int) -> bytes:
    unpacker = zlib.decompressobj(window)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise Undecodable("not packed as its content-encoding says") from None
    if len(plain) > most:
        raise Undecodable(f"larger than {most} bytes once unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise Undecodable("not packed as its content-encoding says")
    return plain
