"""Folding names in PostgreSQL, which has no ICU here: coarse, and only to find candidates. Pure.

In: an SQL expression of text. Out: one that is lower-case and without accents, hyphens and blanks.
Two names that `quality.name_of` finds equal fold alike, but for rare signs (a ligature, capitals
beyond Latin letters where the database's locale knows none): such a pair is not found.
"""

import unicodedata
from typing import Final

#: Latin-1, Latin Extended-A and -B, and Vietnamese.
_RANGES: Final = (range(0x00C0, 0x0250), range(0x1E00, 0x1F00))


def _bases() -> dict[str, str]:
    found: dict[str, str] = {}
    for sign in (chr(code) for span in _RANGES for code in span):
        base = unicodedata.normalize("NFKD", sign)[0]
        if base.isascii() and base.isalpha():
            found[sign] = base.lower()
    return found


_BASES: Final = _bases()
_FROM: Final = "".join(_BASES)
_TO: Final = "".join(_BASES.values())


def folded(expression: str) -> str:
    """Write the folding of an expression; its result may be null or empty."""
    letters = f"translate(lower({expression}), '{_FROM}', '{_TO}')"
    # What is left of ASCII beside letters, and accents that stand alone.
    return rf"regexp_replace({letters}, '[\u0001-\u0060\u007b-\u00bf\u0300-\u036f]', '', 'g')"
