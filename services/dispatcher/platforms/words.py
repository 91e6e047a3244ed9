"""An action in words, for a reader in a chat or a helpdesk. Pure.

In: what a message may say (the target's allow-list and the play's own context). Out: texts.
"""

from collections.abc import Mapping
from typing import Any


def title(action: str, variant: str) -> str:
    """Name what happened: `internal_alert` for `price` becomes "Internal alert: price"."""
    named = action.replace("_", " ").replace("-", " ").capitalize()
    return named if variant == "default" else f"{named}: {variant}"


def lines(said: Mapping[str, Any]) -> str:
    """Write one line for each thing said, in the order of the target."""
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in said.items())
