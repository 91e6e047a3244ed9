"""What a look at her consent on a platform changes of what was known of it. Pure.

Only a refusal that is new is told: a yes that a platform shows opens nothing, and a refusal that it
goes on showing is told no more, so that what she says later stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.dispatcher.calls.calls import Scope, Shown
from shared.events.vocabulary import Channel

#: How a platform reaches whom it knows by this, where the refusal names no channel.
_REACHED_BY: Final[Mapping[str, Channel]] = {"phone": "sms"}


@dataclass(frozen=True, slots=True)
class Change:
    """What is known now: the field that refuses, by channel or `any`; and what of it is new."""

    refused: Mapping[Scope, str]
    new: tuple[Scope, ...]

    @property
    def proof(self) -> str:
        """Name the fields that show what is new."""
        return ", ".join(sorted({self.refused[scope] for scope in self.new}))


def after(known: Mapping[Scope, str], seen: Shown) -> Change:
    """Join one look to what was known; of what it does not show, what was known stands."""
    refused = {scope: field for scope, field in known.items() if scope not in seen.refused}
    refused |= {scope: field for scope, field in seen.refused.items() if field is not None}
    return Change(refused, tuple(sorted(scope for scope in refused if scope not in known)))


def channel_of(change: Change, seen: Shown) -> Channel:
    """Return the channel that is told: one that is named, else the one of her identifier."""
    for scope in change.new:
        if scope != "any":
            return scope
    return _REACHED_BY.get(seen.by.kind, "email")
