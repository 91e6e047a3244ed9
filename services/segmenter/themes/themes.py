"""Why she scored so: the themes of an answer with their polarity, and what beats the band. Pure.

In: declared reasons and free texts by their names, and the segment of the score. Out: `Told`, with
the theme that is the reason of the score, all pains and strengths, and the escalations raised. By
rules in French and English (`policy.themes`); unknown stays unknown, irony is not guessed.

Polarity, the first that tells: what was asked (`liked_least` and `improve` are pains, `liked_most`
is a strength), the words around with their negations ("pas cher" is a strength of the price), and
where they leave it open the score: a promoter names strengths, anybody else pains.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.segments import segment_of
from services.segmenter.profile.state import Profile, Response, once
from services.segmenter.themes.mentions import Mention, hinted, named, told_well
from services.segmenter.themes.wording.clauses import Seen, Sign, look
from services.segmenter.themes.wording.phrases import Entry, Phrases
from services.segmenter.themes.wording.words import fold
from shared.events.vocabulary import Segment, Value

#: The answers that may say why, in the order asked.
TEXTS: Final = ("liked_least", "improve", "liked_most", "why", "comment")
DECLARED: Final = "reasons"
#: Who has a reason, even where nothing names it.
_FAR_FROM_INDIFFERENT: Final = frozenset({"promoter", "detractor"})
_PAINFUL: Final = frozenset({"liked_least", "improve"})
_STRONG: Final = frozenset({"liked_most"})
_ASKED: Final = _PAINFUL | _STRONG
#: A comment longer than this says its reason before; it bounds the work for one message.
_LONGEST: Final = 4000
#: How many answers' themes are remembered.
_REMEMBERED: Final = 1024

#: The parts of a confidence: see `_confidence`. A phrase may mean something else half the time.
_ONE_PHRASE: Final = 0.5
_EACH_FURTHER: Final = 0.15
_MOST_FURTHER: Final = 2
_ASKED_WHY: Final = 0.1
_CLEAR: Final = 0.1


@dataclass(frozen=True, slots=True)
class Told:
    """What one answer tells. `source` names the answer that told `theme`."""

    theme: str | None = None
    confidence: float | None = None
    source: str | None = None
    pains: tuple[str, ...] = ()
    strengths: tuple[str, ...] = ()
    escalations: tuple[str, ...] = ()


_NOTHING: Final = Told()


class ThemeFinder:
    """The rules of one policy, stemmed once."""

    def __init__(self, policy: Policy) -> None:
        self._rank = {rule.name: rank for rank, rule in enumerate(policy.themes)}
        self._topics = tuple(topic.name for topic in policy.escalations.topics)
        self._reasons: dict[str, str] = {}
        for rule in policy.themes:
            for reason in (rule.name, *rule.declared):
                self._reasons.setdefault(fold(reason), rule.name)
        self._readings = tuple(
            (_reading(rule.name, number), rule.name, reading.means, reading.weak)
            for rule in policy.themes
            for number, reading in enumerate(rule.readings)
        )
        self._phrases = Phrases(_entries(policy))
        # Decision, hold and timer of one answer all ask; a batch is some hundred answers. Known by
        # a hash: whoever is forgotten must not be remembered here with her own words.
        self._told: dict[bytes, Told] = {}

    def read(self, answers: Mapping[str, Value], segment: Segment | None) -> Told:
        """Tell what the answers of one response say; `segment` is what its score made of her."""
        declared = answers.get(DECLARED)
        given = tuple(declared) if isinstance(declared, list) else (declared,)
        reasons = tuple(reason for reason in given if isinstance(reason, str))
        texts = tuple((name, answers.get(name)) for name in TEXTS)
        said = tuple((name, text[:_LONGEST]) for name, text in texts if isinstance(text, str))
        if not reasons and not said:  # of most answers
            return _NOTHING
        name = blake2b(repr((reasons, said, segment)).encode(), digest_size=16).digest()
        known = self._told.get(name)
        if known is None:
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            known = self._told[name] = self._tell(reasons, said, segment)
        return known

    def _tell(
        self, reasons: tuple[str, ...], texts: tuple[tuple[str, str], ...], segment: Segment | None
    ) -> Told:
        by_score: Sign = 1 if segment == "promoter" else -1
        mentions = [m for reason in reasons for m in self._declared(reason, by_score)]
        raised: set[str] = set()
        for source, text in texts:
            seen = look(text, self._phrases)
            raised |= seen.escalations
            found = named(seen.parts, source, by_score)
            if not found and segment in _FAR_FROM_INDIFFERENT and not seen.escalations:
                found = hinted(seen.parts, source, by_score)
            found = self._in_company(found, seen) if seen.company else found
            # A question for it is no place to name a theme in passing.
            mentions += _asked(source, found if source in _ASKED else told_well(found))
        pains = self._in_order(m for m in mentions if m.sign < 0)
        strengths = self._in_order(m for m in mentions if m.sign > 0)
        theme, sign = _reason(pains, strengths, segment)
        reason = [m for m in mentions if m.theme == theme and m.sign == sign]
        return Told(
            theme=theme,
            confidence=_confidence(reason) if reason else None,
            source=reason[0].source if reason else None,
            pains=pains,
            strengths=strengths,
            escalations=tuple(topic for topic in self._topics if topic in raised),
        )

    def _declared(self, reason: str, by_score: Sign) -> Iterator[Mention]:
        """Know a ticked reason by its name; its own words may say how it feels ("too dear")."""
        theme = self._reasons.get(fold(reason))
        if theme is not None:
            parts = look(reason, self._phrases).parts
            mood = next((part.mood for part in parts if part.mood), by_score)
            yield Mention(theme, mood, clear=True, phrase=-1, source=DECLARED)

    def _in_company(self, mentions: list[Mention], seen: Seen) -> list[Mention]:
        """Read themes as what they mean in the company of what else is named."""
        meant: dict[tuple[str, bool], str] = {}
        for name, theme, means, only_weak in self._readings:
            if name in seen.company and name not in seen.unless:
                meant.setdefault((theme, True), means)
                if not only_weak:
                    meant.setdefault((theme, False), means)
        return [m._replace(theme=meant.get((m.theme, m.weak), m.theme)) for m in mentions]

    def _in_order(self, mentions: Iterable[Mention]) -> tuple[str, ...]:
        """List themes by the answer that told them first, there by how often, then by policy."""
        told: dict[str, dict[str, int]] = {}
        for mention in mentions:
            counts = told.setdefault(mention.source, {})
            counts[mention.theme] = counts.get(mention.theme, 0) + 1
        ranked = [
            theme
            for counts in told.values()
            for theme, _ in sorted(counts.items(), key=lambda one: (-one[1], self._rank[one[0]]))
        ]
        return tuple(dict.fromkeys(ranked))


@lru_cache(maxsize=8)
def finder(policy: Policy) -> ThemeFinder:
    """Give the rules of a policy made ready; they are made once for each policy."""
    return ThemeFinder(policy)


@once
def newest(profile: Profile, policy: Policy, themes: ThemeFinder) -> Told:
    """Tell what her newest answer with a score says."""
    return of(profile.scored[-1], policy, themes) if profile.scored else _NOTHING


def of(response: Response, policy: Policy, themes: ThemeFinder) -> Told:
    """Tell what one answer says."""
    answers = response.values
    return themes.read(answers, segment_of(response, policy))


def _entries(policy: Policy) -> Iterator[Entry]:
    for text in policy.feelings.otherwise:
        yield Entry(text, "otherwise")
    for text in policy.feelings.asides:
        yield Entry(text, "aside")
    for text in policy.feelings.praises:
        yield Entry(text, "praise")
    for text in policy.feelings.pains:
        yield Entry(text, "pain")
    for rule in policy.themes:
        yield from (Entry(text, "topic", rule.name) for text in rule.topics)
        yield from (Entry(text, "pain", rule.name) for text in rule.pains)
        yield from (Entry(text, "praise", rule.name) for text in rule.praises)
        for number, reading in enumerate(rule.readings):
            name = _reading(rule.name, number)
            yield from (Entry(text, "company", name) for text in reading.where)
            yield from (Entry(text, "unless", name) for text in reading.unless)
    for topic in policy.escalations.topics:
        yield from (Entry(text, "escalation", topic.name) for text in topic.phrases)


def _reading(theme: str, number: int) -> str:
    """Name a reading by its theme and its place there."""
    return f"{theme} {number}"


def _reason(
    pains: tuple[str, ...], strengths: tuple[str, ...], segment: Segment | None
) -> tuple[str | None, Sign]:
    """Pick the reason of the score: what a detractor praises is none, nor a promoter's pain."""
    if pains and segment != "promoter":
        return pains[0], -1
    if strengths and segment != "detractor":
        return strengths[0], 1
    return None, 0


def _asked(source: str, mentions: list[Mention]) -> Iterator[Mention]:
    """Let the question say how it feels: what she liked least is a pain however it is put."""
    for mention in mentions:
        if source in _PAINFUL:
            yield Mention(mention.theme, -1, clear=True, phrase=mention.phrase, source=source)
        elif source in _STRONG and not (mention.clear and mention.sign < 0):
            yield Mention(mention.theme, 1, clear=True, phrase=mention.phrase, source=source)
        else:
            yield mention


def _confidence(reason: list[Mention]) -> float:
    """Say how sure the theme is, from 0 to 1.

    A reason that she ticked is 1. Told by words, one phrase is 0.5 and each further one 0.15 more,
    two at most; 0.1 more if it answers a question for the reason (anything but the comment), and
    0.1 more if words or the question say how it feels, not the score.
    """
    first = reason[0]
    if first.source == DECLARED:
        return 1.0
    told = [mention for mention in reason if mention.source == first.source]
    further = min(len({m.phrase for m in told}) - 1, _MOST_FURTHER)
    sure = _ONE_PHRASE + _EACH_FURTHER * further
    sure += _ASKED_WHY if first.source != "comment" else 0
    sure += _CLEAR if any(m.clear for m in told) else 0
    return round(sure, 2)
