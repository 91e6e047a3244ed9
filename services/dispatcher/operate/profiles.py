"""Pushing profiles again that a platform refused, at a person's word, by what is known of her now.

A refused push stays so until her attributes change. What made the platform refuse it is mostly not
hers (a field that was missing there, a wrong value map), so whoever mended that sends them on. What
is wanted is worked out anew, from her state and from the attributes that the target takes now.
Locks as planning has them: recipients in the order of their ids, then pushes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.delivery import TargetRules
from services.dispatcher.ledger import pushes, store
from services.dispatcher.ledger.recipients import Recipient
from shared.audit.trail import Pen

RefusedState = Literal["rejected", "parked"]
#: Customers whose rows are held at a time: some tens of milliseconds.
_BATCH: Final = 200

_CHOOSE = text("""
    SELECT customer_id FROM pushes
    WHERE target = :target AND state IN ('rejected', 'parked')
        AND state = ANY(CAST(:states AS text[])) AND position(:words IN reason) > 0
    ORDER BY customer_id LIMIT :most
""")
_TAKE = text("""
    SELECT customer_id, state, reason FROM pushes
    WHERE target = :target AND customer_id = ANY(CAST(:customers AS uuid[]))
        AND state = ANY(CAST(:states AS text[]))
    ORDER BY customer_id FOR UPDATE
""")
_NOTE = text("""
    INSERT INTO target_changes (target, what, profiles, reason, by, at)
    VALUES (:target, 'redrive_profiles', :count, :reason, :by, :now) RETURNING number
""")
_COUNT = text("UPDATE target_changes SET profiles = profiles + :count WHERE number = :number")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which refused profiles of a target, at most how many; `words`: part of the refusal."""

    target: TargetRules
    states: tuple[RefusedState, ...]
    words: str
    most: int


@dataclass(frozen=True, slots=True)
class Word:
    """Who sends them on and when, and why."""

    pen: Pen
    reason: str


@dataclass
class Redriven:
    """How many are pushed again (or would be), by the state and reason they had.

    `left` counts the others by why; `more`: there are more than were asked for.
    """

    changed: dict[str, Counter[str]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    more: bool = False


async def redrive(engine: AsyncEngine, chosen: Chosen, word: Word, *, dry_run: bool) -> Redriven:
    """Make refused profile pushes due again, in batches; one row says who did it and why."""
    values = {
        "target": chosen.target.name,
        "states": list(chosen.states),
        "words": chosen.words,
        "most": chosen.most + 1,
    }
    async with engine.connect() as connection:
        found = (await connection.scalars(_CHOOSE, values)).all()
    done = Redriven(more=len(found) > chosen.most)
    customers, noted = found[: chosen.most], None
    for start in range(0, len(customers), _BATCH):
        async with engine.begin() as connection:
            again = await _batch(connection, chosen, customers[start : start + _BATCH], done)
            if again and not dry_run:
                await pushes.again(connection, again, f"sent on by {word.pen.actor}", word.pen.at)
                noted = await _note(connection, chosen.target.name, word, len(again), noted)
                await word.pen.note(
                    connection,
                    "profiles.redriven",
                    chosen.target.name,
                    from_states=sorted(chosen.states),
                    customers=sorted(str(wanted.customer_id) for wanted in again),
                )
    return done


async def _batch(
    connection: AsyncConnection, chosen: Chosen, customers: Sequence[UUID], done: Redriven
) -> list[pushes.Wanted]:
    """Work out what is wanted of some customers now, counting what becomes of each."""
    target = chosen.target
    recipients = await store.lock(connection, customers)
    rows = await connection.execute(
        _TAKE,
        {"target": target.name, "customers": customers, "states": list(chosen.states)},
    )
    found = rows.all()
    done.left.update(["changes just now"] * (len(customers) - len(found)))
    again = []
    for row in found:
        wanted = _wanted(recipients[row.customer_id], target)
        if isinstance(wanted, str):
            done.left[wanted] += 1
            continue
        done.changed.setdefault(row.state, Counter())[row.reason] += 1
        again.append(wanted)
    return again


def _wanted(recipient: Recipient, target: TargetRules) -> pushes.Wanted | str:
    """Return what the target shall have of her, or why nothing is pushed."""
    if recipient.erased:
        return "she was erased"
    if recipient.state is None or recipient.merged_into is not None:
        return "her state is not known yet: it is pushed when it is"
    wanted = pushes.wanted_of(recipient, target)
    if wanted is None:
        return "the target takes no attribute of hers"
    return pushes.WHY_WITHHELD if wanted.hash == pushes.WITHHELD else wanted


async def _note(
    connection: AsyncConnection, target: str, word: Word, count: int, number: Any
) -> Any:
    """Say who did it, and count on in the one row of it."""
    if number is not None:
        await connection.execute(_COUNT, {"count": count, "number": number})
        return number
    values = {"target": target, "count": count, "reason": word.reason}
    return await connection.scalar(_NOTE, {**values, "by": word.pen.actor, "now": word.pen.at})
