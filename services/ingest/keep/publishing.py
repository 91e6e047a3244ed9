"""Making any number of events durable, told which of them no record can hold.

In: events. Out: the ids of those refused for their size, once all others are durable; or the 503
problem. What was published before a 503 is the same event when it is published again.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.ingest.keep.intake import Intake
from services.ingest.told import Told, Unmappable
from shared.errors import RecordTooLarge

#: What one publication takes, as for a batch of a webhook.
_AT_ONCE: Final = 500
TOO_LARGE: Final = Unmappable("*", "too large for the bus once mapped")


async def publish_all(intake: Intake, told: Sequence[Told]) -> frozenset[UUID]:
    """Publish in order; returns the ids of events that are too large. Raises the 503 problem."""
    refused: set[UUID] = set()
    for start in range(0, len(told), _AT_ONCE):
        some = told[start : start + _AT_ONCE]
        try:
            await intake.publish(some)
        except RecordTooLarge:
            refused |= await _one_by_one(intake, some)
    return frozenset(refused)


async def _one_by_one(intake: Intake, told: Sequence[Told]) -> set[UUID]:
    refused: set[UUID] = set()
    for one in told:
        try:
            await intake.publish([one])
        except RecordTooLarge:
            refused.add(one.event.id)
    return refused
