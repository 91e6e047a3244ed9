"""A profile as the API shows it, as of a moment. Pure.

In: a profile, what is kept beside it, and the rules. Out: the values of `views`.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from services.segmenter.api.views import (
    AttributeView,
    CaseView,
    ConsentView,
    ContactView,
    CustomerView,
    DecisionView,
    DueView,
    FoundCustomer,
    ResponseView,
)
from services.segmenter.cases import cases, opening
from services.segmenter.decide import moments, snapshot
from services.segmenter.decide.budgets import budgets
from services.segmenter.decide.decide import Rulebook
from services.segmenter.decide.echoes import foreign
from services.segmenter.decide.permits import permits
from services.segmenter.decide.waits import waits
from services.segmenter.policy.whole import Policy
from services.segmenter.profile import consents
from services.segmenter.profile.attributes import typed
from services.segmenter.profile.respondents import is_test
from services.segmenter.profile.segments import move_of, segment_of
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import PRUNED, Decision
from shared.events.outcomes import DeliverySettled
from shared.events.vocabulary import Channel, Purpose

_CHANNELS: tuple[Channel, ...] = ("email", "sms", "call", "post", "chat")
_PURPOSES: tuple[Purpose, ...] = ("marketing", "survey", "service")


def customer_view(
    profile: Profile,
    rulebook: Rulebook,
    now: datetime,
    *,
    customer_id: UUID,
    aliases: Sequence[UUID],
    version: int,
    created_at: datetime,
    decisions: Sequence[Decision],
    deliveries: Sequence[DeliverySettled] = (),
) -> CustomerView:
    """Show one customer as of `now`."""
    policy = rulebook.policy
    held = waits(profile, policy, now)
    zone = snapshot.zone(profile, policy)[0]
    return CustomerView(
        customer_id=customer_id,
        aliases=tuple(aliases),
        version=version,
        created_at=created_at,
        identifiers=snapshot.identifiers(profile),
        group=snapshot.group(profile, policy),
        zone=zone,
        test=is_test(profile, policy),
        profile=snapshot.snapshot(profile, policy, rulebook.themes, held, now=now),
        attributes=_attributes(profile, policy),
        responses=_responses(profile, rulebook),
        consents=tuple(
            _consent(profile, channel, purpose) for purpose in _PURPOSES for channel in _CHANNELS
        ),
        permits=permits(profile, policy),
        budgets=budgets(profile, policy, zone, now),
        contacts=_contacts(profile),
        deliveries=_deliveries(deliveries),
        cases=_cases(profile, policy),
        completed=profile.completed,
        holds=held.standing,
        next=held.trace(now),
        due=_due(profile, policy, now),
        decisions=tuple(decision_view(decision) for decision in decisions),
        policy=rulebook.version,
    )


def decision_view(decision: Decision) -> DecisionView:
    """Show a stored decision; its last line is the `customer.decided`."""
    line = (decision.payload or "").rpartition("\n")[2]
    data = orjson.loads(line)["data"] if line else {}
    reasons = {
        name: data[name]
        for name in ("cause", "move", "case", "holds", "trace", "policy")
        if name in data
    }
    return DecisionView.model_validate(
        {
            "decision_id": decision.decision_id,
            "event_id": decision.event_id,
            "event_type": decision.kind,
            "version": decision.version,
            "decided_at": decision.decided_at,
            "published": decision.payload is not None or decision.note == PRUNED,
            "note": decision.note,
            **reasons,
        }
    )


def found_view(customer_id: UUID, profile: Profile, rulebook: Rulebook) -> FoundCustomer:
    """Show one customer in a list."""
    scored = profile.scored
    latest = scored[-1] if scored else None
    return FoundCustomer(
        customer_id=customer_id,
        segment=segment_of(latest, rulebook.policy) if latest else None,
        score=latest.score if latest else None,
        last_answered_at=latest.answered_at if latest else None,
    )


def _responses(profile: Profile, rulebook: Rulebook) -> tuple[ResponseView, ...]:
    scored = profile.scored
    ordered = sorted(profile.responses.values(), key=lambda response: response.place, reverse=True)
    return tuple(
        ResponseView(
            source=response.source,
            survey=response.survey,
            response_id=response.response_id,
            answered_at=response.answered_at,
            answered_at_origin=response.origin,
            complete=response.complete,
            metric=response.metric,
            history=response.history,
            score=response.score,
            segment=segment_of(response, rulebook.policy) or response.band,
            move=move_of(scored, response.identity, rulebook.policy),
            answers=response.values,
        )
        for response in ordered
    )


def _consent(profile: Profile, channel: Channel, purpose: Purpose) -> ConsentView:
    said = consents.deciding(profile, channel, purpose)
    return ConsentView(
        channel=channel,
        purpose=purpose,
        state=consents.consent(profile, channel, purpose),
        said_at=said.said_at if said else None,
        source=said.source if said else None,
        text_version=said.text_version if said else None,
        proof=said.proof if said else None,
    )


def _attributes(profile: Profile, policy: Policy) -> dict[str, AttributeView]:
    """Show every attribute as it was said: what is believed of it stands in the snapshot."""
    wrong = {name: read.wrong for name, read in typed(profile, policy).items()}
    return {
        name: AttributeView(value=said.value, source=said.source, at=said.at, wrong=wrong[name])
        for name, said in sorted(profile.attributes.items())
    }


def _cases(profile: Profile, policy: Policy) -> tuple[CaseView, ...]:
    ordered = sorted(cases.known(profile).items(), key=lambda item: item[1].rank, reverse=True)
    pairs = {pair.case_id: pair for pair in cases.pairs(profile, policy)}
    counting = {case_id for case_id, _ in cases.counting(profile)}
    found = []
    for case_id, case in ordered:
        pair = pairs.get(case_id)
        found.append(
            CaseView(
                case_id=case_id,
                open=case.open,
                step=case.step,
                at=case.at,
                opened_at=case.opened_at,
                due_at=opening.due_at(case.opened_at, policy.cases),
                response=case.answer,
                replaced=case_id not in counting,
                reference=cases.reference(profile, case_id),
                first_score=pair.first if pair else None,
                second_score=pair.second if pair else None,
            )
        )
    return tuple(found)


def _contacts(profile: Profile) -> tuple[ContactView, ...]:
    ours = [("ours", contact) for contact in profile.own.values()]
    others = [("foreign", contact) for contact in foreign(profile)]
    ordered = sorted([*ours, *others], key=lambda item: item[1].at, reverse=True)
    return tuple(
        ContactView.model_validate(
            {
                "at": contact.at,
                "channel": contact.channel,
                "contact_class": contact.contact_class,
                "target": contact.target,
                "origin": origin,
            }
        )
        for origin, contact in ordered
    )


def _deliveries(told: Sequence[DeliverySettled]) -> tuple[DeliverySettled, ...]:
    """Keep of each delivery the last that was told, the newest first."""
    last: dict[UUID, DeliverySettled] = {}
    for one in sorted(told, key=lambda settled: settled.change):
        last[one.delivery_id] = one
    return tuple(sorted(last.values(), key=lambda one: (one.at, one.delivery_id), reverse=True))


def _due(profile: Profile, policy: Policy, now: datetime) -> tuple[DueView, ...]:
    """List what is ahead; what lies behind `now` was told, or is being told."""
    coming = sorted((at, kind) for (kind, _), at in moments.ahead(profile, policy, now).items())
    return tuple(DueView(kind=kind, at=at) for at, kind in coming if at > now)
