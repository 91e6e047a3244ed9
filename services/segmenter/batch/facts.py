"""A fact of a batch: new, known, or known by a copy that was received later. Pure."""

from dataclasses import replace
from uuid import UUID

from services.segmenter.batch.merging import link
from services.segmenter.batch.work import Work
from services.segmenter.identity import merges
from services.segmenter.profile.facts import Fact
from services.segmenter.profile.profile import rebuild, step
from services.segmenter.store.rows import Decision
from shared.events.outcomes import DeliverySettled


def hear(work: Work, fact: Fact) -> None:
    """Handle one fact: new, known, or known by a copy that was received later."""
    stored = work.gathered.done.get(fact.event_id)
    owner = work.assigned.owner[fact.event_id]
    if stored is not None:
        _again(work, fact, owner, stored)
        return
    linked = _linked(work, fact, owner)
    before = work.customers[work.survivor(owner)].profile
    merged, left = link(work, linked, fact.event_id) if len(linked) > 1 else ((), {})
    customer = work.customers[work.survivor(owner)]
    # Also where nobody hears of the merge, because the one who is gone was unknown to all.
    joined = customer.profile is not before
    if left:
        owners = {key: work.survivor(work.assigned.keys[key]) for key in fact.keys}
        fact = merges.own(fact, owners, customer.customer_id)
    known = work.facts.get(customer.customer_id)
    if known is not None:
        known.append(fact)
    after = step(customer.profile, fact)
    if after is None:
        after = rebuild(work.facts[customer.customer_id])
    work.changes.facts.append((owner, fact))
    also = merges.left_lines(left) if left else ()
    work.decide(customer, before, after, fact, merged, also=also, joined=joined)


def _linked(work: Work, fact: Fact, owner: UUID) -> tuple[UUID, ...]:
    """List the customers that a fact shows to be one, whose it is first."""
    found = [work.survivor(c) for c in (owner, *work.assigned.linked[fact.event_id])]
    if not isinstance(fact.data, DeliverySettled):
        return tuple(dict.fromkeys(found))
    hers = (found[0], work.survivor(fact.data.customer_id))
    known = {one: work.customers[one].profile.known for one in found}
    return merges.by_number(found, hers, known)


def _again(work: Work, fact: Fact, owner: UUID, stored: Decision) -> None:
    """Publish what is stored; a copy received earlier is the fact, and may change the state."""
    known = work.gathered.copies.get(fact.event_id)
    work.changes.answers[fact.event_id] = stored
    if known is None or known <= fact.copy_place:
        return
    customer = work.customers[work.survivor(owner)]
    facts = work.facts[customer.customer_id]
    if all(one.event_id != fact.event_id for one in facts):
        # Somebody gave one id to two events about two people: the first one stands.
        return
    before = rebuild(facts)
    facts[:] = [
        replace(fact, keys=one.keys) if one.event_id == fact.event_id else one for one in facts
    ]
    after = rebuild(facts)
    work.changes.facts.append((owner, fact))
    if after != before:
        work.decide(customer, before, after, fact)
