"""What an answer may be: the score, texts, flags, identifiers, and how each is read.

In: a value as the payload has it (never `MISSING`). Out: a wire value, `MISSING` for "not said",
None for "cleared", or `Unreadable` whose text names the rule and nothing of the value. Pure.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final

from services.ingest.decode import payload
from services.ingest.decode.payload import MISSING
from shared.events.vocabulary import Identifier, IdentifierKind, Value
from shared.identifiers import Rules

#: The one refusal of every reader; an `expr:` raises it as well, and knows nothing of this module.
Unreadable = payload.Unreadable

#: A comment of ten pages. The rest of a longer one is cut: the reason for the score stands early,
#: and the event must fit a record of 1 MiB whatever else it holds.
MAX_TEXT: Final = 20_000
MAX_ATTRIBUTE: Final = 1_000
MAX_CHOICES: Final = 100

_BEYOND: Final = 1 << 63

_WHOLE = re.compile(r"[0-9]{1,3}(?:\.0{1,9})?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:[.,][0-9]{1,9})?")
_SEPARATORS = re.compile(r"[,;|\n]")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "1", "oui", "on"), True),
    **dict.fromkeys(("false", "no", "0", "non", "off"), False),
}


def clean(text: str, most: int) -> str:
    """Trim, cut, and drop NUL characters, which PostgreSQL's texts cannot hold."""
    if len(text) <= most and "\x00" not in text:  # nearly every text
        return text.strip()
    return text.replace("\x00", "").strip()[:most].rstrip()


def score(value: object) -> object:
    """Read an NPS score: a whole number from 0 to 10, also as text. "" is not said."""
    if value is None or (type(value) is int and 0 <= value <= 10):
        return value
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return MISSING
        if not _WHOLE.fullmatch(text):
            raise Unreadable("score: not a whole number from 0 to 10")
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable("score: not a whole number from 0 to 10")
    if not 0 <= value <= 10:  # before `int`, which cannot take an infinity
        raise Unreadable("score: outside 0 to 10; another scale must not be taken for NPS")
    if value != int(value):
        raise Unreadable("score: not a whole number from 0 to 10")
    return int(value)


def measured(value: object) -> object:
    """Read a score of another metric or scale, as a number; "" is not said."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None if value is None else MISSING
    try:
        return number(value)
    except Unreadable:
        raise Unreadable("score: not a number") from None


def text_answer(value: object) -> object:
    """Read a free text; numbers become text, a list of texts its lines."""
    return _text(value, MAX_TEXT)


def flag(value: object) -> object:
    """Read yes or no; words we do not know are not said."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | int):
        return _FLAGS.get(str(value).strip().casefold(), MISSING)
    return MISSING


def language(value: object) -> object:
    """Read a language as its lower-case primary subtag; what is none (`default`) is not said."""
    if value is None:
        return None
    match = _LANGUAGE.fullmatch(value.strip()) if isinstance(value, str) else None
    return match[1].lower() if match else MISSING


def tone(value: object) -> object:
    """Read how a French speaker is addressed; anything but tu or vous is not said."""
    if value is None:
        return None
    word = value.strip().casefold() if isinstance(value, str) else ""
    return word if word in ("tu", "vous") else MISSING


def answer(value: object) -> object:
    """Read any other question: text, number, yes or no, or a list of texts."""
    return _plain(value, MAX_TEXT)


def attribute(value: object) -> object:
    """Read what becomes a customer attribute; texts are short."""
    return _plain(value, MAX_ATTRIBUTE)


def key_text(value: object, most: int) -> str:
    """Read an id (of a survey, a response): text or whole number, and short enough to index."""
    if type(value) is not str and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise Unreadable("missing, or neither a text nor a whole number")
    text = str(value).replace("\x00", "").strip()
    if not text:
        raise Unreadable("missing, or neither a text nor a whole number")
    if len(text) > most:
        raise Unreadable(f"longer than {most} characters")
    return text


def identifier(kind: IdentifierKind, value: object, rules: Rules) -> Identifier | None:
    """Normalise an identifier; None for what is none (a mistyped address, a wrong type)."""
    if type(value) is not str and (isinstance(value, bool) or not isinstance(value, str | int)):
        return None
    return rules.identifier(kind, str(value).replace("\x00", ""))


def word(value: object) -> str | None:
    """Fold a value for comparing with configured ones: `true` and "TRUE" are one word."""
    if type(value) is str:  # as most are; a union of types is slow to ask
        return value.strip().casefold()
    if value is None or value is MISSING:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip().casefold() if isinstance(value, str | int | float) else None


def _text(value: object, most: int) -> object:
    if type(value) is str:
        return clean(value, most) or MISSING
    if isinstance(value, list):
        value = "\n".join(item for item in value if isinstance(item, str))
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unreadable("not a text")
    return clean(str(value), most) or MISSING


def _plain(value: object, most: int) -> object:
    if type(value) is str:
        return clean(value, most) or MISSING
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return clean(value, most) or MISSING
    if isinstance(value, list):
        texts = [clean(str(item), most) for item in value if item is not None and _is_scalar(item)]
        return texts[:MAX_CHOICES]
    raise Unreadable("not a text, number, yes or no, or list of texts")


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def texts(value: object) -> object:
    """Read several choices: a list of texts, or one text as a list of one."""
    if value is None:
        return None
    found = _plain([value] if not isinstance(value, list) else value, MAX_ATTRIBUTE)
    return [item for item in found if item] if isinstance(found, list) else found


def number(value: object) -> int | float:
    """Read a finite number, also as text with a decimal comma; whole ones of 64 bits are whole."""
    if isinstance(value, str):
        text = value.strip().replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
        if not _NUMBER.fullmatch(text):
            raise Unreadable("not a number")
        value = float(text.replace(",", "."))
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise Unreadable("not a number")
    # Beyond it no reader of JSON takes a whole number, ours neither.
    return int(value) if -_BEYOND < value < _BEYOND and value == int(value) else value


def _whole(value: object) -> object:
    found = number(value)
    if not isinstance(found, int):
        raise Unreadable("not a whole number")
    return found


def _yes_or_no(value: object) -> object:
    found = flag(value)
    if found is MISSING:
        raise Unreadable("neither yes nor no")
    return found


def _listed(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in _SEPARATORS.split(value) if part.strip()]
    return value if isinstance(value, list) else [value]


def _one_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value, MAX_TEXT)


#: What `as:` may ask for; each raises `Unreadable`. Never called with "not said" or "cleared".
CONVERSIONS: Final[Mapping[str, Callable[[object], object]]] = {
    "text": _one_text,
    "number": number,
    "whole": _whole,
    "flag": _yes_or_no,
    "list": _listed,
    "lower": lambda value: value.lower() if isinstance(value, str) else value,
    "upper": lambda value: value.upper() if isinstance(value, str) else value,
}


def as_value(value: object) -> Value:
    """Narrow what the readers above return to the wire's type."""
    assert value is None or isinstance(value, str | bool | int | float | list)  # noqa: S101
    return value
