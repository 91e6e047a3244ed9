"""Folding facts into a profile. Pure.

`step` adds one fact, `rebuild` folds from nothing, and they agree whatever the order: every part of
a profile is a join. What is stored is trimmed; where a fact could touch what was left out, `step`
says None and the caller rebuilds from all facts.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import reduce
from typing import Any, Final, TypeVar

from services.segmenter.profile.facts import Fact
from services.segmenter.profile.joining import add, ask
from services.segmenter.profile.state import (
    Contact,
    Forgotten,
    Profile,
    Response,
)
from shared.events import feedback, outcomes

#: How much a stored profile keeps: far above what a person answers or is sent in the longest window
#: of a policy, far below what would make one row slow.
KEPT_RESPONSES: Final = 100
KEPT_CONTACTS: Final = 200
KEPT_CASES: Final = 100

_T = TypeVar("_T")


def step(profile: Profile, fact: Fact) -> Profile | None:
    """Add one fact; None: only `rebuild` knows, because the profile was trimmed."""
    data = fact.data
    if profile.forgotten.responses and isinstance(data, feedback.ResponseReceived):
        return None
    if profile.forgotten.deliveries and isinstance(data, outcomes.DeliverySettled):
        return None
    if profile.forgotten.cases and isinstance(data, feedback.CaseStep):
        return None
    return add(profile, fact)


def rebuild(facts: Iterable[Fact]) -> Profile:
    """Fold all facts of a customer, untrimmed."""
    return reduce(add, facts, Profile())


def trim(profile: Profile) -> Profile:
    """Leave out what is too old to matter, keeping count of it."""
    reported = _newest(profile.reported, KEPT_CONTACTS, _at)
    own = _newest(profile.own, KEPT_CONTACTS, _at)
    if len(own) < len(profile.own):
        forgotten = replace(profile.forgotten, deliveries=True)
        profile = replace(profile, own=own, forgotten=forgotten)
    if len(reported) < len(profile.reported):
        profile = replace(profile, reported=reported)
    if len(profile.tickets) > KEPT_CASES:
        tickets = _newest(profile.tickets, KEPT_CASES, lambda ticket: ticket.at)
        forgotten = replace(profile.forgotten, deliveries=True)
        profile = replace(profile, tickets=tickets, forgotten=forgotten)
    if len(profile.cases) > KEPT_CASES:
        cases = _newest(profile.cases, KEPT_CASES, lambda case: case.rank)
        forgotten = replace(profile.forgotten, cases=True)
        profile = replace(profile, cases=cases, forgotten=forgotten)
    # Of these only the last is kept for each name, so an older one told later changes nothing.
    if len(profile.completed) > KEPT_CASES:
        profile = replace(profile, completed=_newest(profile.completed, KEPT_CASES, lambda at: at))
    if len(profile.responses) <= KEPT_RESPONSES:
        return profile
    ordered = sorted(profile.responses.values(), key=lambda response: response.place)
    old, kept = ordered[:-KEPT_RESPONSES], ordered[-KEPT_RESPONSES:]
    asked = profile.asked
    for response in old:
        asked = ask(asked, response.survey, "answered", response.answered_at)
    return replace(
        profile,
        responses={response.identity: response for response in kept},
        asked=asked,
        forgotten=_forget(profile.forgotten, old),
    )


def _forget(forgotten: Forgotten, old: list[Response]) -> Forgotten:
    scored = [response.answered_at for response in old if response.score is not None]
    firsts = [at for at in (forgotten.first_answered_at, *scored) if at is not None]
    return replace(
        forgotten,
        responses=forgotten.responses + len(old),
        scored=forgotten.scored + len(scored),
        first_answered_at=min(firsts, default=None),
    )


def _at(contact: Contact) -> datetime:
    return contact.at


def _newest(found: dict[str, _T], most: int, place: Callable[[_T], Any]) -> dict[str, _T]:
    if len(found) <= most:
        return found
    ordered = sorted(found.items(), key=lambda item: (place(item[1]), item[0]))
    return dict(ordered[-most:])
