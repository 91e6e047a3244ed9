"""Values that are a part of a text: 8 of "8 / 10", the address of "Jon <jon@…>". Pure.

In: one value that was seen. Out: the value that its part is, and the keys that take it.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from services.ingest.tryout.seen import Seen

#: What a text looks like, the field that its part may be, and the keys of the mapping that take it.
#: Only a scale that ends at 10 is one of NPS.
_PARTS: Final = (
    ("score", re.compile(r"\s*([0-9]{1,2})\s*/\s*10\s*"), 'before: "/"'),
    ("email", re.compile(r"[^<>]{1,200}<([^<>\s]+@[^<>\s]+)>\s*"), 'after: "<", before: ">"'),
)


def parts_of(one: Seen, field: str) -> Iterator[tuple[Seen, str]]:
    """List a value as it is, then as the part of it that may be this field."""
    yield one, ""
    if isinstance(one.value, str):
        for meant, looks, keys in _PARTS:
            if meant == field and (found := looks.fullmatch(one.value)):
                yield replace(one, value=found[1]), keys
