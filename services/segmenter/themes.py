"""Why she scored so: the theme of an answer, by rules in French and English. Pure.

In: declared reasons and free texts. Out: the name of one theme, or None: unknown stays unknown.
Words are compared by stem, without accents; an entry that begins with `=` by the letter, because a
stem may be shared by words that have nothing to do with each other. `topics` name a theme in any
sentence; `pains` complain, so a negation before them takes them back ("pas cher", "not expensive").
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import snowballstemmer

from services.segmenter.policy.whole import Policy
from shared.events.vocabulary import Value

#: The answers that may say why, in the order asked.
TEXTS: Final = ("liked_least", "improve", "liked_most", "why", "comment")
_LETTERS: Final = re.compile(r"[^\W_]+")
_ELISION: Final = re.compile(r"\b(?:[cdjlmnst]|qu|jusqu|lorsqu)['’](?=\w)", re.IGNORECASE)  # noqa: RUF001
_N_T: Final = re.compile(r"n['’]t\b", re.IGNORECASE)  # noqa: RUF001
_END_OF_CLAUSE: Final = re.compile(r"[.!?;:,\n]|\b(?:mais|but|however|cependant)\b", re.IGNORECASE)
_NEGATIONS: Final = frozenset(
    {"pas", "jamais", "aucun", "aucune", "sans", "ni", "not", "no", "never", "without", "none"}
    | {"nothing", "nor", "cannot"}
)
#: How many words a negation reaches: "pas du tout trop cher", "not at all too expensive".
_REACH: Final = 4
#: A comment longer than this says its reason before; it bounds the work for one message.
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a text, folded, and the forms by which a rule may mean it.

    These are its stems, and with `=` before it the word to the letter.
    """

    text: str
    forms: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Phrase:
    """One entry of a rule: the forms of its words, and whether it complains."""

    theme: str
    words: tuple[frozenset[str], ...]
    pain: bool


class ThemeFinder:
    """The rules of one policy, stemmed once and found by a form of their first word."""

    def __init__(self, policy: Policy) -> None:
        # Most words come again and again; stemming one in two languages costs some 10 µs.
        self._forms = lru_cache(maxsize=16384)(self._find_forms)
        self._stemmers = tuple(snowballstemmer.stemmer(name) for name in ("french", "english"))
        self._names = tuple(rule.name for rule in policy.themes)
        self._reasons: dict[str, str] = {}
        self._phrases: dict[str, list[_Phrase]] = {}
        for rule in policy.themes:
            for reason in (rule.name, *rule.declared):
                self._reasons.setdefault(_fold(reason), rule.name)
            for text in rule.topics:
                self._index(rule.name, text, pain=False)
            for text in rule.pains:
                self._index(rule.name, text, pain=True)

    def find(self, answers: Mapping[str, Value]) -> str | None:
        """Name the theme of one response's answers."""
        return self._declared(answers.get("reasons")) or self._told(answers)

    def _declared(self, reasons: Value) -> str | None:
        given = reasons if isinstance(reasons, list) else [reasons]
        found = (self._reasons.get(_fold(reason)) for reason in given if isinstance(reason, str))
        return next((name for name in found if name), None)

    def _told(self, answers: Mapping[str, Value]) -> str | None:
        for text in TEXTS:
            said = answers.get(text)
            if isinstance(said, str) and (name := self._of_text(said)):
                return name
        return None

    def _of_text(self, said: str) -> str | None:
        """Take the theme named most often; among equals the first in the policy."""
        counts: Counter[str] = Counter()
        for clause in _END_OF_CLAUSE.split(said[:_LONGEST]):
            words = self._words(clause)
            for place in range(len(words)):
                counts.update(self._themes_at(words, place))
        return max(self._names, key=lambda name: counts[name], default=None) if counts else None

    def _themes_at(self, words: Sequence[_Word], place: int) -> set[str]:
        """Name the themes that a phrase starting at this word tells."""
        return {
            phrase.theme
            for form in words[place].forms
            for phrase in self._phrases.get(form, ())
            if _fits(words, place, phrase) and not (phrase.pain and _negated(words, place))
        }

    def _words(self, clause: str) -> list[_Word]:
        """Cut a clause into words, each with its forms in every language."""
        spaced = _N_T.sub(" not", _ELISION.sub("", clause)).lower()
        return [_Word(_fold(word), self._forms(word)) for word in _LETTERS.findall(spaced)]

    def _find_forms(self, word: str) -> frozenset[str]:
        # French endings are found with their accents, then folded: "livrée" and "livree" both.
        spelt = {word, _fold(word)}
        stems = {_fold(s.stemWord(form)) for s in self._stemmers for form in spelt}
        return frozenset({*stems, f"={word}"})

    def _index(self, theme: str, text: str, *, pain: bool) -> None:
        exact = text.startswith("=")
        words = tuple(
            frozenset(form for form in word.forms if form.startswith("=") is exact)
            for word in self._words(text)
        )
        for form in words[0]:
            self._phrases.setdefault(form, []).append(_Phrase(theme, words, pain))


def _fits(words: Sequence[_Word], place: int, phrase: _Phrase) -> bool:
    if len(phrase.words) == 1:  # found by it
        return True
    ahead = words[place : place + len(phrase.words)]
    return len(ahead) == len(phrase.words) and all(
        not wanted.isdisjoint(word.forms) for word, wanted in zip(ahead, phrase.words, strict=True)
    )


def _negated(words: Sequence[_Word], place: int) -> bool:
    return any(word.text in _NEGATIONS for word in words[max(0, place - _REACH) : place])


def _fold(text: str) -> str:
    """Fold case, accents and outer blanks."""
    if text.isascii():
        return text.strip().lower()
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold().replace("œ", "oe"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))
