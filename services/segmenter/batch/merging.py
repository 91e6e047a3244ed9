"""Customers of a batch that turn out to be one. Pure."""

from dataclasses import replace
from uuid import UUID

from services.segmenter.batch.work import Work
from services.segmenter.identity import merges
from services.segmenter.identity.merges import LeftOut
from services.segmenter.profile.facts import Key
from services.segmenter.profile.state import Profile
from shared.events.decisions import CustomerMerged


def link(
    work: Work, linked: tuple[UUID, ...], event_id: UUID
) -> tuple[tuple[CustomerMerged, ...], dict[UUID, merges.Reason]]:
    """Merge those of several customers that may be merged; the first one's event it is."""
    profiles = {one: work.customers[one].profile for one in linked}
    together, left = merges.joined(linked, work.apart, profiles, work.rulebook.policy.merges)
    work.changes.left += [
        LeftOut(linked[0], other, reason, event_id) for other, reason in left.items()
    ]
    return (merge(work, together, event_id)[1] if len(together) > 1 else ()), left


def merge(
    work: Work, linked: tuple[UUID, ...], event_id: UUID
) -> tuple[UUID, tuple[CustomerMerged, ...]]:
    """Make several customers one; return who stays, and what the world must be told."""
    rows = [work.customers[customer_id] for customer_id in linked]
    kept = merges.kept_of((row.customer_id, row.profile, row.created_at) for row in rows)
    gone = sorted((row for row in rows if row.customer_id != kept), key=lambda c: c.created_at)
    for named, found in work.survivors.items():
        if found in linked:
            work.survivors[named] = kept
    merged = [row.customer_id for row in gone]
    profile = merges.united(kept, work.facts, merged, _owners(work))
    work.customers[kept] = replace(
        work.customers[kept], version=max(row.version for row in rows), profile=profile
    )
    for row in gone:
        work.changes.aliases.append((row.customer_id, kept, event_id))
        work.changes.customers[row.customer_id] = replace(row, profile=Profile())
        work.gone.add(row.customer_id)
        work.touched.pop(row.customer_id, None)
        work.apart = merges.renamed(work.apart, row.customer_id, kept)
        del work.customers[row.customer_id]
    told = (
        CustomerMerged(
            customer_id=kept, merged_id=row.customer_id, merged_at=work.changes.merged_at
        )
        for row in gone
        if row.profile.known
    )
    return kept, tuple(told)


def _owners(work: Work) -> dict[Key, UUID]:
    """Tell whose the keys of facts are now; empty where nobody is kept apart."""
    if not work.gathered.owners:
        return {}
    found = {**work.assigned.keys, **work.gathered.owners}
    return {key: work.survivor(owner) for key, owner in found.items()}
