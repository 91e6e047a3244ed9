"""One HTTP request of a survey tool, whole: what is verified, decoded and mapped. Pure.

In: what the server read, or a kept row when a message is mapped again. Out: a frozen value; header
names in any case, every value that was sent under a name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Headers(Protocol):
    """What we ask of request headers: every value under a name, whatever its case."""

    def getlist(self, key: str) -> Sequence[str]:
        """Return all values sent under this name, in order."""

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the first value sent under this name."""

    def keys(self) -> Iterable[str]:
        """Return the names that were sent, in lower case; one sent twice may come twice."""


class SentHeaders:
    """Headers as the server has them: pairs of bytes with lower-case names, read when asked for."""

    __slots__ = ("_first", "_pairs")

    def __init__(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs
        # Of a name that was sent twice, the first stays.
        self._first = dict(reversed(pairs))

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "SentHeaders":
        """Make headers of one value each, as a kept message has them."""
        return cls([(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in values.items()])

    def getlist(self, key: str) -> list[str]:
        """Return all values sent under this name, in order."""
        name = key.lower().encode("latin-1")
        if name not in self._first:
            return []
        if len(self._first) == len(self._pairs):
            return [self._first[name].decode("latin-1")]
        return [value.decode("latin-1") for sent, value in self._pairs if sent == name]

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the first value sent under this name."""
        value = self._first.get(key.lower().encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def keys(self) -> list[str]:
        """Return the names that were sent, in lower case; one sent twice comes twice."""
        return [name.decode("latin-1") for name, _ in self._pairs]


@dataclass(frozen=True, slots=True)
class Inbound:
    """One request. `url` is the address as the sender called it, with scheme, host and query.

    `rest` is what follows the source's name in the path ("" mostly; some tools can keep a secret
    nowhere else), `client` the sender's address as the server saw it ("" where none is known).
    """

    body: bytes
    headers: Headers = field(default_factory=lambda: SentHeaders(()))
    method: str = "POST"
    url: str = ""
    rest: str = ""
    query: bytes = b""
    client: str = ""
