"""A recipient: what the dispatcher knows of one customer, from the highest decision version seen.

Pure values and their JSON; `store` keeps the rows. Gates, slots and calls read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from services.dispatcher.ledger.attributes import attributes_of
from services.dispatcher.ledger.said import Said, said_by
from shared.events.decisions import Budget, CustomerDecided, Hold, Permit
from shared.events.vocabulary import Fact, Identifier, Segment, Value


class State(Fact):
    """The part of a recipient that decisions bring, as it is stored."""

    decided_at: datetime
    segment: Segment | None
    zone: str
    identifiers: tuple[Identifier, ...]
    permits: tuple[Permit, ...]
    budgets: tuple[Budget, ...]
    holds: tuple[Hold, ...]
    attributes: dict[str, Value]
    #: The newest answer, and the best that it said before it was revised.
    answer: UUID | None = None
    highest: int | None = None
    highest_segment: Segment | None = None
    #: What an answer said when it was told last; None: nothing was told since this is kept.
    said: Said | None = None
    #: Of the decision that last changed what platforms are told: the trace of her profile pushes.
    cause: UUID | None = None
    decision_id: UUID | None = None


_STATE: TypeAdapter[State] = TypeAdapter(State)
_IDENTIFIERS: TypeAdapter[tuple[Identifier, ...]] = TypeAdapter(tuple[Identifier, ...])


@dataclass(frozen=True, slots=True)
class Recipient:
    """One customer; `state` is None while only a merge has named her (`version` 0).

    `test`: she is staff or a test respondent; only sandbox targets hear of her. `erased`: she is
    forgotten, and whatever is told of her id is dropped.
    """

    customer_id: UUID
    version: int = 0
    group: str | None = None
    state: State | None = None
    merged_into: UUID | None = None
    test: bool = False
    erased: bool = False

    @property
    def attributes(self) -> Mapping[str, Value]:
        """The canonical attributes, empty before the first state."""
        return self.state.attributes if self.state else {}


@dataclass(frozen=True, slots=True)
class PushState:
    """Where the profile push to one target stands, as an action that waits for it sees it."""

    state: str = "reached"
    due: datetime | None = None
    reason: str = field(default="nothing to push")


def decided(before: Recipient, decision: CustomerDecided) -> Recipient:
    """Return the recipient after a decision; unchanged unless its version is higher."""
    if decision.version <= before.version:
        return before
    answer, highest, highest_segment = _highest(before.state, decision)
    attributes = attributes_of(decision, before.attributes)
    cause, decision_id = _brought_by(before.state, decision, attributes)
    state = State(
        decided_at=decision.decided_at,
        segment=decision.snapshot.segment,
        zone=decision.zone,
        identifiers=decision.identifiers,
        permits=decision.permits,
        budgets=decision.budgets,
        holds=decision.holds,
        attributes=attributes,
        answer=answer,
        highest=highest,
        highest_segment=highest_segment,
        said=said_by(decision, before.state.said if before.state else None),
        cause=cause,
        decision_id=decision_id,
    )
    return Recipient(
        customer_id=before.customer_id,
        version=decision.version,
        group=decision.group,
        state=state,
        merged_into=before.merged_into,
        test=decision.test,
    )


def _brought_by(
    before: State | None, decision: CustomerDecided, attributes: Mapping[str, Value]
) -> tuple[UUID, UUID]:
    """Name the cause and the decision that brought what platforms are told of her now."""
    if before is None or before.cause is None or before.decision_id is None:
        return decision.cause.id, decision.decision_id
    # An answer that opens a case is followed at once by the case's own decision.
    if before.attributes == attributes and before.identifiers == decision.identifiers:
        return before.cause, before.decision_id
    return decision.cause.id, decision.decision_id


def _highest(
    before: State | None, decision: CustomerDecided
) -> tuple[UUID | None, int | None, Segment | None]:
    """Name the newest answer, and the best that it said through all its revisions."""
    cause, seen = decision.cause, decision.snapshot
    known = (before.answer, before.highest, before.highest_segment) if before else (None,) * 3
    if cause.kind != "response" or cause.late:
        return known
    if seen.last_answered_at not in (None, cause.deadline_from):
        return known  # it has no score of its own: the decision shows another's
    least = -1 if seen.score is None else seen.score
    if known[0] == cause.id and known[1] is not None and known[1] >= least:
        return known
    return cause.id, seen.score, seen.segment


def read_state(raw: object) -> State | None:
    """Read a stored state, as JSON text (half the time) or as what JSON means."""
    if isinstance(raw, str):
        return _STATE.validate_json(raw)
    return _STATE.validate_python(raw) if raw else None


def read_identifiers(raw: object) -> tuple[Identifier, ...]:
    """Read the identifiers of a stored state alone: a profile push needs no more of it."""
    return _IDENTIFIERS.validate_python(raw)


def write_state(state: State | None) -> str | None:
    """Write a state as JSON text."""
    return state.model_dump_json() if state else None
