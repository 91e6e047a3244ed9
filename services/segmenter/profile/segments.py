"""Score → segment, and the move that an answer, its absence or a farewell brought. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Final

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import text
from services.segmenter.profile.state import Profile, Response
from shared.events.decisions import Move, MoveKind
from shared.events.vocabulary import Segment

#: The attribute in which the operator's own systems say what a customer is to them.
LIFECYCLE: Final = "lifecycle"
CHURNED: Final = "churned"
_HEIGHT: dict[Segment, int] = {"detractor": 0, "passive": 1, "promoter": 2}


def segment_of(response: Response, policy: Policy) -> Segment | None:
    """Name the band of a response's score; None without a score."""
    score = response.score
    return None if score is None else policy.bands.by_score[score]


def move_of(scored: Sequence[Response], identity: str, policy: Policy) -> Move | None:
    """Tell the change that one answer brought against the answer before it.

    `scored` are all answers with a score in order. None where `identity` is not among them.
    """
    # From the newest on: it is nearly always the one.
    places = range(len(scored) - 1, -1, -1)
    place = next((i for i in places if scored[i].identity == identity), None)
    if place is None:
        return None
    after = segment_of(scored[place], policy)
    before = segment_of(scored[place - 1], policy) if place else None
    return None if after is None else _move(before, after)


@lru_cache
def _move(before: Segment | None, after: Segment) -> Move:
    """Name the move between two answers; there are twelve."""
    if before is None:
        return Move(kind="first", before=None, after=after)
    if before == after:
        return Move(kind="same", before=before, after=after)
    kind: MoveKind = "up" if _HEIGHT[after] > _HEIGHT[before] else "down"
    return Move(kind=kind, before=before, after=after)


def streak(scored: Sequence[Response], policy: Policy) -> int:
    """Count the newest answers in a row that are in the present segment."""
    segments = (segment_of(response, policy) for response in reversed(scored))
    present = next(segments, None)
    return sum(1 for _ in takewhile(lambda segment: segment == present, segments)) + bool(scored)


def lapses_at(profile: Profile, policy: Policy) -> datetime | None:
    """Tell when she has lapsed unless she answers again; None: never."""
    days = policy.moves.lapsed_after_days
    if not days or not profile.scored:
        return None
    return profile.scored[-1].answered_at + timedelta(days=days)


def lapsed(profile: Profile, policy: Policy) -> Move | None:
    """Tell that nobody answered for long: the segment stays, but it is old."""
    return _unmoved(profile, policy, "lapsed")


def churned(before: Profile, after: Profile, policy: Policy) -> Move | None:
    """Tell that a promoter has left, by the word of the operator's own systems."""
    if not _has_left(after, policy) or _has_left(before, policy):
        return None
    return left(after, policy)


def left(profile: Profile, policy: Policy) -> Move | None:
    """Tell that she has left, if she is a promoter: of others it is no surprise."""
    move = _unmoved(profile, policy, "churned")
    return move if move is not None and move.after == "promoter" else None


def _has_left(profile: Profile, policy: Policy) -> bool:
    return (text(profile, policy, LIFECYCLE) or "").strip().casefold() == CHURNED


def _unmoved(profile: Profile, policy: Policy, kind: MoveKind) -> Move | None:
    segment = segment_of(profile.scored[-1], policy) if profile.scored else None
    return None if segment is None else Move(kind=kind, before=segment, after=segment)
