"""One decoded message, as the paths of a mapping see it; and the words for what is not there.

A plain value with room for the indexes that its paths make. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.ingest.receive.inbound import SentHeaders


class Unreadable(Exception):
    """A value is not what its field takes. The text names the rule and nothing of the value."""


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


#: Not said, as opposed to an explicit null (`None`).
MISSING: Final = _Missing()


def says(value: object) -> bool:
    """Tell whether a raw value says something: it is there, neither null nor blank."""
    if isinstance(value, str):
        return bool(value) and not value.isspace()
    return value is not MISSING and value is not None


class HeaderValues(Protocol):
    """What a path asks of request headers: the first value under a lower-case name."""

    def get(self, name: str, /) -> str | None:
        """Return the value, or None."""


@dataclass(slots=True)
class Payload:
    """One decoded message.

    `body` is what paths start from: the whole message, or one element of a batch; `root` is the
    whole in both cases (`MISSING`: the same as `body`), `query` the query string of the request.
    `indexes` fills up with one index per (list, key) that a path asks.
    """

    body: object
    headers: HeaderValues = field(default_factory=lambda: SentHeaders(()))
    root: object = MISSING
    query: bytes = b""
    indexes: dict[str, dict[str, object]] = field(default_factory=dict)


#: Gets one value out of a payload, or `MISSING`. Only an `expr:` raises `Unreadable`.
Pick = Callable[[Payload], object]
