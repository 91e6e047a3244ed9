"""A person's word in a batch: merging two customers, or undoing it. Pure."""

from dataclasses import replace

from services.segmenter.batch.merging import merge
from services.segmenter.batch.work import Work
from services.segmenter.identity import merges
from services.segmenter.identity.merges import Command, Undoing
from services.segmenter.profile.profile import rebuild
from shared.events.decisions import CustomerUnmerged, TraceLine


def obey(work: Work, command: Command) -> None:
    """Merge two customers, or undo it, because a person said so."""
    if command.event_id in work.gathered.done:
        # An undoing has two decisions, one about each.
        work.changes.answers.update(work.gathered.done)
        return
    if work.gathered.idle is not None:
        work.note(command, work.gathered.idle)
        return
    lines = merges.command_lines(command)
    if work.gathered.undoing is not None:
        _undo(work, command, work.gathered.undoing, lines)
        return
    profiles = {one: row.profile for one, row in work.customers.items()}
    kept, told = merge(work, tuple(work.customers), command.event_id)
    customer = work.customers[kept]
    work.decide(customer, profiles[kept], customer.profile, command, told, also=lines)


def _undo(work: Work, command: Command, undoing: Undoing, lines: tuple[TraceLine, ...]) -> None:
    """Let a customer be somebody of her own again; one decision about each of the two."""
    gone, kept = undoing.customer_id, undoing.survivor_id
    profiles = {one: rebuild(facts) for one, facts in work.facts.items()}
    told = CustomerUnmerged(
        customer_id=gone,
        survivor_id=kept,
        unmerged_at=work.changes.merged_at,
        causes=merges.causes(work.facts[gone]),
    )
    # Told before the state of either: a reader of one customer alone must know it, too.
    first = (told,) if profiles[gone].known else ()
    before = work.customers[kept].profile
    work.decide(work.customers[kept], before, profiles[kept], command, first, also=lines)
    reply = replace(command, event_id=merges.reply_id(command.event_id, gone))
    work.decide(work.customers[gone], profiles[gone], profiles[gone], reply, first, also=lines)
    work.changes.undone = undoing
