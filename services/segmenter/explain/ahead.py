"""What happens next if nothing else does: dated points. Pure.

In: her profile, the rulebook, the time. Out: what changes, moment by moment. `now` is moved from
one moment worth a look to the next, and at each the rules that decide are asked again; what differs
from the moment before is told. Which moments are worth a look follows from her facts and the
policy's numbers; one too many costs a look and says nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.segmenter.cases import cases
from services.segmenter.cases.opening import due_at
from services.segmenter.decide import clocks, moments
from services.segmenter.decide.budgets import reach
from services.segmenter.decide.clocks import CUSTOMER_SINCE, moment
from services.segmenter.decide.decide import Rulebook
from services.segmenter.decide.echoes import foreign
from services.segmenter.decide.lifecycle import last_order
from services.segmenter.decide.looking import look
from services.segmenter.eligibility import eligibility
from services.segmenter.explain.may import exempt, used_up
from services.segmenter.explain.say import Count, Point, Said, Term
from services.segmenter.policy.budgets import CalendarRule
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import believed
from services.segmenter.profile.state import Profile
from shared.events.decisions import CustomerDecided, Hold

#: Looks at most (1 ms each, in which nobody else of the process has a turn): more than there are
#: moments ahead of nearly everybody.
_MOST: Final = 100
#: A window that ends with a moment is over just after it.
_JUST_AFTER: Final = timedelta(microseconds=1)
#: In so many days every calendar window of a budget has begun anew.
_LONGEST_WINDOW: Final = 32


@dataclass(frozen=True, slots=True)
class _Seen:
    """How things stand at one moment."""

    decided: CustomerDecided
    holds: tuple[Hold, ...]
    may_be_asked: bool
    full: frozenset[str]


def what_next(
    profile: Profile, rulebook: Rulebook, now: datetime, *, customer_id: UUID, version: int = 0
) -> Iterator[Point]:
    """Tell what time alone brings, in order; the last point says that nothing more does."""

    def seen(at: datetime) -> _Seen:
        decided = look(profile, rulebook, at, customer_id=customer_id, version=version)
        return _seen(profile, rulebook.policy, decided, at)

    policy = rulebook.policy
    before, last = seen(now), now
    coming = sorted(_worth_a_look(profile, policy, before, now))
    for at in coming[:_MOST]:
        after = seen(at + _JUST_AFTER)
        told = [
            *_rung(profile, policy, at),
            *_ended(before, after, at),
            *_changed(before, after, at),
        ]
        yield from told
        before = after
        last = at if told else last
    if len(coming) > _MOST:
        yield Point("next.more", at=last)
    else:
        yield Point("next.nothing", at=last)


def _seen(profile: Profile, policy: Policy, decided: CustomerDecided, at: datetime) -> _Seen:
    general = next((f for f in policy.clocks.families if f.name == policy.clocks.general), None)
    asked = eligibility.Asked(survey="", family=general, who=str(decided.customer_id))
    return _Seen(
        decided=decided,
        holds=clocks.standing(clocks.holds(profile, policy), at),
        may_be_asked=not eligibility.judge(profile, asked, policy, at).refusals,
        full=frozenset(
            rule.name
            for rule in policy.budgets
            if used_up(rule, profile, decided.zone, at) >= rule.limit
        ),
    )


def _rung(profile: Profile, policy: Policy, at: datetime) -> Iterator[Point]:
    """Tell the timers that ring then, and by when somebody should have called."""
    for (kind, _), due in sorted(moments.ahead(profile, policy, at).items()):
        # What ends, and what she becomes, is told by what differs then.
        if due == at and kind not in (moments.HOLD_END, *moments.AGED):
            yield Point(f"timer.{kind}", at=at)
    for _, case in cases.counting(profile):
        if case.open and due_at(case.opened_at, policy.cases) == at:
            yield Point("next.case_due", at=at)


def _ended(before: _Seen, after: _Seen, at: datetime) -> Iterator[Point]:
    standing = {hold.rule for hold in after.holds}
    for hold in before.holds:
        if hold.rule not in standing:
            classes = tuple(Term("class", one) for one in hold.classes)
            values: dict[str, Said] = {"rule": Term("rule", hold.rule), "classes": classes}
            yield Point(f"timer.{moments.HOLD_END}", values, at=at)


def _changed(before: _Seen, after: _Seen, at: datetime) -> Iterator[Point]:
    was, now = before.decided.snapshot, after.decided.snapshot
    if exempt(before.decided) and not exempt(after.decided):
        yield Point("next.exemption_over", at=at)
    if after.may_be_asked and not before.may_be_asked:
        yield Point("next.may_be_asked", at=at)
    if was.lifecycle != now.lifecycle:
        values: dict[str, Said] = {
            "before": Term("lifecycle", was.lifecycle or "unknown"),
            "after": Term("lifecycle", now.lifecycle or "unknown"),
        }
        yield Point("next.lifecycle", values, at=at)
    if was.maturity is not None and now.maturity is not None and was.maturity != now.maturity:
        points = Count(now.maturity.points, "point")
        code = "next.mature" if now.maturity.ready else "next.not_mature"
        if was.maturity.ready == now.maturity.ready:
            code = "next.maturity"
        yield Point(code, {"points": points}, at=at)
    if was.fatigue_threshold != now.fatigue_threshold:
        messages = Count(now.fatigue_threshold or 0, "message")
        yield Point("next.bears", {"messages": messages}, at=at)
    for name in sorted(before.full - after.full):
        yield Point("next.budget", {"budget": name}, at=at)


def _worth_a_look(profile: Profile, policy: Policy, seen: _Seen, now: datetime) -> set[datetime]:
    """List the moments after `now` at which something may change."""
    found = set(moments.ahead(profile, policy, now).values())
    found |= {hold.until for hold in clocks.holds(profile, policy)}
    found |= {due + cases.ASKABLE for due in cases.resurveys(profile, policy).values()}
    found |= {due_at(case.opened_at, policy.cases) for _, case in cases.counting(profile)}
    found |= set(_ages(profile, policy))
    found |= set(_windows(profile, policy, seen.decided.zone, now))
    return {at for at in found if at > now}


def _ages(profile: Profile, policy: Policy) -> Iterator[datetime]:
    """List when something known grows older than lifecycle and maturity look back."""
    life, gates, answers = policy.lifecycle, policy.maturity.gates, policy.maturity.answers
    since = moment(believed(profile, policy, CUSTOMER_SINCE))
    order = last_order(profile, policy)
    if order is not None:
        yield from _later([order], life.active_days, life.sleeping_days)
    if since is not None:
        # The first moment of the last day, too: the days of a tenure are whole ones.
        yield from _later([since], life.active_days, policy.maturity.tenure.days)
    told = [response.answered_at for response in profile.responses.values()]
    contacts = [c.at for c in (*profile.own.values(), *profile.reported.values())]
    met = max((*told, *contacts, *profile.completed.values()), default=None)
    if met is not None:
        yield met + timedelta(days=life.hot_days)
    yield from _later(told, gates.detractor_days, answers.days)
    closed = [case.at for _, case in cases.counting(profile) if not case.open]
    yield from _later(closed, gates.closed_case_days)


def _later(starts: Iterable[datetime], *days: int) -> Iterator[datetime]:
    for at in starts:
        yield from (at + timedelta(days=number) for number in days)


def _windows(profile: Profile, policy: Policy, zone: str, now: datetime) -> Iterator[datetime]:
    """List when a contact leaves a budget's window, or the window begins anew."""
    contacts = [c.at for c in (*profile.own.values(), *foreign(profile))]
    for rule in policy.budgets:
        if not isinstance(rule.window, CalendarRule):
            yield from (at + timedelta(hours=rule.window.hours) for at in contacts)
            continue
        begins = (
            reach(rule, zone, now + timedelta(days=day)) for day in range(1, _LONGEST_WINDOW + 1)
        )
        following = [at for at in begins if at > now]
        if contacts and following:
            yield min(following)
