"""Whom a kept row concerns, as HMACs: enough to erase her rows, and nothing to read. Pure."""

from collections.abc import Sequence

from shared import identifiers
from shared.events.vocabulary import Identifier


def people(route_key: bytes, known: Sequence[Identifier]) -> tuple[str, ...]:
    """Hash each normalised identifier of a person under the route key, as an erasure names them.

    The identity of a response is left out: it concerns no person.
    """
    return tuple(
        identifiers.route(route_key, [identifier])
        for identifier in known
        if identifier.kind != "response"
    )
