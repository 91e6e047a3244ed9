"""Deletions on campaign platforms: by which names a platform is asked, and what follows. Pure.

In: what is known of an erased customer, a target's rules, verdicts. Out: namings, next states. A
deletion is tried until it is done, as long as the law lets a request wait; then it is a person's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.calls.judge import wait_after
from services.dispatcher.delivery import TargetRules
from shared.events.vocabulary import Identifier, IdentifierKind

DeletionState = Literal["due", "sending", "done", "by_hand"]

#: A person must have her answer within a month (GDPR, article 12). What a platform has not deleted
#: by then is asked for by hand, and the names that were kept for it go.
KEPT: Final = timedelta(days=30)
#: What the platform refuses, or several profiles that match, somebody may put right meanwhile: the
#: next try then finds nothing left, and the deletion is done.
REFUSED_WAIT: Final = timedelta(days=1)
#: The kinds that platforms know people by.
_KINDS: Final[tuple[IdentifierKind, ...]] = ("email", "phone", "external_id")


@dataclass(frozen=True, slots=True)
class Naming:
    """One way to name her to a platform: an id of ours, and at most one identifier of a kind."""

    customer_id: UUID
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class DeletionNext:
    """What becomes of a deletion; `due` only where it is tried again."""

    state: DeletionState
    reason: str
    due: datetime | None = None


def namings(
    customers: Sequence[UUID], identifiers: Collection[Identifier], needs: Collection[str]
) -> tuple[Naming, ...]:
    """List the names that cover all ids and identifiers of hers.

    `needs`: kinds of identifier without which the platform finds nobody; empty: it knows her by
    our id, too. Empty when she has nothing that it needs.
    """
    known = {
        kind: list(dict.fromkeys(one for one in identifiers if one.kind == kind)) for kind in _KINDS
    }
    if needs:
        count = min(len(known[kind]) for kind in _KINDS if kind in needs)
    else:
        count = max(len(customers), *(len(found) for found in known.values()))
    return tuple(
        Naming(
            customer_id=customers[min(n, len(customers) - 1)],
            identifiers=tuple(known[kind][n] for kind in _KINDS if n < len(known[kind])),
        )
        for n in range(count)
    )


def impossible(rules: TargetRules | None, found: Sequence[Naming]) -> str | None:
    """Say why a target cannot be asked at all; None: it can."""
    if rules is None:
        return "it is not configured: ask there by hand"
    if rules.erased_by is None:
        return "this platform takes no deletion from us: ask there by hand"
    if not found:
        return f"no {' and '.join(rules.erased_by)} of hers is known here: ask there by hand"
    return None


def judge_deletion(
    customer_id: UUID, verdict: Verdict, *, attempt: int, asked_at: datetime, now: datetime
) -> DeletionNext:
    """Return what a verdict makes of a deletion. Repeating one is harmless, so doubt is a retry."""
    match verdict.outcome:
        case "ok" | "accepted":
            return DeletionNext("done", verdict.reason)
        case "suppressed" | "reject" | "park" | "shadow":
            due = now + REFUSED_WAIT
        case "in_doubt" | "retry" | "throttle" | "disable_target":
            due = now + (verdict.wait or wait_after(customer_id, attempt))
    if due >= asked_at + KEPT:
        return DeletionNext("by_hand", f"{too_late()}; at last: {verdict.reason}")
    return DeletionNext("due", verdict.reason, due)


def too_late() -> str:
    """Say why a deletion is not tried any more."""
    return f"not done within {KEPT.days} days: ask there by hand"
