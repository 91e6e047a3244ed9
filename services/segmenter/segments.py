"""Score → segment, and the move that an answer brought. Pure."""

from collections.abc import Sequence

from services.segmenter.policy.whole import Policy
from services.segmenter.state import Response
from shared.events.decisions import Move
from shared.events.vocabulary import Segment

_HEIGHT: dict[Segment, int] = {"detractor": 0, "passive": 1, "promoter": 2}


def segment_of(response: Response, policy: Policy) -> Segment | None:
    """Name the band of a response's score; None without a score."""
    score = response.score
    return next(
        (b.segment for b in policy.bands.nps if score is not None and b.first <= score <= b.last),
        None,
    )


def move_of(scored: Sequence[Response], identity: str, policy: Policy) -> Move | None:
    """Tell the change that one answer brought against the answer before it.

    `scored` are all answers with a score in order. None where `identity` is not among them.
    """
    place = next((i for i, r in enumerate(scored) if r.identity == identity), None)
    if place is None:
        return None
    after = segment_of(scored[place], policy)
    before = segment_of(scored[place - 1], policy) if place else None
    if after is None:
        return None
    if before is None:
        return Move(kind="first", before=None, after=after)
    if before == after:
        return Move(kind="same", before=before, after=after)
    kind = "up" if _HEIGHT[after] > _HEIGHT[before] else "down"
    return Move.model_validate({"kind": kind, "before": before, "after": after})
