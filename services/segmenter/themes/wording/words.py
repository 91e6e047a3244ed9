"""Words as rules compare them: folded, by their stems in French and English. Pure.

In: a text. Out: its stretches (what stands between two marks) as lists of words in lower case; for
one word, `unlengthened`, the forms by which a rule may mean it. `Spelling` finds the word that was
probably meant.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import snowballstemmer

#: What stands in an odd piece of a text: words, ends of sentences, and marks inside one. A hyphen
#: between words joins them ("rapport qualité-prix").
_TOKENS: Final = re.compile(r"[^\W_]+|[.!?;…]|[,:()\"«»]|\s[-–—]\s")  # noqa: RUF001
_ENDS: Final = frozenset(".!?;…")
#: What is left of an elided word says nothing, but for "ne", "me" ("m'appeler") and "que" ("il ne
#: reste qu'une caisse").
_ELIDED: Final = re.compile(r"\b(?:[cdjlst]|jusqu|lorsqu|puisqu)'(?=\w)")
_SPELT_OUT: Final = re.compile(r"\b([mn]|qu)'(?=\w)")
_LENGTHENED: Final = re.compile(r"([^\W\d_])\1{2,}")
#: Signs that are words: "49 €".
_SIGNS: Final = (("€", " euros "), ("£", " pounds "), ("$", " dollars "))
#: How an entry writes "some number": whoever means nought writes it to the letter.
ANY_NUMBER: Final = "0"
_STEMMERS: Final = ("french", "english")


def fold(text: str) -> str:
    """Fold case, accents and outer blanks."""
    if text.isascii():
        return text.strip().lower()
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold().replace("œ", "oe"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def sentences(text: str) -> Iterator[list[list[str]]]:
    """Cut a text into sentences, these at their marks, these into words in lower case."""
    for line in text.lower().replace("’", "'").split("\n"):  # noqa: RUF001
        sentence: list[list[str]] = []
        stretch: list[str] = []
        for piece in line.split():
            if piece.isalnum():  # nearly each: only the others are worth a regular expression
                stretch.append(piece)
                continue
            for token in _TOKENS.findall(_spelt_out(piece)):
                if token.isalnum():
                    stretch.append(token)
                    continue
                if stretch:
                    sentence.append(stretch)
                    stretch = []
                if sentence and token in _ENDS:
                    yield sentence
                    sentence = []
        if stretch:
            sentence.append(stretch)
        if sentence:
            yield sentence


def _spelt_out(piece: str) -> str:
    """Write out what stands between two blanks, with these: a dash between blanks is a mark."""
    if "'" in piece:
        piece = _ELIDED.sub("", _SPELT_OUT.sub(r"\1e ", piece.replace("n't", " not")))
    for sign, word in _SIGNS:
        if sign in piece:
            piece = piece.replace(sign, word)
    return f" {piece} "


def unlengthened(word: str) -> str:
    """Write a word as it is spelt: "looong" is "long"."""
    return _LENGTHENED.sub(r"\1", word)


class Stems:
    """The stemmers, made once: each costs some milliseconds to make and microseconds to use."""

    def __init__(self) -> None:
        self._stemmers = tuple(snowballstemmer.stemmer(name) for name in _STEMMERS)

    def forms(self, word: str) -> frozenset[str]:
        """List the stems of a word, and with `=` before it the word to the letter."""
        if word.isdecimal():  # "4 euros" and "12 euros" are one phrase
            return frozenset({ANY_NUMBER, f"={word}"})
        # French endings are found with their accents, then folded: "livrée" and "livree" both.
        spelt = {word, fold(word)}
        stems = {fold(s.stemWord(form)) for s in self._stemmers for form in spelt}
        return frozenset({*stems, f"={word}"})


class Spelling:
    """The words of the rules that are long enough to be known again with one mistake in them."""

    #: Shorter ones have too many neighbours: "colis" and "coolis", "prix" and "pris".
    _SHORTEST: Final = 6

    def __init__(self, words: Iterable[str]) -> None:
        self._words: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for word in sorted({fold(word) for word in words}):
            if len(word) >= self._SHORTEST:
                self._words[word[0], word[-1]].append(word)

    def meant(self, word: str) -> str | None:
        """Find the word that was meant; its first and last letter are hardly ever mistaken."""
        folded = fold(word)
        if len(folded) < self._SHORTEST or folded.isdigit():
            return None
        return next((w for w in self._words[folded[0], folded[-1]] if _near(folded, w)), None)


_LONG: Final = 7
#: Letters that sound alike: one stands for the other in "servise", not in "conteste" (contente).
_ALIKE: Final = frozenset(
    frozenset(pair) for pair in ("sc", "sz", "cz", "iy", "ea", "ei", "mn", "kc", "kq", "cq", "gj")
)


def _near(word: str, meant: str) -> bool:
    """Tell whether one mistake makes `word` of `meant`.

    Two letters swapped, or, from seven letters on, one too many, one missing, or one that sounds
    alike.
    """
    if len(word) == len(meant):
        wrong = [place for place in range(len(word)) if word[place] != meant[place]]
        if len(wrong) == 2:
            first, second = wrong
            swapped = word[first] == meant[second] and word[second] == meant[first]
            return second == first + 1 and swapped
        if len(wrong) != 1 or len(meant) < _LONG:
            return False
        return frozenset((word[wrong[0]], meant[wrong[0]])) in _ALIKE
    if abs(len(word) - len(meant)) != 1 or len(meant) < _LONG:
        return False
    long, short = sorted((word, meant), key=len, reverse=True)
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))
