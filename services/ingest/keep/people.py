"""Whom a kept row concerns, as HMACs: enough to erase her rows, and nothing to read. Pure.

A *mark* is the HMAC of a person's identifier, or, behind `said:`, that of something that was said:
a response, a message in quarantine. Where a person is erased, what was said of her up to then goes,
and what she says later stays; something that was said and erased is erased for ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared import identifiers
from shared.events.vocabulary import Identifier, IdentifierKind
from shared.identifiers import Rules

#: What an erasure names → up to when it is erased.
Stones = Mapping[str, datetime]

SAID: Final = "said:"


def people(route_key: bytes, known: Iterable[Identifier]) -> tuple[str, ...]:
    """Mark each normalised identifier by its HMAC under the route key, as an erasure names them."""
    # That of a response is rarely asked for twice: remembering it would push out others.
    return tuple(
        SAID + identifiers.hashed_name(route_key, identifier.kind, identifier.value)
        if identifier.kind == "response"
        else identifiers.hashed(route_key, identifier)
        for identifier in known
    )


def message_mark(route_key: bytes, row_id: UUID) -> str:
    """Mark a message in quarantine: the same message sent again has the same row."""
    return SAID + identifiers.hashed_name(route_key, "quarantine", str(row_id))


def named_in(texts: Iterable[str], rules: Rules) -> list[Identifier]:
    """Take each text for all the identifiers it could be: what somebody else's field holds."""
    kinds: tuple[IdentifierKind, ...] = ("email", "phone", "external_id")
    return [found for text in texts for kind in kinds for found in rules.spellings(kind, text)]


def thin_marks(
    route_key: bytes, rules: Rules, response: Identifier, variables: Iterable[str]
) -> tuple[str, ...]:
    """Mark a message of ids: its response, and whoever is named by what it told beside them."""
    return people(route_key, [response, *named_in(variables, rules)])


def hashes(marks: Iterable[str]) -> list[str]:
    """List what tombstones may say of these marks, each once."""
    return sorted({mark.removeprefix(SAID) for mark in marks})


def is_erased(marks: Iterable[str], told_at: datetime, stones: Stones) -> bool:
    """Tell whether something that bears these marks, and was told then (aware), is erased."""
    for mark in marks:
        if mark.startswith(SAID):
            if mark.removeprefix(SAID) in stones:
                return True
        elif (before := stones.get(mark)) and told_at <= before:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Whom:
    """Whose rows: HMACs of a person's identifiers and responses, and up to when.

    `before` None: all there is.
    """

    hashed: tuple[str, ...]
    before: datetime | None = None

    @property
    def said(self) -> list[str]:
        """The marks of things said."""
        return [SAID + each for each in self.hashed]

    @property
    def marks(self) -> list[str]:
        """All marks that her rows may bear."""
        return [*self.hashed, *self.said]

    def with_more(self, hashed: Iterable[str]) -> "Whom":
        """Add what turned out to be hers."""
        return Whom(tuple(sorted({*self.hashed, *hashed})), self.before)

    def owns(self, marks: Iterable[str], told_at: datetime) -> bool:
        """Tell whether something that bears these marks, and was told then, is to go."""
        if self.before is None:
            return not {*self.marks}.isdisjoint(marks)
        return is_erased(marks, told_at, dict.fromkeys(self.hashed, self.before))
