"""HMAC (RFC 2104) under a key that is used again and again.

`hmac.digest` looks its hash up and pads the key each time, which takes longer than both hashes of a
short text do. In: key, name of the hash. Out: what `hmac.digest` gives, in half the time. Pure.
"""

import hashlib
from typing import Final

#: The bytes that a hash reads at a time are those of its padded key.
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Keyed:
    """One key with one hash; both of its halves have read the key already."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, algorithm: str = "sha256") -> None:
        """Raises ValueError for a hash that is none."""
        size = hashlib.new(algorithm, usedforsecurity=False).block_size
        if len(key) > size:
            key = hashlib.new(algorithm, key, usedforsecurity=False).digest()
        padded = key.ljust(size, b"\0")
        self._inner = hashlib.new(algorithm, padded.translate(_INNER), usedforsecurity=False)
        self._outer = hashlib.new(algorithm, padded.translate(_OUTER), usedforsecurity=False)

    def digest(self, text: bytes) -> bytes:
        """Derive the HMAC of a text."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()
