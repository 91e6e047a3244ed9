"""A chat that bears a few alerts an hour, and the loop that tells it the rest."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.dispatcher.brakes.rates import Rate
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.targets.alert_settings import AlertSettings
from services.dispatcher.tell.herald import Herald, Reader
from shared.events.decisions import CustomerDecided, Snapshot
from tests.builders.decisions import NOW, decision
from tests.builders.dispatching import Dispatching, play, rules

ALERT = play(
    "alert",
    "detractor",
    "internal_alert",
    trigger="received",
    target="alerts",
    channels=["chat"],
    **{"class": "internal"},
)
#: Alerts that the chat bears in an hour.
MOST = 3


def book(*, rates: Sequence[Rate] = (), **alerts: Any) -> Rulebook:
    """A playbook with one alert to a chat that bears three an hour."""
    made = rules(ALERT)
    settings = AlertSettings.model_validate({"digest_above": MOST, **alerts})
    chat = TargetRules("alerts", 8, (), ("nps_score", "nps_segment"), None, False)
    chat = replace(chat, alerts=settings, rates=tuple(rates))
    return replace(made, targets={**made.targets, "alerts": chat})


def unhappy(score: int, *topics: str, **changes: Any) -> CustomerDecided:
    """An answer of somebody new."""
    snapshot = Snapshot(score=score, segment="detractor", last_answered_at=NOW, escalations=topics)
    return decision(uuid.uuid4(), snapshot=snapshot, **changes)


def herald(machine: Dispatching) -> Herald:
    """The loop of one replica, for the chat."""
    lane = machine.lanes["alerts"]
    reader = Reader(lane._desk, machine.carriers["alerts"], "chat")
    budget = timedelta(seconds=20)
    return Herald(machine.engine, [reader], machine.metrics, lambda: machine.now, budget)


async def states(machine: Dispatching) -> list[str]:
    """How the alerts stand, in the order of states."""
    return sorted(row.state for row in await machine.rows())
