"""Every value of a sample as a mapping could name it, with the words that stand around it. Pure.

In: one decoded message. Out: values with their paths. An element of a list is named by a key of
its own (`answers[ref=nps].value`), never by its place: the next message has another order.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.ingest.mapper.path_text import quote
from services.ingest.tryout.leaves import MAX_LEAVES, key_text

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-zà-ÿ]+|[0-9]+")
#: Keys by which an element of a list may be known, the most lasting first: a wording changes.
_NAMING: Final = (
    *("ref", "reference", "key", "code", "slug", "variable", "id"),
    *("name", "label", "title", "question", "text"),
)
#: What says in words what an element asks.
_ASKING: Final = frozenset(
    {"label", "title", "question", "name", "text", "prompt", "question text"}
)
#: Keys that hold a question whatever stands around them.
_A_QUESTION: Final = frozenset({"question", "question text", "prompt", "q"})
#: A name as people give one: no number, no address, no sentence of a customer.
_A_NAME: Final = re.compile(r"[^\W\d_][^@\n]{0,79}")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Seen:
    """One value. `keys` are the words of its last two keys, `asked` the question it answers.

    `listed` says that it stands in an element of a list, `at` tells how deep it is; `said` that
    it is all that its element says beside its name.
    """

    path: str
    value: object
    keys: tuple[str, ...]
    asked: str = ""
    listed: bool = False
    at: int = 0
    said: bool = False

    @property
    def last(self) -> str:
        """Write its own key as words."""
        return self.keys[-1] if self.keys else ""

    @property
    def words(self) -> frozenset[str]:
        """Take the words of its keys one by one."""
        return frozenset(word for key in self.keys for word in key.split())


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen, and the lists whose elements nothing names."""

    seen: tuple[Seen, ...]
    unnamed: tuple[str, ...]


def look(tree: object) -> Sample:
    """List what a message says."""
    looking = _Looking()
    looking.at(tree, "", (), "", listed=False)
    return Sample(tuple(looking.seen), tuple(looking.unnamed))


def words_of(key: str) -> str:
    """Write a key as lower-case words: `customerEmail`, `customer_email` → `customer email`."""
    return " ".join(found[0].lower() for found in _WORD.finditer(key))


class _Looking:
    """Walks through one message."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.unnamed: list[str] = []

    def at(
        self, node: object, path: str, keys: tuple[str, ...], asked: str, *, listed: bool
    ) -> None:
        """Look at one value and what is in it."""
        if len(self.seen) >= MAX_LEAVES:
            return
        if isinstance(node, dict):
            # A map beside its question, as in {q1: {question: …, answer: 9}}.
            asked = asked or " ".join(_own_questions(node))
            for key, child in node.items():
                below = f"{path}.{key_text(key)}" if path else key_text(key)
                self.at(child, below, (*keys, words_of(key)), asked, listed=listed)
        elif isinstance(node, list) and node and all(isinstance(one, dict) for one in node):
            self._elements(node, path, keys)
        elif path:
            self.seen.append(Seen(path, node, keys[-2:], asked, listed, len(keys)))

    def _elements(
        self, elements: Sequence[dict[str, object]], path: str, keys: tuple[str, ...]
    ) -> None:
        naming = _naming(elements)
        if naming is None:
            self.unnamed.append(path or "(the list)")
            return
        for element in elements:
            name = str(_under(element, naming))
            asked = " ".join((name, *_questions(element)))
            written = name if _BARE.fullmatch(name) else quote(name)
            where = f"{path}[{'.'.join(map(key_text, naming))}={written}]"
            rest = {key: value for key, value in element.items() if (key,) != naming}
            before = len(self.seen)
            self.at(rest, where, (*keys, words_of(name)), asked, listed=True)
            if len(self.seen) == before + 1:
                self.seen[before] = replace(self.seen[before], said=True)


def _naming(elements: Sequence[dict[str, object]]) -> tuple[str, ...] | None:
    """Find the key whose value is there in each element and differs from one to the other."""
    options = dict.fromkeys(path for element in elements for path in _key_paths(element))
    named: dict[int, tuple[str, ...]] = {}
    for path in options:
        values = [_under(element, path) for element in elements]
        told = {str(value) for value in values if isinstance(value, str | int)}
        last = words_of(path[-1]).split()[-1:]
        rank = next((n for n, word in enumerate(_NAMING) if last == [word]), None)
        if rank is not None and len(told) == len(elements):
            # A key of the element's own field goes before one further in with the same name.
            named.setdefault(rank * 2 + len(path) - 1, path)
    return named[min(named)] if named else _pair(elements)


def _pair(elements: Sequence[dict[str, object]]) -> tuple[str, ...] | None:
    """Find what names the elements of a list of pairs, whatever its two keys are called.

    Such as {"q": "nps", "a": "3"} or {"kind": "mail", "v": …}: of two keys that all elements have
    and no more, the first whose values all read as names and differ.
    """
    keys = list(dict.fromkeys(key for element in elements for key in element))
    if len(keys) != 2 or len(elements) < 2:
        return None
    for key in keys:
        names = [element.get(key) for element in elements]
        if all(isinstance(name, str) and _A_NAME.fullmatch(name) for name in names) and len(
            set(names)
        ) == len(names):
            return (key,)
    return None


def _key_paths(element: dict[str, object]) -> Iterator[tuple[str, ...]]:
    for key, value in element.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, inner) for inner in value)


def _under(element: object, path: Sequence[str]) -> object:
    for key in path:
        if not isinstance(element, dict):
            return None
        element = element.get(key)
    return element


def _own_questions(node: dict[str, object]) -> Iterator[str]:
    for key, value in node.items():
        if words_of(key) in _A_QUESTION and isinstance(value, str):
            yield value


def _questions(element: dict[str, object]) -> Iterator[str]:
    for path in _key_paths(element):
        value = _under(element, path)
        if words_of(path[-1]) in _ASKING and isinstance(value, str):
            yield value
