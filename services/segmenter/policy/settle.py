"""Section `settle`: how long an answer may still grow before a customer hears of it."""

from typing import Annotated

from pydantic import Field

from shared.settings import Strict


class Settle(Strict):
    """Minutes without a further message until an answer that nobody called complete counts so."""

    #: An hour at most: a reaction that comes later than the memory of the answer is none.
    minutes: Annotated[int, Field(ge=0, le=60, strict=True)] = 5
