"""How each type that outsiders may tell becomes an event's data.

In: the `data` of one CloudEvent, with its circumstances. Out: our data with the
normalised identifiers, or `Refused` or a validation error that `outside` puts into words. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.ingest.mapper import values
from services.ingest.mapper.moments import placed
from services.ingest.mapper.paths import MISSING
from services.ingest.outside.data import (
    ActionData,
    CaseData,
    CustomerData,
    MessageData,
    OptOutData,
    SurveyContactData,
    UnsubscribeData,
    Who,
)
from shared.events import feedback, outcomes
from shared.events.envelope import EventData
from shared.events.vocabulary import ConsentStatement, Identifier, IdentifierKind
from shared.identifiers import Rules, response


class Refused(Exception):
    """The caller's fault: which field, and what to do. Holds nothing that was sent."""


def _known(who: Who, rules: Rules) -> tuple[Identifier, ...]:
    """Normalise what tells the person. A caller can correct it, so an unreadable one is refused."""
    said: tuple[tuple[IdentifierKind, str | int | None], ...] = (
        ("external_id", who.external_id),
        ("email", who.email),
        ("phone", who.phone),
    )
    known: list[Identifier] = []
    for kind, raw in said:
        if raw is None or raw == "":
            continue
        found = values.identifier(kind, raw, rules)
        if found is None:
            raise Refused(f"data.identifiers.{kind}: {_WANTED[kind]}")
        known.append(found)
    if not known:
        raise Refused("data.identifiers: give an external_id, an email or a phone")
    return tuple(known)


_WANTED: Final[dict[IdentifierKind, str]] = {
    "external_id": "must be a text of 1 to 512 characters",
    "email": "must be an e-mail address",
    "phone": "must be in E.164 (+33…), or as dialled where NPS_DEFAULT_REGION says",
}


Built = tuple[EventData, tuple[Identifier, ...]]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of one event: when it happened, when it came, and how identifiers are normalised."""

    occurred_at: datetime
    received_at: datetime
    rules: Rules


Build = Callable[[object, Circumstances], Built]


def _survey_contact(
    model: type[feedback.InvitationSent | feedback.SurveyShown | feedback.SurveyDeclined],
) -> Build:
    def build(raw: object, of: Circumstances) -> Built:
        data = SurveyContactData.model_validate(raw)
        known = _known(data.identifiers, of.rules)
        return (
            model(
                survey=data.survey,
                identifiers=known,
                occurred_at=of.occurred_at,
                channel=data.channel,
            ),
            known,
        )

    return build


def _opt_out(raw: object, of: Circumstances) -> Built:
    data = OptOutData.model_validate(raw)
    known = _known(data.identifiers, of.rules)
    told = feedback.SurveyOptedOut(
        survey=data.survey,
        identifiers=known,
        occurred_at=of.occurred_at,
        channel=data.channel,
        everything=data.everything,
    )
    return told, known


def _customer(raw: object, of: Circumstances) -> Built:
    data = CustomerData.model_validate(raw)
    known = _known(data.identifiers, of.rules)
    consents = tuple(
        ConsentStatement(
            channel=said.channel,
            purpose=said.purpose,
            granted=said.granted,
            said_at=placed(said.said_at, of.received_at)[0] if said.said_at else of.occurred_at,
            text_version=said.text_version,
            proof=said.proof,
        )
        for said in data.consents
    )
    attributes = {
        name: values.as_value(value)
        for name, raw_value in data.attributes.items()
        if (value := values.attribute(raw_value)) is not MISSING
    }
    updated = feedback.CustomerUpdated(
        identifiers=known,
        occurred_at=of.occurred_at,
        attributes=attributes,
        consents=consents,
        provenance=data.provenance,
    )
    return updated, known


def _case(
    model: type[feedback.CaseOpened | feedback.CaseResolved | feedback.CaseReopened],
) -> Build:
    def build(raw: object, of: Circumstances) -> Built:
        data = CaseData.model_validate(raw)
        if model is feedback.CaseOpened and data.identifiers is None and data.response is None:
            raise Refused("data: give identifiers, or the response it is about, or both")
        known = _known(data.identifiers, of.rules) if data.identifiers else ()
        about = data.response
        link = None
        if about is not None:
            link = feedback.ResponseLink(
                source=about.source, survey=about.survey, response_id=about.response_id
            )
        step = model(
            case_id=data.case_id, identifiers=known, occurred_at=of.occurred_at, response=link
        )
        if link is None:
            return step, known
        return step, (*known, response(link.source, link.survey, link.response_id))

    return build


def _action(raw: object, of: Circumstances) -> Built:
    data = ActionData.model_validate(raw)
    if data.identifiers is None and data.delivery_id is None:
        raise Refused("data: give identifiers, or the delivery_id, or both")
    known = _known(data.identifiers, of.rules) if data.identifiers else ()
    completed = outcomes.ActionCompleted(
        what=data.what,
        identifiers=known,
        delivery_id=data.delivery_id,
        play=data.play,
        action=data.action,
        target=data.target,
        occurred_at=of.occurred_at,
    )
    return completed, known


def _message(
    model: type[
        outcomes.MessageSent
        | outcomes.MessageDelivered
        | outcomes.MessageBounced
        | outcomes.MessageOpened
        | outcomes.MessageUnsubscribed
    ],
) -> Build:
    def build(raw: object, of: Circumstances) -> Built:
        data = MessageData.model_validate(raw)
        if data.identifiers is None and data.delivery_id is None:
            raise Refused("data: give identifiers, or the delivery_id, or both")
        known = _known(data.identifiers, of.rules) if data.identifiers else ()
        reported = model(
            identifiers=known,
            delivery_id=data.delivery_id,
            channel=data.channel,
            contact_class=data.contact_class,
            target=data.target,
            occurred_at=of.occurred_at,
        )
        return reported, known

    return build


def _unsubscribed(raw: object, of: Circumstances) -> Built:
    data = UnsubscribeData.model_validate(raw)
    plain = data.model_dump(exclude={"everything"}, exclude_none=True)
    told, known = _message(outcomes.MessageUnsubscribed)(plain, of)
    return told.model_copy(update={"everything": data.everything}), known


BUILDERS: Final[dict[str, Build]] = {
    **{
        contact.TYPE: _survey_contact(contact)
        for contact in (
            feedback.InvitationSent,
            feedback.SurveyShown,
            feedback.SurveyDeclined,
        )
    },
    feedback.SurveyOptedOut.TYPE: _opt_out,
    **{
        step.TYPE: _case(step)
        for step in (feedback.CaseOpened, feedback.CaseResolved, feedback.CaseReopened)
    },
    feedback.CustomerUpdated.TYPE: _customer,
    **{
        report.TYPE: _message(report)
        for report in (
            outcomes.MessageSent,
            outcomes.MessageDelivered,
            outcomes.MessageBounced,
            outcomes.MessageOpened,
        )
    },
    outcomes.MessageUnsubscribed.TYPE: _unsubscribed,
    outcomes.ActionCompleted.TYPE: _action,
}
