"""One fact joined to a profile. Pure.

In: a profile and a fact, whatever came before. Out: the profile with it; every part is a join, so
that neither order nor repetition matters.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar, get_args

from services.segmenter.profile.bounces import ADDRESS
from services.segmenter.profile.facts import PERSONAL, Fact, SurveyContact, ticket_of
from services.segmenter.profile.state import (
    BAND,
    Answer,
    Asking,
    Attribute,
    Case,
    Contact,
    Profile,
    Response,
    Revision,
    Seen,
    Statement,
    Step,
    Ticket,
)
from shared.events import feedback, outcomes
from shared.events.vocabulary import ConsentStatement, Purpose

_Name = TypeVar("_Name", bound=str)
#: Told of two metrics, a response is not one of NPS: it makes no segment.
_METRICS: Final = get_args(feedback.Metric)
_STEPS: Final[dict[type[feedback.CaseStep], Step]] = {
    feedback.CaseOpened: "opened",
    feedback.CaseResolved: "resolved",
    feedback.CaseReopened: "reopened",
}
#: Who opts out has closed a survey that was before her.
_WAYS: Final[dict[type[SurveyContact], Asking]] = {
    feedback.InvitationSent: "sent",
    feedback.SurveyShown: "shown",
    feedback.SurveyDeclined: "declined",
    feedback.SurveyOptedOut: "declined",
}
#: "Everything that is not needed" is what an opt-out stops, whichever tool it was told to.
_OPT_OUT: Final[tuple[Purpose, ...]] = ("marketing", "survey")
#: "Everything" is what she said, then: not even a service message reaches her.
_OPT_OUT_OF_EVERYTHING: Final[tuple[Purpose, ...]] = (*_OPT_OUT, "service")


def add(profile: Profile, fact: Fact) -> Profile:
    """Join one fact."""
    data = fact.data
    identifiers = _identifiers(profile, fact)
    if isinstance(data, feedback.ResponseReceived):
        said = dict(data.attributes)
        if "language" in data.answers:
            said["language"] = data.answers["language"]
        # One copy for all of it: nearly every fact is an answer.
        profile = replace(
            profile,
            identifiers=identifiers,
            responses=_responses(profile, fact, data),
            attributes=_attributes(profile, fact, said),
        )
        return _add_consents(profile, fact, believed(fact, data))
    if identifiers is not profile.identifiers:
        profile = replace(profile, identifiers=identifiers)
    if isinstance(data, feedback.CustomerUpdated):
        profile = replace(profile, attributes=_attributes(profile, fact, data.attributes))
        return _add_consents(profile, fact, believed(fact, data))
    if isinstance(data, feedback.CaseStep):
        return _add_case(profile, fact, data)
    return _add_reaction(profile, fact, data)


def _add_reaction(
    profile: Profile,
    fact: Fact,
    data: SurveyContact | outcomes.OutcomeData,
) -> Profile:
    """Add a contact with her, or what she did upon one."""
    if isinstance(data, outcomes.ActionCompleted):
        completed = dict(profile.completed)
        _latest(completed, data.what, data.occurred_at)
        return replace(profile, completed=completed)
    if isinstance(data, SurveyContact):
        asked = ask(profile.asked, data.survey, _WAYS[type(data)], data.occurred_at)
        profile = replace(profile, asked=asked)
    if isinstance(data, feedback.SurveyOptedOut | outcomes.MessageUnsubscribed):
        proof = data.proof if isinstance(data, outcomes.MessageUnsubscribed) else None
        at = data.occurred_at
        refusals = tuple(
            ConsentStatement(channel="all", purpose=p, granted=False, said_at=at, proof=proof)
            for p in (_OPT_OUT_OF_EVERYTHING if data.everything else _OPT_OUT)
        )
        return _add_consents(profile, fact, refusals)
    if isinstance(data, outcomes.MessageBounced):
        return replace(profile, bounces=_address_told(profile.bounces, fact, data))
    if isinstance(data, outcomes.MessageDelivered | outcomes.MessageOpened):
        return replace(profile, arrivals=_address_told(profile.arrivals, fact, data))
    if isinstance(data, outcomes.DeliverySettled):
        profile = _add_ticket(profile, fact, data)
    if isinstance(data, outcomes.MessageSent | outcomes.DeliverySettled):
        return _add_contact(profile, fact, data)
    return profile


def _identifiers(profile: Profile, fact: Fact) -> dict[str, Seen]:
    named = [f"{kind}:{value}" for kind, value in fact.keys if kind in PERSONAL]
    if not named:
        return profile.identifiers
    at, found = fact.occurred_at, dict(profile.identifiers)
    for name in named:
        seen = found.get(name)
        if seen is None:
            found[name] = Seen(at, at)
        elif not seen.first <= at <= seen.last:
            found[name] = Seen(min(seen.first, at), max(seen.last, at))
    return found


def _responses(
    profile: Profile, fact: Fact, data: feedback.ResponseReceived
) -> dict[str, Response]:
    revision: Revision = fact.order[2:]
    before = profile.responses.get(fact.identity)
    answers = {name: Answer(revision, value) for name, value in data.answers.items()}
    if data.metric != "nps" and data.given is not None:
        answers[BAND] = Answer(revision, data.given.band)
    told = Response(
        source=data.source,
        survey=data.survey,
        response_id=data.response_id,
        earliest=(data.answered_at, data.answered_at_origin),
        platform=(revision, data.answered_at) if data.answered_at_origin == "platform" else None,
        complete=data.complete,
        answers=answers,
        receipts=(data.received_at, data.received_at),
        metric=data.metric,
        history=data.history,
    )
    merged = told if before is None else _merge(before, told)
    return {**profile.responses, fact.identity: merged}


def _merge(one: Response, other: Response) -> Response:
    """Join two states of one response, field by field: the higher revision wins."""
    answers = dict(one.answers)
    for name, answer in other.answers.items():
        known = answers.get(name)
        if known is None or known.revision < answer.revision:
            answers[name] = answer
    times = [time for time in (one.platform, other.platform) if time is not None]
    return replace(
        one,
        earliest=min(one.earliest, other.earliest),
        platform=max(times, default=None),
        complete=one.complete or other.complete,
        answers=answers,
        receipts=(
            min(one.receipts[0], other.receipts[0]),
            max(one.receipts[1], other.receipts[1]),
        ),
        metric=max(one.metric, other.metric, key=_METRICS.index),
        history=one.history and other.history,
    )


def _attributes(profile: Profile, fact: Fact, said: Mapping[str, object]) -> dict[str, Attribute]:
    found = dict(profile.attributes)
    for name, value in said.items():
        known = found.get(name)
        if known is None or known.order < fact.order:
            found[name] = Attribute(fact.order, value, fact.source)  # type: ignore[arg-type]
    return found


def believed(
    fact: Fact, data: feedback.ResponseReceived | feedback.CustomerUpdated
) -> tuple[ConsentStatement, ...]:
    """Leave out the yes that came with a bought address, unless a proof of its own came along.

    A seller's word is none of hers. A no is obeyed, wherever it comes from.
    """
    if data.provenance != "bought":
        return data.consents
    return tuple(said for said in data.consents if not said.granted or _proves(said.proof, fact))


def _proves(proof: str | None, fact: Fact) -> bool:
    """Tell whether a proof says more than where we have the statement from: that proves nothing."""
    ours = (None, "", fact.identity, fact.source)
    return fact.source is not None and (proof.strip() if proof else None) not in ours


def _add_case(profile: Profile, fact: Fact, data: feedback.CaseStep) -> Profile:
    at, event_id, link = data.occurred_at, str(fact.event_id), data.response
    told = Case(
        at,
        _STEPS[type(data)],
        event_id,
        first_at=at,
        about=(at, event_id, f"{link.source}/{link.survey}/{link.response_id}") if link else None,
    )
    last = profile.cases.get(data.case_id, told).joined(told)
    return replace(profile, cases={**profile.cases, data.case_id: last})


def _add_ticket(profile: Profile, fact: Fact, data: outcomes.DeliverySettled) -> Profile:
    """Note which case of ours a helpdesk's ticket is; of two accounts the first one counts."""
    named = ticket_of(data)
    if named is None or data.reference is None or data.case_id is None:
        return profile
    told = Ticket(fact.occurred_at, data.case_id, data.reference)
    first = min(told, profile.tickets.get(named, told))
    return replace(profile, tickets={**profile.tickets, named: first})


def _add_consents(
    profile: Profile, fact: Fact, statements: tuple[ConsentStatement, ...]
) -> Profile:
    if not statements:
        return profile
    found = dict(profile.consents)
    keys = tuple(f"{kind}:{value}" for kind, value in fact.keys)
    for said in statements:
        statement = Statement(
            said.said_at,
            said.granted,
            str(fact.event_id),
            keys,
            source=fact.source,
            text_version=said.text_version,
            proof=said.proof,
        )
        for key in keys:
            register = f"{said.channel}|{said.purpose}|{key}"
            known = found.get(register)
            if known is None or known.rank < statement.rank:
                found[register] = statement
    return replace(profile, consents=found)


def _address_told(
    known: Mapping[str, datetime], fact: Fact, data: outcomes.MessageReport
) -> dict[str, datetime]:
    """Join a report about an address: of each, the newest moment counts."""
    kind = ADDRESS.get(data.channel)
    addresses = [f"{k}:{value}" for k, value in fact.keys if k == kind] or [""]
    found = dict(known)
    for address in addresses:
        _latest(found, f"{data.channel}|{address}", data.occurred_at)
    return found


def _add_contact(
    profile: Profile, fact: Fact, data: outcomes.MessageSent | outcomes.DeliverySettled
) -> Profile:
    """Count what reached out to her. A report with our delivery id tells of one counted already."""
    contact = Contact(fact.occurred_at, data.channel, data.contact_class, data.target)
    if data.contact_class == "internal":
        return profile
    if isinstance(data, outcomes.MessageSent):
        if data.delivery_id is not None:
            return profile
        return replace(profile, reported={**profile.reported, str(fact.event_id): contact})
    if data.state != "accepted":
        return profile
    known = profile.own.get(str(data.delivery_id), contact)
    first = known if _place(known) <= _place(contact) else contact
    return replace(profile, own={**profile.own, str(data.delivery_id): first})


def _place(contact: Contact) -> tuple[datetime, str, str, str]:
    return contact.at, contact.channel, contact.contact_class, contact.target or ""


def ask(
    known: Mapping[str, dict[Asking, datetime]], survey: str, way: Asking, at: datetime
) -> dict[str, dict[Asking, datetime]]:
    """Join one asking: of one survey and way, the last counts."""
    ways = dict(known.get(survey, {}))
    _latest(ways, way, at)
    return {**known, survey: ways}


def _latest(moments: dict[_Name, datetime], name: _Name, at: datetime) -> None:
    known = moments.get(name)
    moments[name] = at if known is None else max(known, at)
