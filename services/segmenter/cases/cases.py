"""Cases: which ones count, when she is asked how it went, and what came of it. Pure.

A case of ours (`nps/…`) is opened by the policy with an answer. It stands for the helpdesk's own,
whose number nobody knows yet. Once the delivery that made the ticket tells it, both are one: the
helpdesk's steps are steps of ours. Else, once a step of a helpdesk's case names the same answer,
that case alone says how the problem stands. A case about an answer, once resolved, is asked about
some days later; the next score is then paired with that of the answer, if it had one, both as they
stand when corrected.
A case of ours about an answer that was corrected since, so that it would open none, is nobody's
problem: it holds nothing, nobody asks how it went, and nothing recovered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from services.segmenter.cases.urgent import asks, raised
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.segments import segment_of
from services.segmenter.profile.state import Case, Profile, Response
from shared.events import ids
from shared.events.feedback import TimerDue

OURS: Final = "nps/"
#: How long the question may be asked although the survey clocks would wait: the age at which a
#: reaction is wrong.
ASKABLE: Final = timedelta(hours=72)
#: Why no survey clock holds it.
EXEMPT: Final = "re-survey of a resolved case: the survey clocks do not hold it"


@dataclass(frozen=True, slots=True)
class Pair:
    """The score of the answer that a case was about, and the one given after it was resolved.

    `second` is None while she has not answered; `until` is when that stops to count.
    """

    case_id: str
    first: int
    second: int | None
    resolved_at: datetime
    until: datetime


def case_id_of(response: Response) -> str:
    """Name the case that an answer opens, in all its revisions."""
    return _case_id(response.source, response.survey, response.response_id)


# Asked three times for one decision: by what opens a case, what holds her, and what tells of it.
@lru_cache(maxsize=1024)
def _case_id(source: str, survey: str, response_id: str) -> str:
    return f"{OURS}{ids.case_of(ids.response_cause(source, survey, response_id))}"


def opened_event(case_id: str) -> UUID:
    """Name the event that tells of a case of ours, so that it happens once."""
    return ids.name_id("case.opened", case_id)


def subject(case_id: str) -> str:
    """Name a case to its timer."""
    return ids.content_hash(case_id)


def named(profile: Profile, case_id: str) -> str:
    """Name the case of a helpdesk's step: ours, where its ticket was made for that one."""
    ticket = profile.tickets.get(case_id)
    return case_id if ticket is None or ticket.case_id not in profile.cases else ticket.case_id


def known(profile: Profile) -> Mapping[str, Case]:
    """Lead from its id to every case; the steps of the ticket made for a case of ours are its."""
    if not profile.tickets:
        return profile.cases
    found: dict[str, Case] = {}
    for case_id, case in profile.cases.items():
        name = named(profile, case_id)
        found[name] = found[name].joined(case) if name in found else case
    return found


def reference(profile: Profile, case_id: str) -> str | None:
    """Tell the number of the ticket that was made for a case; of several the first."""
    made = [ticket for ticket in profile.tickets.values() if ticket.case_id == case_id]
    return min(made).reference if made else None


def counting(profile: Profile) -> Iterator[tuple[str, Case]]:
    """List the cases that say how things stand, without ours that a helpdesk took over."""
    if not profile.cases:  # nearly everybody; every decision asks some five times
        return
    found = known(profile)
    theirs = {case.answer for case_id, case in found.items() if not case_id.startswith(OURS)}
    theirs.discard(None)  # about no answer that we know of: none of ours is the same
    for case_id, case in found.items():
        if not (case_id.startswith(OURS) and case.answer in theirs):
            yield case_id, case


def holding(profile: Profile, policy: Policy) -> list[Case]:
    """List the cases for which she is left alone."""
    return [case for _, case in problems(profile, policy) if case.open]


def problems(profile: Profile, policy: Policy) -> Iterator[tuple[str, Case]]:
    """List the cases that are, or were, a problem of hers.

    Not one that the policy opened for an answer which she has corrected since: it would open none.
    """
    for case_id, case in counting(profile):
        if not corrected(profile, policy, case_id, case):
            yield case_id, case


def corrected(profile: Profile, policy: Policy, case_id: str, case: Case) -> bool:
    """Tell whether a case of ours would not be opened for its answer as it is now."""
    rule = policy.cases.open
    answer = profile.responses.get(case.answer or "")
    return (
        answer is not None
        and case_id == case_id_of(answer)
        and segment_of(answer, policy) not in rule.segments
        and not (rule.callback and asks(answer))
        and not (rule.escalations and _raised(answer, policy))
    )


def _raised(answer: Response, policy: Policy) -> bool:
    """Tell whether an answer raises a topic that opens a case."""
    return not set(policy.cases.open.escalations).isdisjoint(raised(answer, policy))


def pairs(profile: Profile, policy: Policy) -> Iterator[Pair]:
    """Pair the scores before and after each case that was resolved.

    Each is the score as it stands now: of a corrected answer the corrected one.
    """
    days = policy.cases.resurvey_after_days
    if not profile.cases:
        return
    scored = {response.identity: response for response in profile.scored}
    for case_id, case in counting(profile):
        first = scored.get(case.answer or "")
        if case.open or first is None or first.score is None or not days:
            continue
        until = case.at + policy.cases.paired
        second = next((r for r in profile.scored if case.at < r.answered_at <= until), None)
        yield Pair(case_id, first.score, second.score if second else None, case.at, until)


def resurveys(profile: Profile, policy: Policy) -> dict[str, datetime]:
    """Tell for each resolved case when she is asked how it went: not if she answered since.

    About whichever answer of hers it is: what she wrote without a score was a problem, too, and no
    other question would tell whether it is one still. Of several the last resolved only: one
    question answers for all.
    """
    days = timedelta(days=policy.cases.resurvey_after_days)
    if not days or not profile.cases or holding(profile, policy):
        return {}
    found = [
        (case.at, case_id)
        for case_id, case in problems(profile, policy)
        if case.answer in profile.responses and not _answered_since(profile, case.at)
    ]
    return {case_id: at + days for at, case_id in [max(found)]} if found else {}


def asked_about(profile: Profile, due: TimerDue) -> Response | None:
    """Name the answer that the case of a due re-survey is about."""
    answers = (
        case.answer for case_id, case in counting(profile) if subject(case_id) == due.subject
    )
    return profile.responses.get(next(answers, None) or "")


def askable(profile: Profile, policy: Policy, now: datetime) -> bool:
    """Tell whether the question after a case is due and not asked yet: no survey clock holds it."""
    return exempt_until(profile, policy, now) is not None


def exempt_until(profile: Profile, policy: Policy, now: datetime) -> datetime | None:
    """Tell when the survey clocks hold again the question that is due now; None: none is."""
    ends = (
        due + ASKABLE
        for due in resurveys(profile, policy).values()
        if due <= now < due + ASKABLE and not _asked_since(profile, due)
    )
    return max(ends, default=None)


def lifted(profile: Profile, policy: Policy, now: datetime) -> frozenset[str]:
    """List the rules that do not hold a survey now, because it asks how her case went."""
    return frozenset(policy.cases.resurvey_exempt_from if askable(profile, policy, now) else ())


def recovered_from(profile: Profile, policy: Policy) -> int | None:
    """Tell the score before the case, if her newest answer is the one after it."""
    newest = profile.scored[-1] if profile.scored else None
    found = [
        pair
        for pair in _of_problems(profile, policy)
        if newest is not None
        and pair.second is not None
        and pair.resolved_at < newest.answered_at <= pair.until
    ]
    # Helpdesks often know seconds only: of two resolved in one the id decides, as everywhere.
    return max(found, key=lambda pair: (pair.resolved_at, pair.case_id)).first if found else None


def _of_problems(profile: Profile, policy: Policy) -> Iterator[Pair]:
    real = {case_id for case_id, _ in problems(profile, policy)}
    return (pair for pair in pairs(profile, policy) if pair.case_id in real)


def _answered_since(profile: Profile, at: datetime) -> bool:
    return any(response.answered_at > at for response in profile.scored)


def _asked_since(profile: Profile, at: datetime) -> bool:
    ours = profile.own.values()
    return any(contact.contact_class == "survey" and contact.at >= at for contact in ours)
