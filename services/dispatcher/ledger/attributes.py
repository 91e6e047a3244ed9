"""What of a decision campaign platforms may be told, under canonical names. Pure.

In: a decision. Out: attribute name → value, None where the platform shall clear it. Which of these
a target takes, and what it calls them, is the target's configuration.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from shared.events.decisions import CustomerDecided
from shared.events.ids import content_hash
from shared.events.vocabulary import Identifier, Value
from shared.times import iso

#: Every canonical name; what stands in `attributes.<name>` beside them is a shop's own.
CANONICAL: Final = frozenset(
    {"nps_score", "nps_segment", "nps_previous_segment", "nps_move", "nps_answered_at"}
    | {"nps_first_answered_at", "nps_response_count", "nps_comment", "nps_theme"}
    | {"nps_next_survey_at", "nps_fatigue_threshold", "nps_maturity", "nps_mature", "lifecycle"}
    | {"called_by", "language", "tone", "title", "first_name", "last_name"}
)
#: How a shop's own attribute begins.
OWN: Final = "attributes."


def attributes_of(decision: CustomerDecided, before: Mapping[str, Value]) -> dict[str, Value]:
    """Return the canonical attributes; `before` (those of the last state) keeps the last move.

    A decision without a move (an update, a timer) changes nothing about how she moved last.
    """
    snapshot, maturity = decision.snapshot, decision.snapshot.maturity
    move = decision.move.kind if decision.move else before.get("nps_move")
    named: dict[str, Value] = {
        "nps_score": snapshot.score,
        "nps_segment": snapshot.segment,
        "nps_previous_segment": snapshot.previous_segment,
        "nps_move": move,
        "nps_answered_at": _moment(snapshot.last_answered_at),
        "nps_first_answered_at": _moment(snapshot.first_answered_at),
        "nps_response_count": snapshot.response_count,
        "nps_comment": snapshot.comment,
        "nps_theme": snapshot.theme,
        "nps_next_survey_at": _moment(snapshot.next_survey_at),
        "nps_fatigue_threshold": snapshot.fatigue_threshold,
        "nps_maturity": maturity.points if maturity else None,
        # Never null: where a platform cannot clear a field, a "ready" of last year would stay.
        "nps_mature": maturity is not None and maturity.ready,
        "lifecycle": snapshot.lifecycle,
        "called_by": snapshot.called_by,
        "language": snapshot.language,
        "tone": snapshot.tone,
        "title": snapshot.title,
        "first_name": snapshot.first_name,
        "last_name": snapshot.last_name,
    }
    return {**named, **{f"{OWN}{name}": v for name, v in snapshot.attributes.items()}}


def _moment(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


def chosen(attributes: Mapping[str, Value], names: Sequence[str]) -> dict[str, Value]:
    """Keep what a target takes, in its order; what she never had is not said at all."""
    return {name: attributes[name] for name in names if name in attributes}


def push_hash(attributes: Mapping[str, Value], identifiers: Iterable[Identifier]) -> str:
    """Name a wanted state of a profile. Equal names push nothing.

    How she is found belongs to it: a new address may lead to another profile. `response`
    identifiers lead to none and would make every answer a new state.
    """
    found_by = sorted((i.kind, i.value) for i in identifiers if i.kind != "response")
    return content_hash([dict(attributes), found_by])
