"""Deliveries and contacts as values, for the pure parts of the dispatcher."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from services.dispatcher.delivery import Contact, Delivery
from shared.events.outcomes import DeliveryState
from tests.builders.decisions import NOW

CUSTOMER = uuid.UUID(int=7)


def delivery(**changes: Any) -> Delivery:
    """A marketing e-mail planned for `NOW`, or as changed."""
    values: dict[str, Any] = {
        "id": uuid.UUID(int=1),
        "customer_id": CUSTOMER,
        "decision_id": uuid.UUID(int=2),
        "event_id": uuid.UUID(int=3),
        "cause_id": uuid.UUID(int=4),
        "play": "thanks",
        "action": "invite",
        "variant": "default",
        "template": "INVITE_T",
        "channel": "email",
        "contact_class": "marketing",
        "legal_basis": None,
        "target": "sandbox",
        "context": {},
        "segments": ("promoter",),
        "on_unknown": "hold",
        "profile_late": "send",
        "playbook": "test",
        "planned_at": NOW,
        "send_at": NOW,
        "moment": NOW,
        "deadline": NOW + timedelta(hours=72),
        "state": "planned",
        "reason": "planned",
        "due": NOW,
    }
    return Delivery(**{**values, **changes})


def contact(
    at: datetime,
    *,
    action: str = "other",
    state: DeliveryState = "accepted",
    unanswered: bool = False,
) -> Contact:
    """A marketing e-mail that holds a slot."""
    return Contact(
        delivery_id=uuid.uuid4(),
        customer_id=CUSTOMER,
        at=at,
        action=action,
        play="another",
        channel="email",
        contact_class="marketing",
        state=state,
        unanswered=unanswered,
    )
