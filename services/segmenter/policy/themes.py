"""Sections `themes` and `feelings`: how the reason for a score is recognised."""

from typing import Annotated

from pydantic import AfterValidator, Field

from services.segmenter.policy.words import Name, once
from shared.settings import Strict


def _reason(text: str) -> str:
    if not any(character.isalnum() for character in text):
        raise ValueError("write a word or a phrase, or remove the entry: this matches nothing")
    return text


def _words(text: str) -> str:
    for part in text.split("*"):
        if not any(character.isalnum() for character in part):
            raise ValueError("write words on both sides of *: it stands for up to three words")
    if any(mark in text for mark in ".!?;,:()"):
        raise ValueError("remove the punctuation: a phrase is found within one part of a sentence")
    return text


Reason = Annotated[str, AfterValidator(_reason)]
Words = Annotated[Reason, AfterValidator(_words)]


class Feelings(Strict):
    """Words that praise or complain, whatever the theme; a negation turns them round.

    `otherwise`: phrases in which a word of a theme or a feeling means something else. `asides`:
    phrases that make the whole part of a sentence one about something else, such as her own job.
    """

    praises: tuple[Words, ...] = ()
    pains: tuple[Words, ...] = ()
    otherwise: tuple[Words, ...] = ()
    asides: tuple[Words, ...] = ()


class Reading(Strict):
    """What a theme's words mean in some company: lateness is the train's, if a train is named.

    Where one of `where` stands anywhere in an answer, and none of `unless`, whatever tells the
    theme tells `means` instead; with `weak` only the pains and praises that name it weakly (`~`): a
    courier who is kind.
    """

    means: Name
    weak: Annotated[bool, Field(strict=True)] = False
    where: tuple[Words, ...]
    unless: tuple[Words, ...] = ()


class ThemeRule(Strict):
    """How one theme is recognised.

    `declared`: reasons that a customer ticks. `topics`: words that name it and feel nothing.
    `pains` and `praises` name it and complain or praise; a negation turns them round. Accents and
    endings do not matter, but for an entry that begins with `=`: that one means itself and nothing
    else. One that begins with `~` names the theme only where nothing else is named. `*` stands for
    up to three words. `readings`: company in which all this means another theme; the first that
    fits counts.
    """

    name: Name
    declared: tuple[Reason, ...] = ()
    topics: tuple[Words, ...] = ()
    pains: tuple[Words, ...] = ()
    praises: tuple[Words, ...] = ()
    readings: tuple[Reading, ...] = ()


def _themes(themes: tuple[ThemeRule, ...]) -> tuple[ThemeRule, ...]:
    once("theme", [theme.name for theme in themes])
    declared = [{reason.casefold() for reason in theme.declared} for theme in themes]
    once("declared reason", [reason for reasons in declared for reason in reasons])
    names = {theme.name for theme in themes}
    for theme in themes:
        for reading in theme.readings:
            if reading.means not in names - {theme.name}:
                raise ValueError(
                    f"a reading of {theme.name} means {reading.means}: name another theme of these"
                )
    return themes


Themes = Annotated[tuple[ThemeRule, ...], AfterValidator(_themes)]
