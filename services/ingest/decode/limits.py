"""What a decoder lets in, whatever the format: depth, width, size; beyond it a body is undecodable.

The numbers hold the cost of one request down, also of one that nobody signed: a source whose
signature is a field of the body is decoded before it is verified. Pure.
"""

from typing import Final

#: Real payloads nest under ten levels; what nests deeper is built to cost.
MAX_DEPTH: Final = 64
#: Lists and maps of one body. A batch of 500 with 120 answers each stays below; an empty list
#: takes two bytes to send and sixty to hold, so bytes alone would not bound the memory.
MAX_CONTAINERS: Final = 65_536
#: Messages in one request: what is stored and published at once.
MAX_BATCH: Final = 500


class Undecodable(Exception):
    """The body is not what the decoder reads. The text names the rule, never the content."""


def deeper_than(value: object, limit: int) -> bool:
    """Tell whether maps and lists nest deeper than this many levels."""
    level = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _containers(parent)]
        if not level:
            return False
    return True


def _containers(parent: object) -> list[object]:
    # `type` and not `isinstance`: this walks what may be built to be walked for long.
    if type(parent) is dict:
        return [child for child in parent.values() if type(child) is dict or type(child) is list]
    if type(parent) is list:
        return [child for child in parent if type(child) is dict or type(child) is list]
    return []
