"""Decisions as the segmenter tells them: everything permitted, nothing limited unless said."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.events import ids
from shared.events.decisions import (
    Budget,
    Cause,
    CustomerDecided,
    CustomerErased,
    CustomerMerged,
    CustomerUnmerged,
    Hold,
    Move,
    Permit,
    RollingWindow,
    Snapshot,
    Trigger,
)
from shared.events.envelope import Event
from shared.events.vocabulary import ContactClass, Identifier, Segment, Value

#: A Thursday, ten in the morning in Paris.
NOW = datetime(2026, 3, 12, 9, 0, tzinfo=UTC)
_SCORES: dict[Segment, int] = {"detractor": 3, "passive": 7, "promoter": 10}
CLASSES: tuple[ContactClass, ...] = ("service", "marketing", "asked_for", "survey")


def permit(contact_class: ContactClass, *, allowed: bool = True) -> Permit:
    """A permit (or its refusal) for e-mail."""
    reason = "consent given" if allowed else "no consent is known"
    return Permit(contact_class=contact_class, channel="email", allowed=allowed, reason=reason)


def open_permits(*, refused: Sequence[ContactClass] = ()) -> tuple[Permit, ...]:
    """E-mail for every class but the refused ones."""
    return tuple(permit(name, allowed=name not in refused) for name in CLASSES)


def rolling(limit: int, hours: int, *, foreign: Sequence[datetime] = ()) -> Budget:
    """A person's budget over all channels and classes of contact."""
    return Budget(
        name=f"{limit} per {hours} h",
        scope="person",
        classes=CLASSES,
        channels=None,
        limit=limit,
        window=RollingWindow(hours=hours),
        foreign=tuple(foreign),
    )


def hold(until: datetime, *classes: ContactClass) -> Hold:
    """A refusal that ends."""
    return Hold(rule="contact_hold", classes=classes or CLASSES, reason="she asked", until=until)


def decision(
    customer: UUID | None = None,
    *,
    version: int = 1,
    segment: Segment | None = "detractor",
    response: str = "r1",
    cause: UUID | None = None,
    triggers: tuple[Trigger, ...] = ("received", "settled"),
    at: datetime = NOW,
    answered_at: datetime | None = None,
    late: bool = False,
    permits: tuple[Permit, ...] | None = None,
    budgets: tuple[Budget, ...] = (),
    holds: tuple[Hold, ...] = (),
    group: str | None = None,
    move: Move | None = None,
    theme: str | None = None,
    language: str | None = "en",
    attributes: dict[str, Value] | None = None,
    address: str | None = None,
    snapshot: Snapshot | None = None,
    test: bool = False,
) -> CustomerDecided:
    """One decision about one customer."""
    customer = customer or uuid.uuid4()
    return CustomerDecided(
        decision_id=ids.name_id("test decision", customer, version, response),
        customer_id=customer,
        version=version,
        decided_at=at,
        cause=Cause(
            id=cause or ids.response_cause("tests", "nps", f"{customer}/{response}"),
            kind="response",
            triggers=triggers,
            deadline_from=answered_at or at,
            source="tests",
            survey="nps",
            late=late,
        ),
        identifiers=(
            Identifier(kind="email", value=address or f"{customer.hex[:8]}@example.com"),
            Identifier(kind="response", value=f"tests/nps/{response}"),
        ),
        group=group,
        zone="Europe/Paris",
        snapshot=snapshot
        or Snapshot(
            score=_SCORES[segment] if segment else None,
            segment=segment,
            response_count=1,
            last_answered_at=answered_at or at,
            theme=theme,
            language=language,
            attributes=attributes or {},
        ),
        move=move,
        permits=open_permits() if permits is None else permits,
        budgets=budgets,
        holds=holds,
        trace=(),
        policy="test",
        test=test,
    )


def told(data: CustomerDecided | CustomerMerged) -> Event:
    """The event that tells it."""
    identity = (
        data.decision_id
        if isinstance(data, CustomerDecided)
        else ids.name_id("merged", data.merged_id, data.customer_id)
    )
    at = data.decided_at if isinstance(data, CustomerDecided) else data.merged_at
    return Event(identity, "nps/segmenter", at, data)


def merged(merged_id: UUID, into: UUID, *, at: datetime = NOW) -> Event:
    """Two customers turned out to be one."""
    return told(CustomerMerged(customer_id=into, merged_id=merged_id, merged_at=at))


def unmerged(customer: UUID, survivor: UUID, *, at: datetime, causes: Sequence[UUID] = ()) -> Event:
    """She who was merged is somebody of her own again."""
    data = CustomerUnmerged(
        customer_id=customer, survivor_id=survivor, unmerged_at=at, causes=tuple(causes)
    )
    return Event(ids.name_id("unmerged", customer, survivor, at), "nps/segmenter", at, data)


def erased(
    *customers: UUID, before: datetime = NOW, at: datetime | None = None, number: int = 1
) -> Event:
    """A person is forgotten, with all ids that ever stood for her; the last is the one she had."""
    data = CustomerErased(
        erasure_id=ids.name_id("test erasure", customers[-1], number),
        customer_id=customers[-1],
        customer_ids=customers,
        people=(),
        erased_before=before,
        erased_at=at or before,
    )
    return Event(ids.name_id("erased", data.erasure_id), "nps/segmenter", data.erased_at, data)


def later(**changes: float) -> datetime:
    """`NOW` and some time, e.g. `later(hours=1)`."""
    return NOW + timedelta(**changes)
