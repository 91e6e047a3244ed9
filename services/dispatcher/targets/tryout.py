"""Trying a target: a push or a play's action for one customer, as the requests that would leave.

In: a target's settings, a customer (from an instance, from a saved decision, or invented), what to
try. Out: the requests, or why the target would not take it. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from services.dispatcher.calls.calls import ActionCall, ProfilePush, Verdict
from services.dispatcher.ledger.attributes import attributes_of, chosen
from services.dispatcher.plan.plan import context_of, variant_of
from services.dispatcher.platforms.deals import action_deal, push_deal
from services.dispatcher.platforms.preset import Preset
from services.dispatcher.platforms.rehearse import Marks, Shown, rehearse
from services.dispatcher.playbook.plays import Play, Playbook
from services.dispatcher.targets.settings import (
    TargetSettings,
    idempotency,
    make_masked_account,
    names_of,
)
from shared.events.decisions import CustomerDecided
from shared.events.ids import name_id
from shared.events.vocabulary import Channel, Identifier, Value
from shared.settings import Secrets


@dataclass(frozen=True, slots=True)
class Tried:
    """Whom a target is tried with."""

    customer_id: UUID
    identifiers: tuple[Identifier, ...]
    attributes: Mapping[str, Value]
    version: int = 1


#: A customer who does not exist, with every canonical attribute.
EXAMPLE: Final = Tried(
    customer_id=UUID("0b7ab0a3-3b1c-4d53-8d0c-9d6f9f1c2a01"),
    identifiers=(
        Identifier(kind="external_id", value="C-1001"),
        Identifier(kind="email", value="camille.exemple@example.com"),
        Identifier(kind="phone", value="+33600000000"),
    ),
    attributes=MappingProxyType(
        {
            "nps_score": 3,
            "nps_segment": "detractor",
            "nps_previous_segment": "passive",
            "nps_move": "down",
            "nps_answered_at": "2026-11-20T18:04:11.000000Z",
            "nps_first_answered_at": "2025-11-18T09:30:00.000000Z",
            "nps_response_count": 2,
            "nps_comment": "Livraison en retard, et personne ne répond.",
            "nps_theme": "delivery",
            "nps_next_survey_at": "2027-02-18T18:04:11.000000Z",
            "nps_fatigue_threshold": 1,
            "nps_maturity": None,
            "nps_mature": False,
            "lifecycle": "active",
            "called_by": "Mme Exemple",
            "language": "fr",
            "tone": "vous",
            "title": "Mme",
            "first_name": "Camille",
            "last_name": "Exemple",
        }
    ),
)


def of_decision(decision: CustomerDecided) -> Tried:
    """Take a customer as a saved decision tells her."""
    return Tried(
        decision.customer_id,
        decision.identifiers,
        attributes_of(decision, {}),
        version=decision.version,
    )


def push_of(settings: TargetSettings, who: Tried) -> ProfilePush:
    """Make the push of her profile."""
    attributes = chosen(who.attributes, tuple(settings.attributes))
    return ProfilePush(who.customer_id, who.identifiers, who.version, attributes)


def call_of(
    settings: TargetSettings,
    who: Tried,
    play: Play,
    playbook: Playbook,
    *,
    channel: Channel | None,
    now: datetime,
) -> ActionCall:
    """Make the call of a play's action, with an id of its own: no real delivery has it."""

    def said(name: str) -> str | None:
        value = who.attributes.get(name)
        return value if isinstance(value, str) else None

    variant, template = variant_of(play, said("nps_theme"), said("language"), said("tone"))
    listed = tuple(dict.fromkeys([*settings.attributes, *settings.message]))
    return ActionCall(
        delivery_id=name_id("try", who.customer_id, play.name),
        customer_id=who.customer_id,
        identifiers=who.identifiers,
        play=play.name,
        action=play.do.action,
        variant=variant,
        template=template,
        channel=channel or play.do.channels[0],
        contact_class=play.do.contact_class,
        deadline=now + playbook.max_age_of(play),
        attributes=chosen(who.attributes, listed),
        context=context_of(play),
    )


def show(
    preset: Preset,
    settings: TargetSettings,
    secrets: Secrets,
    asked: ProfilePush | ActionCall,
    now: datetime,
) -> Verdict | tuple[Shown, ...]:
    """Write the requests; a verdict where the target would not take it. Raises `ConfigError`."""
    marks = Marks()
    account = make_masked_account(preset, settings, secrets, marks)
    names = names_of(preset, settings)
    if isinstance(asked, ProfilePush):
        deal = push_deal(account, names, asked, now=now)
    else:
        keyed = idempotency(preset, settings).kind == "key"
        deal = action_deal(account, names, asked, keyed=keyed, now=now)
    return deal if isinstance(deal, Verdict) else rehearse(account, deal, marks, at=now)
