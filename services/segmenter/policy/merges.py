"""Section `merges`: whether an event may make two customers one."""

from typing import Literal

from shared.settings import Strict


class Merges(Strict):
    """What happens when an event links two customers of whom one refused what the other granted.

    `stricter`: they are merged, and the refusal stands. `refuse`: they stay two, until a person
    merges them.
    """

    consent: Literal["stricter", "refuse"] = "stricter"
