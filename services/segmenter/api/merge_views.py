"""What would come out of a merge or its undoing, as the API shows it. Pure.

In: customers as they are and as they would be. Out: values without a single identifier: only how
many there are of each kind.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from services.segmenter.api.showing import found_view
from services.segmenter.api.views import View
from services.segmenter.decide.decide import Rulebook
from services.segmenter.decide.waits import waits
from services.segmenter.identity import merges
from services.segmenter.profile import consents
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Changes, Customer, Gathered
from shared.events.decisions import Hold
from shared.events.vocabulary import Channel, Purpose, Segment


class Said(View):
    """What she granted or refused."""

    channel: Channel
    purpose: Purpose
    state: consents.Consent


class Side(View):
    """One customer, before or after. `identifiers`: kind → how many."""

    customer_id: UUID
    segment: Segment | None
    score: int | None
    responses: int
    last_answered_at: datetime | None
    identifiers: dict[str, int]
    consents: tuple[Said, ...]
    holds: tuple[Hold, ...]


class MergePreview(View):
    """What would come out; nothing was changed.

    `consents_differ`: one refused what the other granted; of them as one, the refusal stands.
    """

    action: Literal["merge", "unmerge"]
    before: tuple[Side, ...]
    after: tuple[Side, ...]
    consents_differ: bool


def preview(
    gathered: Gathered, changes: Changes, rulebook: Rulebook, now: datetime
) -> MergePreview:
    """Show what a command would change."""
    undoing = gathered.undoing
    gone = {one for one, _, _ in changes.aliases}
    before = _only(
        gathered.customers, {undoing.survivor_id} if undoing else set(gathered.customers)
    )
    after = _only(changes.customers, set(changes.customers) - gone)
    two = after if undoing else before
    return MergePreview(
        action="unmerge" if undoing else "merge",
        before=tuple(_side(customer, rulebook, now) for customer in before),
        after=tuple(_side(customer, rulebook, now) for customer in after),
        consents_differ=len(two) == 2 and merges.differ(two[0].profile, two[1].profile),
    )


def _only(customers: Mapping[UUID, Customer], wanted: Iterable[UUID]) -> list[Customer]:
    return [customers[customer_id] for customer_id in sorted(wanted)]


def _side(customer: Customer, rulebook: Rulebook, now: datetime) -> Side:
    profile = customer.profile
    found = found_view(customer.customer_id, profile, rulebook)
    return Side(
        customer_id=customer.customer_id,
        segment=found.segment,
        score=found.score,
        responses=len(profile.responses) + profile.forgotten.responses,
        last_answered_at=found.last_answered_at,
        identifiers=dict(Counter(name.partition(":")[0] for name in sorted(profile.identifiers))),
        consents=tuple(_said(profile)),
        holds=waits(profile, rulebook.policy, now).standing,
    )


def _said(profile: Profile) -> Iterator[Said]:
    for purpose in get_args(Purpose):
        for channel in get_args(Channel):
            state = consents.consent(profile, channel, purpose)
            if state != "unknown":
                yield Said(channel=channel, purpose=purpose, state=state)
