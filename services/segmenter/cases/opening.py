"""The case of a decision: which answer opens one, and by when somebody must call. Pure.

In: the decision's cause and snapshot, the profile, the policy. Out: what the decision says of a
case, and the event by which one that is opened here becomes a fact like a helpdesk's.
"""

from datetime import datetime, timedelta
from typing import Final

from services.segmenter.cases import cases
from services.segmenter.cases.urgent import cause_id, telling
from services.segmenter.cases.workdays import later
from services.segmenter.policy.cases import Cases, Opening
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Profile, Response
from shared.events.decisions import Cause, CustomerDecided, DecidedCase, Snapshot
from shared.events.envelope import Event
from shared.events.feedback import CaseOpened, CaseStep, ResponseLink, TimerDue

_SOURCE: Final = "nps/segmenter"


def of_answer(
    cause: Cause, seen: Snapshot, after: Profile, policy: Policy, now: datetime
) -> DecidedCase | None:
    """Tell the case that an answer opens, or opened when it was first told.

    The newest by all of the rule; one without a score, or an older one, by what is urgent in it, if
    somebody can still be in time.
    """
    response = _reacted_to(cause, after)
    if response is None:
        return None
    case_id = cases.case_id_of(response)
    known = cases.known(after).get(case_id)
    if known is not None:
        return (
            told(after, case_id, known.opened_at, policy, "opened before") if known.open else None
        )
    if any(case.answer == response.identity for case in after.cases.values()):
        return None  # a helpdesk was faster
    scored = bool(after.scored) and response is after.scored[-1]
    reason = reason_to_open(seen, policy.cases.open, scored=scored)
    if reason is None:
        return None
    case = told(after, case_id, response.answered_at, policy, reason)
    return case if scored or now < case.due_at else None


def of_step(data: CaseStep, after: Profile, policy: Policy) -> DecidedCase | None:
    """Tell the case whose step an event is."""
    case_id = cases.named(after, data.case_id)
    case = cases.known(after).get(case_id)
    if case is None:
        return None
    return told(after, case_id, case.opened_at, policy, data.TYPE.removeprefix("case."))


def of_resurvey(due: TimerDue, after: Profile, policy: Policy) -> DecidedCase | None:
    """Tell the case about which she is asked."""
    return next(
        (
            told(after, case_id, case.opened_at, policy, "resolved: she is asked how it went")
            for case_id, case in cases.counting(after)
            if cases.subject(case_id) == due.subject
        ),
        None,
    )


def told(
    profile: Profile, case_id: str, opened_at: datetime, policy: Policy, reason: str
) -> DecidedCase:
    """Build what a decision says of a case."""
    return DecidedCase(
        case_id=case_id,
        opened_at=opened_at,
        due_at=due_at(opened_at, policy.cases),
        reason=reason,
        reference=cases.reference(profile, case_id),
    )


def reason_to_open(seen: Snapshot, rule: Opening, *, scored: bool = True) -> str | None:
    """Say why an answer opens a case; None: it opens none. `scored`: the score seen is its own."""
    called = [topic for topic in seen.escalations if topic in rule.escalations]
    if called:
        return f"the answer tells of {', '.join(called)}"
    if rule.callback and seen.callback_requested:
        return "the answer asks for a call"
    return _by_score(seen, rule) if scored else None


def _by_score(seen: Snapshot, rule: Opening) -> str | None:
    """Say why the score that is seen opens a case."""
    if seen.segment is None or seen.segment not in rule.segments:
        return None
    if rule.themes and not {seen.theme, *seen.pains} & set(rule.themes):
        return None
    if rule.value is not None:
        value = seen.attributes.get(rule.value.attribute)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if value < rule.value.least:
            return None
    return f"the answer is a {seen.segment}'s"


def due_at(opened_at: datetime, policy: Cases) -> datetime:
    """Tell by when somebody should have been in contact with her."""
    ceiling = opened_at + timedelta(hours=policy.ceiling_hours)
    return later(opened_at, policy.first_contact_hours, policy.business_hours, ceiling)


def opens(case: DecidedCase, cause: Cause, after: Profile) -> bool:
    """Tell whether a decision's case is opened by it: nobody has told of it yet."""
    return case.case_id not in after.cases and _reacted_to(cause, after) is not None


def event(decided: CustomerDecided, after: Profile) -> Event | None:
    """Tell the bus of a case that this decision opened; None: it opened none.

    Its id is the case's, so it happens once, and its time is that of the answer.
    """
    case = decided.case
    response = _reacted_to(decided.cause, after)
    if case is None or response is None or not opens(case, decided.cause, after):
        return None
    link = ResponseLink(
        source=response.source, survey=response.survey, response_id=response.response_id
    )
    return Event(
        id=cases.opened_event(case.case_id),
        source=_SOURCE,
        time=decided.decided_at,
        data=CaseOpened(case_id=case.case_id, occurred_at=case.opened_at, response=link),
    )


def _reacted_to(cause: Cause, after: Profile) -> Response | None:
    """Name the answer that a decision reacts to: not one imported.

    One late or without a score only where something urgent was said in it.
    """
    if cause.kind != "response":
        return None
    found = after.scored[-1] if after.scored and not cause.late else None
    if found is None or cause_id(found) != cause.id:
        found = telling(cause, after)
    return None if found is None or found.history else found
