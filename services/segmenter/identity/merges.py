"""Making several customers one, and keeping two apart. Pure.

In: customers with their profiles, what is known about who is somebody else, a person's command.
Out: who is merged and who is left out, the survivor, the causes that go with her who leaves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

from services.segmenter.identity.identity import Candidate, survivor
from services.segmenter.policy.merges import Merges
from services.segmenter.profile.consents import consent
from services.segmenter.profile.facts import Fact, Key, whole
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events import feedback, ids
from shared.events.decisions import Cause, CustomerMerged, CustomerUnmerged, TraceLine
from shared.events.vocabulary import Channel, Purpose

#: Why two customers are not merged: a person undid it, or the policy refuses.
Reason = Literal["person", "consent"]
#: Customers of whom it is known that they are not to be merged, as they are called now.
Apart = Mapping[frozenset[UUID], Reason]

#: An event must fit one record of the bus; only of what was said lately does anything still wait.
_MOST_CAUSES: Final = 1000
_INSTANT: Final = timedelta(microseconds=1)
_WHY: Final[Mapping[Reason, str]] = {
    "person": "a person said that they are two",
    "consent": "one refused what the other granted, and the policy merges nobody then",
}


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks for: merging two customers, or undoing it."""

    event_id: UUID
    data: feedback.MergeCommand


@dataclass(frozen=True, slots=True)
class Undoing:
    """A merge to be undone. `members` are all who become `customer_id` again, she among them."""

    customer_id: UUID
    survivor_id: UUID
    members: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A customer that an event names beside the one it is kept with."""

    customer_id: UUID
    other_id: UUID
    reason: Reason
    event_id: UUID


def moment(now: datetime, latest: datetime | None) -> datetime:
    """Tell when a merge or its undoing counts: later than everything told of it before.

    Readers let the latest moment win, and two replicas' clocks differ a little.
    """
    return now if latest is None else max(now, latest + _INSTANT)


def differ(one: Profile, other: Profile) -> bool:
    """Tell whether one refused what the other granted, on any channel, for any purpose."""
    return any(
        {consent(one, channel, purpose), consent(other, channel, purpose)} == {"granted", "refused"}
        for purpose in get_args(Purpose)
        for channel in get_args(Channel)
    )


def joined(
    linked: Sequence[UUID], apart: Apart, profiles: Mapping[UUID, Profile], policy: Merges
) -> tuple[tuple[UUID, ...], dict[UUID, Reason]]:
    """Choose among the customers that an event names: who becomes one, and who is left out, why.

    The first one is whose event it is; each other joins unless she is apart from any who did.
    """
    together = [linked[0]]
    left: dict[UUID, Reason] = {}
    for customer_id in linked[1:]:
        reason = next(
            (
                found
                for one in together
                if (found := _apart(one, customer_id, apart, profiles, policy)) is not None
            ),
            None,
        )
        if reason is None:
            together.append(customer_id)
        else:
            left[customer_id] = reason
    return tuple(together), left


def _apart(
    one: UUID, other: UUID, apart: Apart, profiles: Mapping[UUID, Profile], policy: Merges
) -> Reason | None:
    if apart.get(frozenset((one, other))) == "person":
        return "person"
    # Of somebody without a personal identifier nobody was ever told, and nobody can be asked.
    both_known = profiles[one].known and profiles[other].known
    if policy.consent == "refuse" and both_known and differ(profiles[one], profiles[other]):
        return "consent"
    return None


def by_number(
    linked: Iterable[UUID], hers: Iterable[UUID], known: Mapping[UUID, bool]
) -> tuple[UUID, ...]:
    """Choose whom a delivery makes one of those it names; `hers` are the customers it is about.

    A ticket's number alone links only to steps of which nobody knew whose they are: what a platform
    answers as a number may be the same for everybody.
    """
    about = set(hers)
    return tuple(one for one in dict.fromkeys(linked) if one in about or not known[one])


def own(fact: Fact, owners: Mapping[Key, UUID], customer_id: UUID) -> Fact:
    """Leave out the keys of a fact that are somebody else's: they are no address of hers.

    `owners` leads from a key to the customer it belongs to now. One that it lacks was of somebody
    who is forgotten: it becomes nobody's.
    """
    keys = tuple(key for key in fact.keys if owners.get(key) == customer_id)
    return fact if len(keys) == len(fact.keys) else replace(fact, keys=keys)


def renamed(apart: Apart, gone: UUID, kept: UUID) -> Apart:
    """Let what was known of a customer merged away hold for the survivor."""
    found: dict[frozenset[UUID], Reason] = {}
    for pair, reason in apart.items():
        now = frozenset(kept if one == gone else one for one in pair)
        # Said by a person it stands, whatever the policy said of her other part.
        if len(now) == 2 and found.get(now) != "person":
            found[now] = reason
    return found


def kept_of(candidates: Iterable[tuple[UUID, Profile, datetime]]) -> UUID:
    """Choose whose id stays among (id, profile, made at)."""
    return survivor(Candidate(id_, profile.known, at) for id_, profile, at in candidates)


def united(
    kept: UUID,
    facts: dict[UUID, list[Fact]],
    gone: Iterable[UUID],
    owners: Mapping[Key, UUID],
) -> Profile:
    """Put the facts of those merged away to the survivor's, and fold them all.

    `owners` leads from a key to whose it is now; empty: nobody was kept apart. Who was had only her
    own keys of what named both: now all of these are hers.
    """
    for customer_id in gone:
        facts[kept].extend(facts.pop(customer_id))
    if owners:
        facts[kept] = [own(whole(fact), owners, kept) for fact in facts[kept]]
    return rebuild(facts[kept])


def left_lines(left: Mapping[UUID, Reason]) -> tuple[TraceLine, ...]:
    """Tell of an event that names others why they were not merged."""
    return tuple(
        TraceLine(
            rule="identity",
            outcome="kept apart",
            reason=f"the event names another customer, too: {_WHY[reason]}",
        )
        for reason in sorted(set(left.values()))
    )


def cause_of(command: Command) -> Cause:
    """Tell the cause of a command. Nobody reacts to a merge undone."""
    merge = isinstance(command.data, feedback.MergeRequested)
    return Cause(
        id=ids.event_cause(command.event_id),
        kind="merge",
        triggers=("merged",) if merge else (),
        deadline_from=command.data.asked_at,
    )


def command_lines(command: Command) -> tuple[TraceLine, ...]:
    """Tell who asked for it."""
    outcome = "merged" if isinstance(command.data, feedback.MergeRequested) else "merge undone"
    reason = f"asked for by {command.data.asked_by}"
    return (TraceLine(rule="identity", outcome=outcome, reason=reason),)


def told_id(told: CustomerMerged | CustomerUnmerged, event_id: UUID) -> UUID:
    """Name what is told of a merge or its undoing; told beside either decision it is the same."""
    if isinstance(told, CustomerMerged):
        return ids.name_id(told.TYPE, told.customer_id, told.merged_id, event_id)
    return ids.name_id(told.TYPE, told.customer_id, told.survivor_id, told.unmerged_at)


def reply_id(command_id: UUID, customer_id: UUID) -> UUID:
    """Name the second decision of an undoing: the one about her who is somebody of her own."""
    return ids.name_id("customer.unmerged", command_id, customer_id)


def causes(facts: Iterable[Fact]) -> tuple[UUID, ...]:
    """List the causes of facts, the newest last; at most 1 000."""
    found: dict[UUID, None] = {}
    for fact in sorted(facts, key=lambda one: (one.received_at, one.event_id)):
        found[_cause(fact)] = None
    return tuple(found)[-_MOST_CAUSES:]


def _cause(fact: Fact) -> UUID:
    data = fact.data
    if isinstance(data, feedback.ResponseReceived):
        return ids.response_cause(data.source, data.survey, data.response_id)
    if isinstance(data, feedback.CaseStep):
        return ids.case_cause(data.case_id)
    return ids.event_cause(fact.event_id)
