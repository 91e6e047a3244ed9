"""Every value of a decoded message with its place: what a person may pick, or has left out.

In: a tree of maps, lists and scalars. Out: leaves with the path that the mapping would write. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.ingest.mapper.path_text import quote

#: Keys as they stand in a path without quotes; a colon would make a shorthand of it.
_BARE: Final = re.compile(r'[^.\[\]"={}:,\s](?:[^.\[\]"={}:,\t\r\n]*[^.\[\]"={}:,\s])?')
#: A larger message is looked at no further: nobody maps its thousandth field by hand.
MAX_LEAVES: Final = 2_000

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar (or empty map or list), and the keys and places that lead to it."""

    keys: Keys
    value: object

    @property
    def path(self) -> str:
        """Write where it is."""
        return path_of(self.keys)


def path_of(keys: Sequence[str | int]) -> str:
    """Write keys and places as a path."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += ("." if text else "") + key_text(key)
    return text


def key_text(key: str) -> str:
    """Write one key, quoted where a path would misread it."""
    return key if _BARE.fullmatch(key) else quote(key)


def leaves(tree: object, before: Keys = ()) -> Iterator[Leaf]:
    """List the leaves in the order of the message, `MAX_LEAVES` at most."""
    waiting: list[tuple[Keys, object]] = [(before, tree)]
    told = 0
    while waiting and told < MAX_LEAVES:
        keys, node = waiting.pop()
        if isinstance(node, dict) and node:
            waiting += [((*keys, str(key)), child) for key, child in reversed(node.items())]
        elif isinstance(node, list) and node:
            waiting += [((*keys, at), node[at]) for at in range(len(node) - 1, -1, -1)]
        else:
            told += 1
            yield Leaf(keys, node)
