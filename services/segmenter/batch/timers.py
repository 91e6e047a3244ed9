"""Timers of a batch: what one that rang leads to, and which are set for whom it touched. Pure."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.segmenter.batch.work import Work
from services.segmenter.decide import moments
from services.segmenter.decide.decide import Due
from services.segmenter.profile.profile import trim
from services.segmenter.store.rows import Customer, Timer


def ring(work: Work, due: Due) -> None:
    """Handle one timer: the newest arm decides anew, an older one is only noted."""
    stored = work.gathered.done.get(due.event_id)
    if stored is not None:
        work.changes.answers[due.event_id] = stored
        return
    named = due.data.customer_id
    customer = work.customers.get(work.survivor(named))
    if customer is None:
        work.note(due, "no customer has this id")
        return
    if due.data.kind == "policy":
        _policy(work, customer, due)
        return
    timer = work.gathered.timers.get((due.data.kind, named, due.data.subject))
    if timer is None or timer.arm != due.data.arm or _rings_for(work, customer, due):
        work.keep(customer, due, None, "stale: this timer was set anew meanwhile")
        return
    if not moments.stands(customer.profile, work.rulebook.policy, due.data):
        work.keep(customer, due, None, "stale: what this timer waited for has changed")
        return
    work.touch(customer.customer_id, max(work.now, due.data.due_at))
    work.decide(customer, customer.profile, customer.profile, due)


def _rings_for(work: Work, customer: Customer, due: Due) -> bool:
    """Tell whether what rang of her who was merged away rings anew of the survivor.

    It was told before the merge and comes after it: then nobody but this timer tells of it.
    """
    if due.data.customer_id == customer.customer_id:
        return False
    hers = work.gathered.timers.get((due.data.kind, customer.customer_id, due.data.subject))
    set_anew = hers is not None and hers.open and hers.due_at == due.data.due_at
    return set_anew or moments.by_now(due.data.kind)


def _policy(work: Work, customer: Customer, due: Due) -> None:
    """Decide anew because another policy is in force: nobody reacts, and nothing rings late."""
    if due.data.customer_id != customer.customer_id:
        work.keep(customer, due, None, "stale: she was merged meanwhile")
        return
    if due.data.subject != work.rulebook.version:
        work.keep(customer, due, None, "stale: this policy is not in force here")
        return
    if customer.customer_id not in work.touched:
        work.calm.add(customer.customer_id)
    work.decide(customer, customer.profile, customer.profile, due)


def set_timers(work: Work) -> None:
    """Let the timers of every customer touched ring when time brings something to her."""
    known: dict[UUID, list[Timer]] = {}
    for timer in work.gathered.timers.values():
        known.setdefault(timer.customer_id, []).append(timer)
    for customer_id, now in work.touched.items():
        profile = trim(work.customers[customer_id].profile)
        ahead = moments.ahead(profile, work.rulebook.policy, now)
        before = known.get(customer_id, ())
        owed = _owed(work, customer_id, known, ahead)
        changed = moments.changed(customer_id, before, ahead, now, owed)
        if customer_id in work.calm:
            changed = moments.calm(changed, before, now)
        work.changes.timers.update((timer.key, timer) for timer in changed)
    for customer_id in work.gone:
        changed = moments.changed(customer_id, known.get(customer_id, ()), {}, work.now)
        work.changes.timers.update((timer.key, timer) for timer in changed)


def _owed(
    work: Work, customer_id: UUID, known: Mapping[UUID, Sequence[Timer]], ahead: moments.Moments
) -> set[moments.Owed]:
    """List what was set for those merged or parted and may not have been told yet.

    Of a window it is not known after an undoing whether the survivor was told its end: told
    twice it is one cause, on which no play acts twice.
    """
    undone = work.changes.undone
    others = work.gone if undone is None else {undone.survivor_id}
    owed = {
        (timer.kind, timer.subject, timer.due_at)
        for other in others
        for timer in known.get(other, ())
        if timer.open
    }
    if undone is not None and customer_id in (undone.customer_id, undone.survivor_id):
        since = work.now - moments.LATEST
        owed |= {
            (kind, name, at)
            for (kind, name), at in ahead.items()
            if kind == "settle" and at > since
        }
    return owed
