"""Packed bodies: what they hold, and no more of it than a body may have."""

import gzip
import zlib

import pytest

from services.ingest.decode.limits import Undecodable
from services.ingest.decode.unpack import unpacked
from services.ingest.receive.inbound import Inbound, SentHeaders

PLAIN = b'{"score": 9}' * 3


def bare(data: bytes) -> bytes:
    """Deflate without zlib's frame, as some senders do."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def sent(body: bytes, *encodings: str) -> Inbound:
    """A request with each of these as a header."""
    return Inbound(body, SentHeaders([(b"content-encoding", e.encode()) for e in encodings]))


@pytest.mark.parametrize(
    ("body", "encodings"),
    [
        pytest.param(PLAIN, [], id="plain"),
        pytest.param(PLAIN, ["identity"], id="identity"),
        pytest.param(PLAIN, [""], id="empty header"),
        pytest.param(gzip.compress(PLAIN), ["gzip"], id="gzip"),
        pytest.param(gzip.compress(PLAIN), [" X-GZIP "], id="gzip by its old name"),
        pytest.param(zlib.compress(PLAIN), ["deflate"], id="deflate"),
        pytest.param(bare(PLAIN), ["deflate"], id="deflate without its frame"),
    ],
)
def test_a_body_is_what_it_was_before_it_was_packed(body: bytes, encodings: list[str]) -> None:
    """The limit is for the plain body: as large as allowed passes."""
    assert unpacked(sent(body, *encodings), len(PLAIN)) == PLAIN


@pytest.mark.parametrize(
    ("body", "encodings"),
    [
        pytest.param(gzip.compress(PLAIN + b"!"), ["gzip"], id="one byte too large"),
        pytest.param(gzip.compress(bytes(10_000_000)), ["gzip"], id="gzip bomb"),
        pytest.param(zlib.compress(bytes(10_000_000)), ["deflate"], id="deflate bomb"),
        pytest.param(PLAIN, ["gzip"], id="not gzip"),
        pytest.param(PLAIN, ["deflate"], id="not deflate"),
        pytest.param(b"", ["gzip"], id="empty gzip"),
        pytest.param(b"", ["deflate"], id="empty deflate"),
        pytest.param(gzip.compress(PLAIN)[:-9], ["gzip"], id="cut off"),
        pytest.param(gzip.compress(PLAIN) + b"x", ["gzip"], id="something behind"),
        pytest.param(gzip.compress(gzip.compress(PLAIN)), ["gzip", "gzip"], id="packed twice"),
        pytest.param(PLAIN, ["br"], id="brotli"),
        pytest.param(PLAIN, ["gzip, identity"], id="a list"),
    ],
)
def test_what_cannot_be_unpacked_within_the_limit_is_undecodable(
    body: bytes, encodings: list[str]
) -> None:
    """Unpacking stops at the limit, whatever the ratio."""
    with pytest.raises(Undecodable, match="packed"):
        unpacked(sent(body, *encodings), len(PLAIN))
