"""The phrases of a policy, found by a form of their first word. Pure.

In: entries as the policy writes them. Out: `Phrases.word`, which tells for each word of a text
which phrases may begin there, once for every word ever met.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal

from services.segmenter.themes.wording.words import (
    ANY_NUMBER,
    Spelling,
    Stems,
    fold,
    sentences,
    unlengthened,
)

#: `topic` names a theme and feels nothing; `otherwise` takes its words away from every theme, and
#: `aside` its whole part. The others stand beside what is told and take no word away: `company` and
#: `unless` are the words of a `Reading`, for and against.
Kind = Literal["topic", "pain", "praise", "otherwise", "aside", "escalation", "company", "unless"]
_BESIDE: Final = frozenset({"escalation", "company", "unless"})

#: Words that turn round what follows; a phrase that has one of its own is not turned again.
NEGATIONS: Final = frozenset(
    {"ne", "pas", "jamais", "aucun", "aucune", "sans", "ni", "rien", "zero", "nullement", "guere"}
    | {"not", "no", "never", "without", "none", "nothing", "nor", "neither", "cannot", "nobody"}
    | {"cant", "isnt", "wasnt", "arent", "doesnt", "didnt", "wouldnt", "couldnt", "hasnt", "havent"}
    | {"hardly", "barely"}
)
#: "Plus" is "no more" only after "ne", which colloquial French leaves out: "marche plus".
_DENIALS: Final = NEGATIONS | {"plus"}
#: What `*` in an entry stands for: this many words at most.
_GAP: Final = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a rule: its text, what it tells, and of which theme or topic (None: of any)."""

    text: str
    kind: Kind
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """An entry made ready. `words` are the forms of each word, None a gap.

    `weak`: it names its theme only where nothing else does. `denies`: it holds a negation.
    """

    number: int
    kind: Kind
    name: str | None
    words: tuple[frozenset[str] | None, ...]
    weak: bool
    denies: bool

    def end(self, words: "Sequence[Word]", place: int, known: int = 1) -> int | None:
        """Tell behind which word of a stretch it ends if it begins at `place`; None: it does not.

        Its first `known` words are known to stand there.
        """
        return self._rest(words, place + known, known)

    def _rest(self, words: "Sequence[Word]", place: int, part: int) -> int | None:
        if part == len(self.words):
            return place
        wanted = self.words[part]
        if wanted is None:
            return self._behind_gap(words, place, part + 1)
        if place < len(words) and not wanted.isdisjoint(words[place].forms):
            return self._rest(words, place + 1, part + 1)
        return None

    def _behind_gap(self, words: "Sequence[Word]", place: int, part: int) -> int | None:
        wanted = self.behind(part)
        for start in range(place, min(place + _GAP + 1, len(words))):
            # Asked here, too: most words that follow are not the one wanted.
            if wanted.isdisjoint(words[start].forms):
                continue
            if (end := self._rest(words, start, part)) is not None:
                return end
        return None

    def behind(self, part: int) -> frozenset[str]:
        """Give the forms of the word behind a gap: there is one on both sides of each."""
        return self.words[part] or frozenset()


def _distinct(phrases: list[Phrase]) -> list[Phrase]:
    """Let entries that say the same of the same ("crash", "crashing") be one; in one order.

    One that means something else takes the word from all others: "raison" is not "raisonnable".
    """
    if len(phrases) < 2:
        return phrases
    if elsewhere := [phrase for phrase in phrases if phrase.kind == "otherwise"]:
        return elsewhere[:1]
    ordered = sorted(phrases, key=lambda phrase: (not phrase.weak, -phrase.number))
    return list({(phrase.kind, phrase.name): phrase for phrase in ordered}.values())


class Openings:
    """The phrases that begin with one word, told apart by the next: most fit nowhere."""

    __slots__ = ("_behind", "_gapped", "_next", "_second", "_shortest", "_single")

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._single: list[Phrase] = []
        self._gapped: list[Phrase] = []
        self._next: dict[str, list[Phrase]] = {}
        for phrase in phrases:
            if len(phrase.words) == 1:
                self._single.append(phrase)
            elif phrase.words[1] is None:
                self._gapped.append(phrase)
            else:
                for form in phrase.words[1]:
                    self._next.setdefault(form, []).append(phrase)
        self._second = frozenset(self._next)
        self._behind = frozenset(form for phrase in self._gapped for form in phrase.behind(2))
        self._shortest = _distinct(self._single)

    def __bool__(self) -> bool:
        return bool(self._single or self._next or self._gapped)

    def at(self, words: "Sequence[Word]", place: int) -> list[tuple[int, Phrase]]:
        """List the phrases that stand here, each with the place behind it."""
        found = [(place + 1, phrase) for phrase in self._single]
        after = words[place + 1].forms if place + 1 < len(words) else ()
        if self._gapped or not self._second.isdisjoint(after):  # most words end here
            found += self._longer(words, place)
        return found

    def longest(self, words: "Sequence[Word]", place: int) -> tuple[int, list[Phrase]]:
        """Give those that reach farthest, and the place behind them; without any, the next one."""
        if not self._gapped:  # most words end here
            after = words[place + 1].forms if place + 1 < len(words) else ()
            if self._second.isdisjoint(after):
                return place + 1, self._shortest
        found = self._longer(words, place)
        if not found:
            return place + 1, self._shortest
        end = max([reached for reached, _ in found])
        return end, _distinct([phrase for reached, phrase in found if reached == end])

    def _longer(self, words: "Sequence[Word]", place: int) -> list[tuple[int, Phrase]]:
        found: list[tuple[int, Phrase]] = []
        if place + 1 == len(words):
            return found
        near = words[place + 1 : place + 2 + _GAP] if self._gapped else ()
        for word in near:
            if self._behind.isdisjoint(word.forms):
                continue
            for phrase in self._gapped:
                if (end := phrase.end(words, place)) is not None:
                    found.append((end, phrase))
            break
        after = words[place + 1].forms
        if not self._second.isdisjoint(after):
            seen: set[int] = set()
            for form in after:
                for phrase in self._next.get(form, ()):
                    if phrase.number in seen:
                        continue
                    # Most phrases are of two words, and both stand here.
                    short = len(phrase.words) == 2
                    end = place + 2 if short else phrase.end(words, place, 2)
                    if end is not None:
                        seen.add(phrase.number)
                        found.append((end, phrase))
        return found


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: folded, its forms, and the phrases that may begin with it (None: none).

    `beside`: those that take no word away from the others.
    """

    text: str
    forms: frozenset[str]
    phrases: Openings | None
    beside: Openings | None


class Phrases:
    """All phrases of one policy."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        # Most words come again and again; stemming one in two languages costs some 10 µs.
        self.word = lru_cache(maxsize=16384)(self._word)
        self._stems = Stems()
        self._phrases: dict[str, list[Phrase]] = {}
        self._forms: set[str] = set()
        spelt: set[str] = set()
        # The rules' own words come again and again, too; nobody asks for these forms later.
        forms_of = cache(self._stems.forms)
        for number, entry in enumerate(entries):
            phrase, words = _read(entry, number, forms_of)
            for form in phrase.words[0] or ():
                self._phrases.setdefault(form, []).append(phrase)
            for forms in phrase.words:
                self._forms |= forms or set()
            if not entry.text.lstrip("~").startswith("="):
                spelt.update(words)
        self._spelling = Spelling(spelt)

    def _word(self, said: str) -> Word:
        word = unlengthened(said)
        forms = self._stems.forms(word)
        if self._forms.isdisjoint(forms) and (meant := self._spelling.meant(word)):
            forms = self._stems.forms(meant)
        found = {p.number: p for form in sorted(forms) for p in self._phrases.get(form, ())}
        beside = Openings(p for p in found.values() if p.kind in _BESIDE)
        others = Openings(p for p in found.values() if p.kind not in _BESIDE)
        return Word(fold(word), forms, others or None, beside or None)


def _one_number(word: str) -> bool:
    """Tell whether an entry means this very number: "5 étoiles" are not three."""
    return word.isdecimal() and word != ANY_NUMBER


def _read(
    entry: Entry, number: int, forms_of: Callable[[str], frozenset[str]]
) -> tuple[Phrase, list[str]]:
    weak, plain = entry.text.startswith("~"), entry.text.lstrip("~")
    exact = plain.startswith("=")
    words: list[frozenset[str] | None] = []
    spelt: list[str] = []
    for part in plain.split("*"):
        said = [unlengthened(w) for lines in sentences(part) for line in lines for w in line]
        words += [None] if words else []
        words += [
            frozenset(
                form
                for form in forms_of(word)
                if form.startswith("=") is (exact or _one_number(word))
            )
            for word in said
        ]
        spelt += said
    denies = any(fold(word) in _DENIALS for word in spelt)
    return Phrase(number, entry.kind, entry.name, tuple(words), weak, denies), spelt
