"""What happened, told the same way by every message about it. Pure."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.segmenter.facts import Fact
from services.segmenter.state import Profile, Response
from shared.events import feedback, ids, outcomes
from shared.events.decisions import Cause, Trigger

_STEPS: Final[dict[type[feedback.CaseStep], Trigger]] = {
    feedback.CaseOpened: "case_opened",
    feedback.CaseResolved: "case_resolved",
    feedback.CaseReopened: "case_reopened",
}


def cause_of(fact: Fact, after: Profile, *, merged: bool) -> Cause:
    """Tell the cause of a fact; `merged`: it also made two customers one."""
    data = fact.data
    if isinstance(data, feedback.CaseStep):
        return _case(fact, data, after, merged=merged)
    also: tuple[Trigger, ...] = ("merged",) if merged else ()
    if isinstance(data, feedback.ResponseReceived):
        return _response(fact, data, after, also)
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
    fact: Fact, data: feedback.ResponseReceived, after: Profile, also: tuple[Trigger, ...]
) -> Cause:
    response = after.responses[fact.identity]
    triggers: list[Trigger] = []
    if response.score is not None:
        triggers.append("received")
        if response.complete:
            triggers.append("settled")
    triggers.extend(also)
    return Cause(
        id=ids.response_cause(data.source, data.survey, data.response_id),
        kind="response",
        # What was imported is long over: nobody may react, not even to the merge it brings.
        triggers=() if response.history else tuple(triggers),
        deadline_from=response.answered_at,
        source=data.source,
        survey=data.survey,
        late=is_late(response, after),
    )


def _case(fact: Fact, data: feedback.CaseStep, after: Profile, *, merged: bool) -> Cause:
    case = after.cases.get(data.case_id)
    step = _STEPS[type(data)]
    return Cause(
        id=ids.case_cause(data.case_id),
        kind="case",
        triggers=(step, "merged") if merged else (step,),
        deadline_from=fact.occurred_at,
        source=data.response.source if data.response else data.case_id.partition("/")[0],
        survey=data.response.survey if data.response else None,
        late=case is None or case.event_id != str(fact.event_id),
    )


def is_late(response: Response, after: Profile) -> bool:
    """Tell whether a newer answer is known, so that nobody should react to this one."""
    scored = after.scored
    return bool(scored) and response.place < scored[-1].place


def timer_cause(event_id: UUID, due_at: datetime, profile: Profile) -> Cause:
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
