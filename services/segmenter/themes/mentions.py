"""What the parts of one text tell: each theme named, and how she feels about it. Pure.

In: the parts in which something is seen (`wording.clauses`), and what the score leaves to guess.
Out: `Mention`s. A theme is told by its own words, or where nothing names one by weak words that
hint at it together, or by what the answer begins with.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from services.segmenter.themes.wording.clauses import Part, Sight, Sign

_OPPOSITE: Final[dict[Sign, Sign]] = {-1: 1, 0: 0, 1: -1}
#: One weak word hints at nothing: on comments that no rule was made for, every third such hint was
#: wrong (the product: 0.82 of what was found was right with it, 0.87 without). But for what the
#: answer begins with: "The tomatoes rot in two days". Of these six in seven were right.
_FEWEST_HINTS: Final = 2


class Mention(NamedTuple):
    """One theme told once: where, how it feels, whether words or the question said so, by what.

    `weak`: a pain or a praise told it that may be one of another theme, too.
    """

    theme: str
    sign: Sign
    clear: bool
    phrase: int
    source: str
    weak: bool = False


def named(parts: tuple[Part, ...], source: str, by_score: Sign) -> list[Mention]:
    """List what the parts tell; an open mention goes with a clear one of the same theme."""
    found: list[Mention] = []
    for place, part in enumerate(parts):
        for sight, sign in _felt(part):
            felt = sign or _around(parts, place)
            found.append(_mention(sight, felt, by_score, source))
    clear = {mention.theme for mention in found if mention.clear}
    return [mention for mention in found if mention.clear or mention.theme not in clear]


def told_well(mentions: list[Mention]) -> list[Mention]:
    """Leave out a theme named once that she leaves open, beside one that she does not.

    "I have paid for twelve years, and nobody answers" complains of nothing but the answers. On
    comments that no rule was made for, six such mentions of ten were wrong.
    """
    if all(mention.clear for mention in mentions):  # nearly always
        return mentions
    well = {m.theme for m in mentions if m.clear}
    times = Counter(m.theme for m in mentions)
    return [m for m in mentions if m.clear or times[m.theme] > 1 or not _others(well, m.theme)]


def _mention(sight: Sight, felt: Sign, by_score: Sign, source: str) -> Mention:
    phrase = sight.phrase
    name, sign = phrase.name or "", felt or by_score
    weak = phrase.weak and phrase.kind != "topic"
    return Mention(name, sign, bool(felt), phrase.number, source, weak)


def hinted(parts: tuple[Part, ...], source: str, by_score: Sign) -> list[Mention]:
    """Take what weak words hint at together where nothing names a theme: most, else the first."""
    weak = [(place, s) for place, part in enumerate(parts) for s in part.sights if s.phrase.name]
    counts = Counter(sight.phrase.name for _, sight in weak)
    if max(counts.values(), default=0) < _FEWEST_HINTS:
        if len(counts) != 1 or not parts[0].subject:
            return []
        return [_mention(parts[0].sights[0], _around(parts, 0), by_score, source)]
    return [
        _mention(sight, felt, by_score, source)
        for place, sight in weak
        if sight.phrase.name == counts.most_common(1)[0][0]
        for felt in (_around(parts, place),)
    ]


def _felt(part: Part) -> Iterator[tuple[Sight, Sign]]:
    """List the themes that a part names, each with how the part itself feels about it."""
    themed = [sight for sight in part.sights if sight.phrase.name]
    strong = {s.phrase.name for s in themed if not s.phrase.weak}
    spoken = {s.phrase.name for s in themed if s.sign and not s.phrase.weak}
    for sight in themed:
        name, weak = sight.phrase.name, sight.phrase.weak
        if weak and _others(strong, name):
            continue
        sign = sight.sign or (_nearest(sight, part) if part.mood else 0)
        if not sign and (weak or _others(spoken, name)):
            # "The product is too dear": what bears the price is not what she talks about.
            continue
        yield sight, sign


def _others(names: AbstractSet[str | None], name: str | None) -> bool:
    """Tell whether another name than this one is among them."""
    return len(names) > (name in names)


def _nearest(sight: Sight, part: Part) -> Sign:
    """Find the feeling next to a topic: of its own theme, else of any.

    Where both are weak, the feeling names the theme: an "offer" that is "affordable" is a price.
    """
    theme, weak = sight.phrase.name, sight.phrase.weak
    told = [s for s in part.sights if s.sign]
    near = [s for s in told if s.phrase.name == theme] or [
        s for s in told if s.phrase.name is None or (s.phrase.weak and not weak)
    ]
    if len(near) > 1:
        return min(near, key=lambda s: (abs(s.place - sight.place), -s.place)).sign
    return near[0].sign if near else 0


def _around(parts: tuple[Part, ...], place: int) -> Sign:
    """Find what the parts around say: those of the same group, else, after a "but", the reverse."""
    group, turns = parts[place].group, parts[place].turns
    after, before = parts[place + 1 :], parts[:place][::-1]
    found = _first(after, group) or _first(before, group)
    if found or not turns:
        return found
    return _OPPOSITE[_first(before) or _first(after)]


def _first(parts: Iterable[Part], group: int | None = None) -> Sign:
    """Give the first feeling; `group`: of those that stand together with it."""
    for part in parts:
        if group is not None and part.group != group:
            return 0
        if part.mood:
            return part.mood
    return 0
