"""A text taken apart into parts, and what is seen in each: themes, complaints, praise. Pure.

In: a text and the phrases of a policy. Out: its `Part`s in order, and what stands beside them: the
escalations told, the company that the words are in. The
longest phrase takes its words: "frais de livraison" is a price and no delivery. Commas and "and"
part a sentence softly: what one part leaves open the next one tells ("the price, the room, all was
perfect"). "But" and its kind turn round: "all was fine, but the price".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from services.segmenter.themes.wording.phrases import (
    NEGATIONS,
    Kind,
    Phrase,
    Phrases,
    Word,
)
from services.segmenter.themes.wording.words import sentences

#: +1 praise, -1 pain, 0 left open.
Sign = Literal[-1, 0, 1]
#: How a part begins.
Join = Literal["and", "but"]

_AND: Final = frozenset({"et", "and", "ou", "or", "qui", "because", "car", "which"})
_BUT: Final = frozenset(
    {"mais", "but", "however", "cependant", "pourtant", "toutefois", "neanmoins", "malgre"}
    | {"although", "though", "despite", "sauf", "hormis", "excepte", "except", "dommage", "bemol"}
    | {"shame", "pity", "hors", "yet"}
)
#: The second word of "par contre", "en revanche", "à part", "apart from", "other than".
_BUT_PAIRS: Final = frozenset(
    {("par", "contre"), ("en", "revanche"), ("a", "part"), ("apart", "from"), ("other", "than")}
    | {("meme", "si"), ("even", "if"), ("seul", "point"), ("only", "thing"), ("only", "downside")}
    | {("only", "issue"), ("only", "complaint"), ("seul", "reproche"), ("aside", "from")}
)
_JOINS: Final[dict[str, Join]] = {**dict.fromkeys(_AND, "and"), **dict.fromkeys(_BUT, "but")}
_SECONDS: Final = {
    first: frozenset(second for one, second in _BUT_PAIRS if one == first)
    for first, _ in _BUT_PAIRS
}
_ALSO: Final = frozenset({"aussi", "surtout", "also", "egalement", "encore"})
#: How many words a negation reaches: "pas du tout trop cher", "not at all too expensive".
_REACH: Final = 4
#: "Not only", "pas seulement": said of what is true.
_ONLY: Final = frozenset({"seulement", "uniquement", "only", "just", "merely", "simplement", "que"})
#: "Jamais vu un service aussi lent": never so is very.
_SO: Final = frozenset(
    {"aussi", "autant", "such", "so", "si", "tel", "telle", "pareil", "pareille"}
)
_NEVER: Final = frozenset({"jamais", "never"})
#: Of something good only: the lack of it.
_LACKS: Final = frozenset(
    {"manque", "manquent", "lack", "lacks", "lacking", "lacked", "loin", "far"}
)
#: Right before a word only, and "un peu", "a little" is another matter.
_LITTLE: Final = frozenset({"peu", "non", "little", "moins", "less"})
_A: Final = frozenset({"un", "a"})
#: No negation reaches over it: "ne vend que du cher".
_THAN: Final = frozenset({"que", "than"})
#: What stands before the first noun of a sentence.
_ARTICLES: Final = frozenset(
    {"le", "la", "les", "un", "une", "des", "mon", "ma", "mes", "notre", "nos", "votre", "vos"}
    | {"ce", "cet", "cette", "ces", "the", "a", "an", "my", "our", "your", "this", "these", "those"}
)
#: "Beds like concrete": so many words say something of the first.
_SENTENCE: Final = 3
#: The few words that matter for a join, and for a negation: nearly every word is none.
_JOINING: Final = frozenset(_JOINS.keys() | _SECONDS.keys())
_TURNING: Final = NEGATIONS | _LACKS | _LITTLE | _THAN


# A tuple, because a text has many and a frozen dataclass takes three times as long to make.
class Sight(NamedTuple):
    """One phrase seen, and at which word; `sign` is how it feels, its negation counted."""

    phrase: Phrase
    sign: Sign
    place: int


class Part(NamedTuple):
    """What stands between two "and"s, commas or "but"s. `turns`: a "but" stands before it.

    `group` numbers the stretches of text that feel alike as long as nothing says otherwise. `mood`
    is how it feels on the whole. `subject`: it speaks about the topic that it begins with.
    """

    group: int
    turns: bool
    sights: list[Sight]
    mood: Sign
    subject: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What a text shows: the parts in which something is seen, and the names of escalations.

    `company` and `unless` name the readings whose words, for and against, stand anywhere in it.
    """

    parts: tuple[Part, ...]
    escalations: frozenset[str]
    company: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()


def look(text: str, phrases: Phrases) -> Seen:
    """Take a text apart."""
    parts: list[Part] = []
    beside: dict[Kind, set[str]] = {"escalation": set(), "company": set(), "unless": set()}
    group = 0
    for sentence in sentences(text):
        group += 1
        turns = False
        for stretch in sentence:
            words = [phrases.word(word) for word in stretch]
            for place, word in enumerate(words):
                if word.beside is not None:
                    for _, phrase in word.beside.at(words, place):
                        if _holds(phrase, words, place):
                            beside[phrase.kind].add(phrase.name or "")
            for begins, sights in _parts(words):
                if begins == "but":
                    group, turns = group + 1, True
                if sights and not _aside(sights):
                    parts.append(
                        Part(group, turns, sights, _mood(sights), _subject(sights[0], words))
                    )
    return Seen(
        tuple(parts),
        frozenset(beside["escalation"]),
        frozenset(beside["company"]),
        frozenset(beside["unless"]),
    )


def _aside(sights: Sequence[Sight]) -> bool:
    """Tell whether a part is about something else: "I work in delivery myself"."""
    return "aside" in [sight.phrase.kind for sight in sights]


def _subject(first: Sight, words: Sequence[Word]) -> bool:
    """Tell whether a sentence, and no mere word or two, begins with this topic."""
    if first.place > 1 or first.phrase.kind != "topic" or len(words) < _SENTENCE:
        return False
    return not first.place or words[0].text in _ARTICLES


def _mood(sights: Sequence[Sight]) -> Sign:
    """Add up what is felt; of as much praise as pain, take what the last word said."""
    signs = [sight.sign for sight in sights]
    if total := sum(signs):
        return 1 if total > 0 else -1
    return next((sign for sign in reversed(signs) if sign), 0)


def _holds(phrase: Phrase, words: Sequence[Word], place: int) -> bool:
    """Tell whether it counts here: an escalation that is denied is none, company stays company."""
    return phrase.kind != "escalation" or phrase.denies or not _negated(words, place, 0)


def _parts(words: Sequence[Word]) -> Iterator[tuple[Join, list[Sight]]]:
    """Cut a stretch into parts, each with how it begins and what is seen in it."""
    begins: Join = "and"
    sights: list[Sight] = []
    place = start = 0
    while place < len(words):
        word = words[place]
        if word.text in _JOINING and (join := _joins(words, place)) is not None:
            yield begins, sights
            begins, sights, start = join, [], place
        if word.phrases is None:
            place += 1
            continue
        behind, found = word.phrases.longest(words, place)
        end = behind if behind == place + 1 else _overtaken(words, place, behind)
        spent = False
        for phrase in found:
            sights.append(Sight(phrase, _sign(phrase, words, place, start), place))
            spent = spent or phrase.denies
        if spent and end == behind:
            start = end
        place = end
    yield begins, sights


def _joins(words: Sequence[Word], place: int) -> Join | None:
    text = words[place].text
    join, seconds = _JOINS.get(text), _SECONDS.get(text)
    after = words[place + 1].text if place + 1 < len(words) else ""
    if join == "but" or (seconds is not None and after in seconds):
        return "and" if after in _ALSO else "but"
    return join


def _overtaken(words: Sequence[Word], place: int, end: int) -> int:
    """Let a phrase that begins inside and reaches farther have its words, too.

    "Les frais" must not break "frais de livraison" apart.
    """
    for inner in range(place + 1, end):
        openings = words[inner].phrases
        if openings is not None and openings.longest(words, inner)[0] > end:
            return inner
    return end


def _sign(phrase: Phrase, words: Sequence[Word], place: int, start: int) -> Sign:
    """Tell how a phrase that stands here feels; what is before `start` does not reach it."""
    if phrase.kind == "praise":
        return 1 if phrase.denies or not _negated(words, place, start, good=True) else -1
    if phrase.kind == "pain":
        return -1 if phrase.denies or not _negated(words, place, start) else 1
    return 0


def _only(negation: str, following: Word, between: Sequence[Word]) -> bool:
    """Tell whether a negation takes nothing away: "not only", and "ne … que", which is "only"."""
    return following.text in _ONLY or (
        negation == "ne" and any(word.text == "que" for word in between)
    )


def _negated(words: Sequence[Word], place: int, start: int, *, good: bool = False) -> bool:
    """Tell whether a word before it turns it round; `good`: a lack of it does, too."""
    for back in range(place - 1, max(start, place - _REACH) - 1, -1):
        text = words[back].text
        if text not in _TURNING:
            continue
        if text in _THAN:
            return False
        if back == place - 1 and text in _LITTLE and (not back or words[back - 1].text not in _A):
            return True
        if good and text in _LACKS:
            return True
        between = words[back + 1 : place]
        if text in NEGATIONS and not _only(text, words[back + 1], between):
            so = any(word.text in _SO for word in between)
            return not (text in _NEVER and so)
    return False
