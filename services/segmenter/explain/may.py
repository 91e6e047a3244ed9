"""What may be done with her now: permits, holds, survey clocks, budgets. Pure.

In: her profile and a decision as of now. Out: points, in the order in which the rules are asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from services.segmenter.decide import clocks
from services.segmenter.decide.budgets import counts, reach
from services.segmenter.decide.echoes import foreign
from services.segmenter.decide.permits import PermitCode, answer
from services.segmenter.eligibility import eligibility
from services.segmenter.explain.say import Count, Point, Said, Term
from services.segmenter.policy.budgets import BudgetRule, CalendarRule
from services.segmenter.policy.permits import PermitRule
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.bounces import channel_closed_since
from services.segmenter.profile.consents import deciding
from services.segmenter.profile.state import Profile
from shared.events.decisions import CustomerDecided, Hold
from shared.events.vocabulary import Channel, ContactClass

#: How many days a rule's hold lasts, for its sentence; a rule without days is not here.
DAYS: Final[Mapping[str, Callable[[Policy], int]]] = {
    "survey_family": lambda policy: next(
        (one.days for one in policy.clocks.families if one.name == policy.clocks.general), 0
    ),
    "any_survey": lambda policy: policy.clocks.any_survey.days,
    "after_contact": lambda policy: policy.clocks.after_contact_days,
    "new_customer": lambda policy: policy.clocks.new_customer_days,
    "marketing_rest": lambda policy: policy.rests.marketing_after_detractor_days,
    "open_case": lambda policy: policy.rests.open_case_days,
    "complaint": lambda policy: policy.escalations.complaint_hold_days,
}


def permits(profile: Profile, policy: Policy) -> Iterator[Point]:
    """Tell for each class which channels are open, and which are not, by whose word."""
    for contact_class, rule in policy.permits.items():
        told: list[tuple[Point, list[Channel]]] = []
        for channel in rule.channels:
            point = _permit(profile, contact_class, channel, rule)
            known = next((channels for one, channels in told if one == point), None)
            if known is None:
                told.append((point, [channel]))
            else:
                known.append(channel)
        for point, channels in told:
            names = tuple(Term("channel", channel) for channel in channels)
            yield Point(point.code, {**point.values, "channels": names})


def _permit(
    profile: Profile, contact_class: ContactClass, channel: Channel, rule: PermitRule
) -> Point:
    allowed, code = answer(profile, channel, rule)
    values: dict[str, Said] = {"class": Term("class", contact_class)}
    if allowed:
        return Point("permit.open", {**values, "basis": rule.basis})
    since = channel_closed_since(profile, channel) if code == "bounced" else None
    if since is not None:
        return Point("permit.bounced", {**values, "since": since})
    if code == "refused" and rule.purpose is not None:
        said = deciding(profile, channel, rule.purpose)
        if said is not None and said.source is not None:
            word: dict[str, Said] = {"since": said.said_at, "source": said.source}
            return Point("permit.refused", {**values, **word})
        return Point("permit.refused_somewhere", values)
    return Point(f"permit.{_closed(code)}", values)


def _closed(code: PermitCode) -> PermitCode:
    return "not_asked_for" if code == "not_asked_for" else "unknown"


def holds(decided: CustomerDecided, policy: Policy) -> Iterator[Point]:
    """Tell the holds that stand, in the order asked."""
    for hold in decided.holds:
        yield _hold(f"hold.{hold.rule}", hold, policy)
    if exempt(decided):
        yield Point("hold.exempt")
    if not decided.holds:
        yield Point("hold.none")


def _hold(code: str, hold: Hold, policy: Policy) -> Point:
    classes = tuple(Term("class", one) for one in hold.classes)
    values: dict[str, Said] = {"classes": classes, "until": hold.until}
    if hold.rule in DAYS:
        values["days"] = Count(DAYS[hold.rule](policy), "day")
    if hold.rule == "survey_family":
        values["family"] = Term("family", policy.clocks.general or "")
    return Point(code, values, at=hold.until)


def exempt(decided: CustomerDecided) -> bool:
    """Tell whether the question after a case may be asked although the clocks would wait."""
    return any((line.rule, line.outcome) == ("resurvey", "exempt") for line in decided.trace)


def survey_clocks(profile: Profile, policy: Policy, now: datetime) -> Iterator[Point]:
    """Tell of every rule that holds surveys: until when it does, or since when it is free."""
    for rule, hold in clocks.asked(profile, policy).items():
        values: dict[str, Said] = {"rule": Term("rule", rule)}
        if hold is None:
            if rule != clocks.marketing_rest.__name__:
                yield Point("clock.free", values)
        elif "survey" in hold.classes:
            code = "clock.held" if now < hold.until else "clock.over"
            yield Point(code, values, at=hold.until)


def surveys(
    profile: Profile,
    asked: Iterable[eligibility.Asked],
    policy: Policy,
    now: datetime,
) -> Iterator[Point]:
    """Tell of each survey whether she may be asked it now, why not, and when next."""
    for one in asked:
        verdict = eligibility.judge(profile, one, policy, now)
        values: dict[str, Said] = {"survey": one.survey}
        if not verdict.refusals:
            yield Point("survey.may", values)
            continue
        yield Point("survey.may_not", values)
        for refusal in verdict.refusals:
            rule = Term("rule", refusal.rule)
            if refusal.until is None:
                yield Point("survey.refused", {"rule": rule})
            else:
                yield Point("survey.waits", {"rule": rule}, at=refusal.until)
        if verdict.next_at is None:
            yield Point("survey.not_by_time", values)
        else:
            yield Point("survey.next", values, at=verdict.next_at)


def budgets(decided: CustomerDecided, profile: Profile, policy: Policy) -> Iterator[Point]:
    """Tell every budget, and what of it is used up as far as it is known here."""
    for rule in policy.budgets:
        used = used_up(rule, profile, decided.zone, decided.decided_at)
        code = "budget.full" if used >= rule.limit else "budget.room"
        yield Point(
            code,
            {
                "budget": rule.name,
                "limit": Count(rule.limit, "contact"),
                "classes": tuple(Term("class", one) for one in rule.classes),
                "channels": _channels(rule.channels),
                "scope": Term("scope", rule.scope),
                "window": _window(rule),
                "used": used,
            },
        )


def used_up(rule: BudgetRule, profile: Profile, zone: str, now: datetime) -> int:
    """Count her contacts, ours and others', that lie in a budget's window as of `now`."""
    since = reach(rule, zone, now)
    contacts = (*profile.own.values(), *foreign(profile))
    return sum(counts(rule, contact, since) and contact.at <= now for contact in contacts)


def _channels(channels: Sequence[Channel] | None) -> Said:
    if channels is None:
        return Term("channel", "all")
    return tuple(Term("channel", channel) for channel in channels)


def _window(rule: BudgetRule) -> Said:
    if isinstance(rule.window, CalendarRule):
        return Term("window", rule.window.unit)
    return Count(rule.window.hours, "hour")
