"""Where a span is, and how one process tells it to the next: W3C's `traceparent`. Pure.

In: ids, headers. Out: a `Place`, or None for what is no traceparent (https://www.w3.org/TR/trace-context).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

#: The header's name, in HTTP as on the bus.
TRACEPARENT: Final = "traceparent"

_WRITTEN: Final = re.compile(
    # A later version may say more behind what this one says; version 255 is none.
    r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.ASCII | re.DOTALL,
)
_SAMPLED: Final = 1
_SPAN_BITS: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Place:
    """One span of one trace, by their numbers. What is not `sampled` is never told."""

    trace: int
    span: int
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace:032x}-{self.span:016x}-{_SAMPLED if self.sampled else 0:02x}"

    def header(self) -> tuple[str, bytes]:
        """Write it as the header of a record."""
        return TRACEPARENT, str(self).encode()


def read(written: str) -> Place | None:
    """Read a `traceparent`; None: it is none."""
    found = _WRITTEN.fullmatch(written)
    if found is None or (found[1] == "00" and found[5] is not None):
        return None
    trace, span = int(found[2], 16), int(found[3], 16)
    if not trace or not span:
        return None
    return Place(trace, span, bool(int(found[4], 16) & _SAMPLED))


def told_in(headers: Iterable[tuple[str, bytes]]) -> Place | None:
    """Read the place that a record of the bus tells."""
    for name, value in headers:
        if name == TRACEPARENT:
            return read(value.decode("ascii", "replace"))
    return None


def trace_of(cause: UUID) -> int:
    """Number the trace of a cause: the same 32 digits."""
    return cause.int


def span_of(decision_id: UUID) -> int:
    """Number the span in which a decision is planned: so rows that it leaves can name it."""
    return decision_id.int & _SPAN_BITS
