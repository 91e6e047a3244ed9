"""What is done with what paths find, before it is read: the first that speaks, a part, another.

In: picks. Out: picks. Pure.
"""

from collections.abc import Mapping

from services.ingest.decode.payload import MISSING, Payload, Pick, says
from services.ingest.mapper import values
from services.ingest.mapper.mapping import Reading


def first_said(picks: tuple[Pick, ...]) -> Pick:
    """Take the first value that says something; an explicit null counts if no other does."""

    def pick(payload: Payload) -> object:
        found: object = MISSING
        for one in picks:
            value = one(payload)
            if value is None:
                found = None
            elif says(value):
                return value
        return found

    return pick


def parted(pick: Pick, after: str | None, before: str | None) -> Pick:
    """Take of a text, of a list each, what stands after one mark and before the other.

    A text without a mark stays whole: `8` is `8 / 10` as some send it.
    """

    def one_of(value: object) -> object:
        if not isinstance(value, str):
            return value
        if after is not None:
            _, mark, rest = value.partition(after)
            value = rest if mark else value
        return (value if before is None else value.partition(before)[0]).strip()

    def part(payload: Payload) -> object:
        value = pick(payload)
        return [one_of(one) for one in value] if isinstance(value, list) else one_of(value)

    return part


def translated(pick: Pick, table: Mapping[str, object]) -> Pick:
    """Put in place of a value, of a list each, what the table has for its word."""

    def one_of(value: object) -> object:
        word = values.word(value)
        return value if word is None else table.get(word, value)

    def replaced(payload: Payload) -> object:
        value = pick(payload)
        return [one_of(one) for one in value] if isinstance(value, list) else one_of(value)

    return replaced


def converted(pick: Pick, convert: Reading) -> Pick:
    """Convert what is said; what is not, or is cleared, stays so."""

    def read(payload: Payload) -> object:
        value = pick(payload)
        return convert(value) if says(value) else value

    return read
