"""`expr:` in a mapping: JMESPath, for what paths cannot say (filters, sums, joins).

In: the expression, which the operator wrote. Out: a closure over a payload's body. What it finds
nothing for is not said: JMESPath tells an absent key and an explicit null apart no more. Pure.
"""

from collections.abc import Iterator
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions

from services.ingest.decode.payload import MISSING, Payload, Pick, Unreadable

_FUNCTIONS: Final = Functions()
#: What JSON can hold beyond 64 bits, few readers can; only `to_number` and sums come there.
_BEYOND: Final = 1 << 63


def compile_expression(text: str) -> Pick:
    """Read an expression. Raises ValueError with what is wrong and where.

    The closure raises `Unreadable` where a function refuses what the payload holds.
    """
    try:
        expression = jmespath.compile(text)
        unknown = sorted(set(_functions(expression.parsed)) - _FUNCTIONS.FUNCTION_TABLE.keys())
    except (JMESPathError, RecursionError) as error:
        raise ValueError(f"expression {text!r}{_told(error)}") from None
    if unknown:
        raise ValueError(f"expression {text!r}: no function {unknown[0]!r} in JMESPath")

    def pick(payload: Payload) -> object:
        try:
            found: object = expression.search(payload.body)
        # The library lets Python's own errors out (a sum beyond floats, a sort of unlike values):
        # whatever a stranger's payload brings about, it is this field that cannot be read.
        except Exception:
            raise Unreadable("the expression does not take what is there") from None
        if isinstance(found, int | float) and not -_BEYOND <= found < _BEYOND:  # a NaN as well
            raise Unreadable("the expression makes a number that no event holds")
        return MISSING if found is None else found

    return pick


def _functions(node: Any) -> Iterator[str]:
    """List the functions that an expression calls: the library looks for them at run time only."""
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _functions(child)


def _told(error: Exception) -> str:
    if isinstance(error, LexerError):
        return f", character {error.lexer_position + 1}: {error.message}"
    if isinstance(error, ParseError):
        found = "its end" if error.token_value is None else repr(error.token_value)
        return f", character {error.lex_position + 1}: did not expect {found}"
    return ": empty" if isinstance(error, JMESPathError) else ": nested too deeply"
