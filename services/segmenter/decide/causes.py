"""What happened, told the same way by every message about it. Pure."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.segmenter.cases import cases
from services.segmenter.cases.urgent import urgent
from services.segmenter.decide.settle import settled, subject
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.facts import Fact
from services.segmenter.profile.state import Profile, Response
from shared.events import feedback, ids, outcomes
from shared.events.decisions import Cause, Trigger
from shared.events.feedback import TimerDue

_STEPS: Final[dict[type[feedback.CaseStep], Trigger]] = {
    feedback.CaseOpened: "case_opened",
    feedback.CaseResolved: "case_resolved",
    feedback.CaseReopened: "case_reopened",
}


def cause_of(fact: Fact, after: Profile, policy: Policy, *, merged: bool) -> Cause:
    """Tell the cause of a fact; `merged`: it also made two customers one."""
    data = fact.data
    if isinstance(data, feedback.CaseStep):
        return _case(fact, data, after, merged=merged)
    also: tuple[Trigger, ...] = ("merged",) if merged else ()
    if isinstance(data, feedback.ResponseReceived):
        return _response(after.responses[fact.identity], after, policy, also)
    if isinstance(data, feedback.CustomerUpdated):
        return Cause(
            id=ids.event_cause(fact.event_id),
            kind="customer",
            triggers=("updated", *also),
            deadline_from=fact.occurred_at,
        )
    if isinstance(data, outcomes.ActionCompleted):
        return Cause(
            id=ids.event_cause(fact.event_id),
            kind="action",
            triggers=("action_completed", *also),
            deadline_from=fact.occurred_at,
            what=data.what,
        )
    reported = isinstance(data, outcomes.DeliverySettled | outcomes.MessageReport)
    return Cause(
        id=ids.event_cause(fact.event_id),
        kind="message" if reported else "survey_contact",
        triggers=("contacted", *also),
        deadline_from=fact.occurred_at,
        survey=getattr(data, "survey", None),
    )


def _response(
    response: Response, after: Profile, policy: Policy, also: tuple[Trigger, ...]
) -> Cause:
    triggers: list[Trigger] = []
    if response.score is not None:
        triggers.append("received")
        if settled(response, policy):
            triggers.append("settled")
    triggers.extend(urgent(response, after, policy))
    triggers.extend(also)
    return Cause(
        id=ids.response_cause(response.source, response.survey, response.response_id),
        kind="response",
        # What was imported is long over: nobody may react, not even to the merge it brings.
        triggers=() if response.history else tuple(triggers),
        deadline_from=response.answered_at,
        source=response.source,
        survey=response.survey,
        late=is_late(response, after),
    )


def _case(fact: Fact, data: feedback.CaseStep, after: Profile, *, merged: bool) -> Cause:
    case_id = cases.named(after, data.case_id)
    case = cases.known(after).get(case_id)
    step = _STEPS[type(data)]
    return Cause(
        id=ids.case_cause(case_id),
        kind="case",
        triggers=(step, "merged") if merged else (step,),
        deadline_from=fact.occurred_at,
        source=data.response.source if data.response else data.case_id.partition("/")[0],
        survey=data.response.survey if data.response else None,
        late=case is None or case.event_id != str(fact.event_id),
    )


def is_late(response: Response, after: Profile) -> bool:
    """Tell whether a newer answer is known, so that nobody should react to this score."""
    scored = after.scored
    # The newest itself is asked about most.
    return bool(scored) and response is not scored[-1] and response.place < scored[-1].place


def timer_cause(event_id: UUID, due: TimerDue, profile: Profile, policy: Policy) -> Cause:
    """Tell what a timer brings; it must still stand (`moments.stands`)."""
    if due.kind == "settle":
        cause = _response(profile.scored[-1], profile, policy, ())
        # Known and alerted before: only what waited for the window looks at it now.
        return cause.model_copy(update={"triggers": ("settled",)})
    if due.kind == "resurvey":
        return _brought(due, due.subject, "resurvey_due", cases.asked_about(profile, due), "case")
    if due.kind == "lapse":
        latest = profile.scored[-1]
        return _brought(due, subject(latest), "lapsed", latest)
    if due.kind == "churn":
        latest = profile.scored[-1]
        # The same news as an update that says so: whoever acts on that acts on this.
        return _brought(due, subject(latest), "updated", latest)
    if due.kind in {"policy", "lifecycle", "maturity"}:
        return Cause(
            id=ids.event_cause(event_id),
            kind="timer",
            # Nothing happened to her: no play may look at it, it only reaches her profile.
            triggers=(),
            deadline_from=due.due_at,
            what=due.kind,
        )
    return _hold_end(event_id, due.due_at, profile)


def left_once(cause: Cause, due_at: datetime, profile: Profile) -> Cause:
    """Name an update that says that she left as her timer was named that told it, or would have.

    Told by both it is one cause, on which no play acts twice.
    """
    about = subject(profile.scored[-1])
    return cause.model_copy(update={"id": ids.timer_cause("churn", about, due_at)})


def _brought(
    due: TimerDue,
    about: str,
    trigger: Trigger,
    response: Response | None,
    what: str | None = None,
) -> Cause:
    return Cause(
        id=ids.timer_cause(due.kind, about, due.due_at),
        kind="timer",
        triggers=(trigger,),
        deadline_from=due.due_at,
        source=response.source if response else None,
        survey=response.survey if response else None,
        what=what,
    )


def _hold_end(event_id: UUID, due_at: datetime, profile: Profile) -> Cause:
    """Tell what a hold's end brings up again: the newest answer, if there is one.

    Naming the answer keeps a play from acting twice on it, before the hold and after; and its
    age counts from the answer.
    """
    scored = profile.scored
    if not scored:
        return Cause(
            id=ids.event_cause(event_id), kind="timer", triggers=("timer",), deadline_from=due_at
        )
    latest = scored[-1]
    return Cause(
        id=ids.response_cause(latest.source, latest.survey, latest.response_id),
        kind="timer",
        # Nobody ever reacted to an imported answer, so there is nothing to come back to.
        triggers=() if latest.history else ("timer",),
        deadline_from=latest.answered_at,
        source=latest.source,
        survey=latest.survey,
    )
