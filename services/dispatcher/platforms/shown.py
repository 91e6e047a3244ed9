"""Where a platform shows by the way that somebody refuses, and reading it. Pure.

In: a closed list of fields in a preset, the items of an answer that are hers. Out: `Shown`: what
each field says. A block list that a bounce filled is none of her words, so it is not in the list.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from pydantic import Field

from services.dispatcher.calls.calls import Scope, Shown
from services.dispatcher.platforms import render
from services.dispatcher.platforms.pick import Path, pick
from shared.events.vocabulary import Identifier
from shared.settings import Strict


class Word(Strict):
    """One field in which her refusal stands."""

    path: Path = Field(description="a text or a flag, or a list of them")
    each: Path | None = Field(None, description="in each item of the list; null: the item")
    refuses: tuple[str, ...] = Field(
        min_length=1, description="texts that are her refusal; `{{name}}` stands for a value"
    )
    unless: dict[Path, tuple[str, ...]] = Field(
        default_factory=dict,
        description="beside it: texts (empty: any at all) by which it has another cause",
    )


class Shows(Strict):
    """Her consent as an answer shows it; what is not in it is no word about marketing."""

    by: Literal["external_id", "email", "phone"] = Field(
        description="the identifier that the platform was asked by, whose word it is then"
    )
    refused: dict[Scope, tuple[Path | Word, ...]] = Field(
        min_length=1, description="channel, or `any` → fields; a path alone is a flag"
    )

    @property
    def templates(self) -> list[str]:
        """Everything that may name a value."""
        words = (word for several in self.refused.values() for word in several)
        return [text for word in words if isinstance(word, Word) for text in word.refuses]


#: A field named by its path alone is a flag that says no to messages.
_FLAG: Final = ("true", "1")


def read_shown(shows: Shows, people: Iterable[Any], names: Mapping[str, Any]) -> Shown | None:
    """Read what the items found say of her consent; None: nothing, or of nobody.

    Of several items the strictest counts. A field that is not there says neither yes nor no.
    """
    value, found = names.get(shows.by), list(people)
    if not value:
        return None
    refused: dict[Scope, str | None] = {}
    for scope, fields in shows.refused.items():
        for field in fields:
            word = Word(path=field, refuses=_FLAG) if isinstance(field, str) else field
            said = [_says_no(word, item, names) for item in found]
            if True in said:
                refused[scope] = word.path.removeprefix("$.")
                break
            if False in said:
                refused[scope] = None
    return Shown(Identifier(kind=shows.by, value=value), refused) if refused else None


def _says_no(word: Word, item: Any, names: Mapping[str, Any]) -> bool | None:
    """Tell whether one field refuses; None: it is not shown."""
    there = pick(item, word.path)
    if there is None:
        return None
    refuses = {render.text(text, names).lower() for text in word.refuses}
    listed = isinstance(there, list)
    return any(
        str(pick(one, word.each or "$")).lower() in refuses
        and not _otherwise(word, one if listed else item)
        for one in (there if listed else [there])
    )


def _otherwise(word: Word, beside: Any) -> bool:
    """Tell whether what stands beside a refusal gives it another cause than her word."""
    for path, texts in word.unless.items():
        said = pick(beside, path)
        if said is not None and (not texts or str(said).lower() in {t.lower() for t in texts}):
            return True
    return False
