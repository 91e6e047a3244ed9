"""One batch decided: from what was gathered to what is to be written. Pure.

In: events in order, and the rows they touch. Out: the rows to write and the events to publish. Each
event gets one decision; each customer is written once.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from services.segmenter.batch.commands import obey
from services.segmenter.batch.facts import hear
from services.segmenter.batch.timers import ring, set_timers
from services.segmenter.batch.work import Work
from services.segmenter.decide.decide import Due, Rulebook
from services.segmenter.identity.identity import Assignment
from services.segmenter.identity.merges import Command
from services.segmenter.profile.facts import Fact
from services.segmenter.store.rows import Changes, Gathered


def in_order(events: Iterable[Fact | Due]) -> list[Fact | Due]:
    """Sort a batch as facts are, timers last; of copies keep the first (`Fact.copy_place`)."""
    facts: dict[UUID, Fact] = {}
    dues: dict[UUID, Due] = {}
    for event in events:
        if isinstance(event, Due):
            dues[event.event_id] = event
        elif (known := facts.get(event.event_id)) is None or event.copy_place < known.copy_place:
            facts[event.event_id] = event
    return [*sorted(facts.values(), key=lambda fact: fact.order), *dues.values()]


def decide_batch(
    events: Sequence[Fact | Due | Command],
    assigned: Assignment,
    gathered: Gathered,
    rulebook: Rulebook,
    now: datetime,
) -> Changes:
    """Decide every event of a batch that `in_order` sorted; a command comes alone."""
    *_, changes = deciding(events, assigned, gathered, rulebook, now)
    return changes


def deciding(
    events: Sequence[Fact | Due | Command],
    assigned: Assignment,
    gathered: Gathered,
    rulebook: Rulebook,
    now: datetime,
) -> Iterator[Changes]:
    """Decide a batch event by event, so that others may have a turn between two.

    The changes grow with each; what comes last is all of them, with the timers.
    """
    work = Work(assigned, gathered, rulebook, now)
    for event in events:
        if isinstance(event, Due):
            ring(work, event)
        elif isinstance(event, Command):
            obey(work, event)
        else:
            hear(work, event)
        yield work.changes
    set_timers(work)
    yield work.changes
