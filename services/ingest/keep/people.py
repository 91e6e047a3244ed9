"""Whom a kept row concerns, as HMACs: enough to erase her rows, and nothing to read. Pure."""

from collections.abc import Iterable, Sequence

from shared import identifiers
from shared.events.vocabulary import Identifier, IdentifierKind
from shared.identifiers import Rules


def people(route_key: bytes, known: Sequence[Identifier]) -> tuple[str, ...]:
    """Hash each normalised identifier of a person under the route key, as an erasure names them.

    The identity of a response is left out: it concerns no person.
    """
    return tuple(
        identifiers.hashed(route_key, identifier)
        for identifier in known
        if identifier.kind != "response"
    )


def named_in(texts: Iterable[str], rules: Rules) -> list[Identifier]:
    """Take each text for all the identifiers it could be: what somebody else's field holds."""
    kinds: tuple[IdentifierKind, ...] = ("email", "phone", "external_id")
    return [found for text in texts for kind in kinds for found in rules.spellings(kind, text)]
