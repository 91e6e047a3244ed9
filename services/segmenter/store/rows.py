"""Rows of the segmenter's tables as values: what a batch gathers and what it changes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from services.segmenter.identity.merges import Apart, LeftOut, Undoing
from services.segmenter.profile.facts import CopyPlace, Fact, Key
from services.segmenter.profile.state import Profile
from shared.events.decisions import CustomerDecided
from shared.events.feedback import TimerKind

#: The note of a published decision whose body was let go.
PRUNED: Final = "past its time: its reasons are no longer kept"

#: Kind, customer and subject of a timer.
TimerKey = tuple[TimerKind, UUID, str]


@dataclass(frozen=True, slots=True)
class Customer:
    """A row of `profiles`."""

    customer_id: UUID
    created_at: datetime
    version: int
    profile: Profile


@dataclass(frozen=True, slots=True)
class Timer:
    """A row of `timers`; `arm` counts how often it was set."""

    kind: TimerKind
    customer_id: UUID
    subject: str
    arm: int
    due_at: datetime
    open: bool

    @property
    def key(self) -> TimerKey:
        """What it is known by."""
        return self.kind, self.customer_id, self.subject


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of `decisions`: what is published for an event, or why nothing is."""

    event_id: UUID
    decision_id: UUID
    customer_id: UUID
    version: int
    kind: str
    decided_at: datetime
    payload: str | None
    note: str | None


@dataclass(slots=True)
class Gathered:
    """The rows that a batch touches, locked. `facts` only of those who may need a rebuild.

    `survivors` leads from every customer named to the one whose state counts. `copies` has the
    place of those events among `done` that are facts.
    """

    customers: dict[UUID, Customer]
    survivors: dict[UUID, UUID]
    done: dict[UUID, Decision]
    copies: dict[UUID, CopyPlace]
    facts: dict[UUID, list[Fact]]
    timers: dict[TimerKey, Timer]
    #: Who is not to be merged, and when any of those that might be was merged last.
    apart: Apart = field(default_factory=dict)
    latest: datetime | None = None
    #: Whose the keys of `facts` are, by survivor; only where somebody who may be merged is apart.
    owners: Mapping[Key, UUID] = field(default_factory=dict)
    #: Of a command: the merge to undo, or why nothing is to be done.
    undoing: Undoing | None = None
    idle: str | None = None


@dataclass(slots=True)
class Changes:
    """What a batch writes, and for each event the decision to publish (new or stored)."""

    merged_at: datetime
    facts: list[tuple[UUID, Fact]] = field(default_factory=list)
    customers: dict[UUID, Customer] = field(default_factory=dict)
    aliases: list[tuple[UUID, UUID, UUID]] = field(default_factory=list)
    #: A merge undone, and who was not merged; `merged_at` is when that, or a merge, counts.
    undone: Undoing | None = None
    left: list[LeftOut] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    timers: dict[TimerKey, Timer] = field(default_factory=dict)
    answers: dict[UUID, Decision] = field(default_factory=dict)
    #: What was decided anew and is told, by event: to be counted, not written.
    decided: dict[UUID, CustomerDecided] = field(default_factory=dict)
