"""Several profile pushes in one request: who goes into it, and what its answer says of each. Pure.

In: pushes and a preset's `batch`. Out: groups that fit one request; of a good answer, the verdicts
of those that failed alone. What the platform says of all of them at once is `exchange`'s to read.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx
import orjson

from services.dispatcher.calls.calls import Partly, ProfilePush, Shown, Verdict
from services.dispatcher.platforms import render
from services.dispatcher.platforms.deals import Account, Deal, Names, push_deal
from services.dispatcher.platforms.operation import Batch, Failures, Operation
from services.dispatcher.platforms.pick import parse, pick
from services.dispatcher.platforms.render import Unrenderable
from shared.times import iso


@dataclass(frozen=True, slots=True)
class Member:
    """One push of those asked for, by its place, as the platform will read it.

    `body` is None where it cannot go with others: what speaks against it is told of it alone.
    """

    place: int
    push: ProfilePush
    names: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


def gathered(
    account: Account,
    names: Names,
    batch: Batch | None,
    pushes: Sequence[ProfilePush],
    *,
    now: datetime,
) -> list[list[Member]]:
    """Put pushes together that fit one request, in their order; without a batch each is alone."""
    if batch is None:
        return [[Member(place, push)] for place, push in enumerate(pushes)]
    return groups(
        batch, [_member(account, names, batch, asked, now=now) for asked in enumerate(pushes)]
    )


def _member(
    account: Account, names: Names, batch: Batch, asked: tuple[int, ProfilePush], *, now: datetime
) -> Member:
    place, push = asked
    deal = push_deal(account, names, push, now=now)
    if isinstance(deal, Verdict):
        return Member(place, push)
    if any(not deal.names.get(kind) for kind in deal.operation.step(batch.step).needs):
        return Member(place, push)
    try:
        return Member(place, push, deal.names, render.body(batch.item, deal.names))
    except Unrenderable:
        return Member(place, push)


def groups(batch: Batch, found: Sequence[Member]) -> list[list[Member]]:
    """Put members together that fit one request by number and by bytes, keeping their order."""
    made: list[list[Member]] = []
    left = 0
    for member in found:
        weight = len(member.body or b"") + 1
        fits = made and member.body is not None and weight <= left
        if not fits or len(made[-1]) == batch.max_items:
            made.append([])
            # What is around the list is the same few bytes whatever is in it.
            left = batch.max_bytes - _AROUND
        made[-1].append(member)
        left = 0 if member.body is None else left - weight
    return made


#: Statuses of what was done.
_GOOD = re.compile(r"2\d\d")
#: Bytes that a body has beside its items, with plenty to spare.
_AROUND = 512


def batch_deal(
    account: Account, operation: Operation, group: Sequence[Member], *, now: datetime
) -> Deal:
    """Put a group into the names of its one request."""
    items = [orjson.Fragment(member.body) for member in group if member.body is not None]
    return Deal(
        operation=operation,
        names={**account.vars, "sent_at": iso(now), "items": items},
        acts=False,
        keyed=True,
        # Nothing that is signed goes in batches, so nobody reads it.
        message_id="",
        members=tuple(member.names for member in group),
    )


def partly(
    failures: Failures,
    response: httpx.Response,
    asked: Sequence[Mapping[str, Any]],
    success: Verdict,
    *,
    step: str,
) -> Verdict:
    """Read a good answer: `success` where all were taken, else which were not.

    A failure that names none of them refuses the whole: who it was shows when they are fewer.
    """
    told = pick(parse(response.content), failures.items)
    listed = told if isinstance(told, list) else []
    found: dict[int, Verdict] = {}
    if failures.status is not None:
        if len(listed) != len(asked):
            return Verdict("reject", f"{step}: the answer does not tell of each of the batch")
        failed = [n for n, one in enumerate(listed) if not _taken(failures.status, one)]
        found = {n: _verdict(failures, listed[n]) for n in failed}
        return Partly(success.outcome, success.reason, own=found) if found else success
    for failure in listed:
        places = _places(failures, failure, asked)
        if not places:
            return Verdict("reject", f"{step}: something of the batch was refused")
        found.update(dict.fromkeys(places, _verdict(failures, failure)))
    if not found:
        return success
    return Partly(success.outcome, success.reason, own=found)


def with_shown(verdict: Verdict, success: Verdict, seen: Sequence[Shown | None]) -> Verdict:
    """Add what a good answer shows of each one's consent, in her place: to her own verdict."""
    own = dict(verdict.own) if isinstance(verdict, Partly) else {}
    shown = {place: one for place, one in enumerate(seen) if one is not None}
    own |= {n: replace(own.get(n, success), shown=one) for n, one in shown.items()}
    return Partly(success.outcome, success.reason, own=own) if own else success


def _taken(status: str, told: object) -> bool:
    """Tell whether what is told of one item, in its place, says that it was taken."""
    said = pick(told, status)
    return told is not None and (said is None or _GOOD.fullmatch(str(said)) is not None)


def _places(
    failures: Failures, failure: object, asked: Sequence[Mapping[str, Any]]
) -> tuple[int, ...]:
    if failures.index is not None:
        at = pick(failure, failures.index)
        good = isinstance(at, int) and not isinstance(at, bool) and 0 <= at < len(asked)
        return (at,) if good else ()
    said = {name: _texts(pick(failure, path)) for name, path in failures.names.items()}
    return tuple(
        place
        for place, names in enumerate(asked)
        if any(str(names.get(name)) in texts for name, texts in said.items())
    )


def _texts(said: object) -> frozenset[str]:
    items = said if isinstance(said, list) else [said]
    return frozenset(str(item) for item in items if item is not None)


def _verdict(failures: Failures, failure: object) -> Verdict:
    for rule in failures.rules:
        if str(pick(failure, rule.path)) in rule.values:
            return Verdict(rule.then, rule.reason)
    return Verdict("reject", failures.otherwise)
