"""Whose alert it is: an attribute of the customer leads to a target, or a room there. Pure.

In: a part of a play, the customer's attributes. Out: the door at which the alert is left.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from shared.events.vocabulary import Value
from shared.settings import Strict


class Door(Strict):
    """Where somebody is reached: a target, and a channel or queue of it by the platform's id."""

    target: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    room: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]{1,100}$")] | None = None


def _short(value: object) -> object:
    """Let `north: slack_north` stand for `north: {target: slack_north}`."""
    return {"target": value} if isinstance(value, str) else value


_Door = Annotated[Door, BeforeValidator(_short, json_schema_input_type=str | Door)]


def _found(doors: Mapping[str, Door], said: Value, default: Door | None) -> Door | None:
    wanted = "" if said is None else str(said).strip().casefold()
    known = {value.strip().casefold(): door for value, door in doors.items()}
    return known.get(wanted, default)


class DigestRoute(Strict):
    """Which owner, or group, is told of where; they are compared as `Route` does."""

    to: Annotated[dict[str, _Door], Field(max_length=1000)] = Field(default_factory=dict)
    default: _Door | None = None

    def door(self, owner: str | None) -> Door | None:
        """Return where an owner's figures go; None: nowhere."""
        return _found(self.to, owner, self.default)

    def doors(self) -> Iterator[Door]:
        """List every door it may lead to."""
        yield from self.to.values()
        if self.default is not None:
            yield self.default


class Route(Strict):
    """Who hears of whom, by one attribute; values are compared as texts, without their case."""

    attribute: Annotated[str, Field(min_length=1, max_length=100)]
    #: As many as an organisation has owners; more belong into the attribute itself.
    to: Annotated[dict[str, _Door], Field(min_length=1, max_length=200)]
    default: _Door | None = None

    def door(self, attributes: Mapping[str, Value]) -> Door | None:
        """Return where it goes; None: the play's own target."""
        return _found(self.to, attributes.get(self.attribute), self.default)

    def doors(self) -> Iterator[Door]:
        """List every door it may lead to."""
        yield from self.to.values()
        if self.default is not None:
            yield self.default
