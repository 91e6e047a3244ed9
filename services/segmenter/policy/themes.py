"""Section `themes`: how the reason for a score is recognised."""

from typing import Annotated

from pydantic import AfterValidator

from services.segmenter.policy.words import Name, once
from shared.settings import Strict


def _words(text: str) -> str:
    if not any(character.isalnum() for character in text):
        raise ValueError("write a word or a phrase, or remove the entry: this matches nothing")
    return text


Words = Annotated[str, AfterValidator(_words)]


class ThemeRule(Strict):
    """How one theme is recognised.

    `declared`: reasons that a customer ticks. `topics`: words that name it in any sentence.
    `pains`: words that complain about it, unless negated. Accents and endings do not matter, but
    for an entry that begins with `=`: that one means itself and nothing else.
    """

    name: Name
    declared: tuple[Words, ...] = ()
    topics: tuple[Words, ...] = ()
    pains: tuple[Words, ...] = ()


def _themes(themes: tuple[ThemeRule, ...]) -> tuple[ThemeRule, ...]:
    once("theme", [theme.name for theme in themes])
    declared = [{reason.casefold() for reason in theme.declared} for theme in themes]
    once("declared reason", [reason for reasons in declared for reason in reasons])
    return themes


Themes = Annotated[tuple[ThemeRule, ...], AfterValidator(_themes)]
