"""kill -9 of the segmenter at every kind of timer: each is told, and once in effect."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.port import Message
from shared.events.decisions import CustomerDecided, Trigger
from shared.events.envelope import FEEDBACK, Event, decode, encode
from shared.events.feedback import ResponseLink, TimerKind
from shared.times import utc_now
from tests.builders.facts import answered, case, completed, ids_of, shipped_policy, updated
from tests.builders.sink import Sink
from tests.builders.system import System, open_system
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka

#: Which plays look at what each kind of timer brings; None: it only reaches her profile. The kind
#: `policy` is asked for and has no row to be closed.
TRIGGERS: Final[Mapping[TimerKind, Trigger | None]] = {
    "hold_end": "timer",
    "settle": "settled",
    "lapse": "lapsed",
    "resurvey": "resurvey_due",
    "churn": "updated",
    "lifecycle": None,
    "maturity": None,
}
#: All are due so long from now, and the clocks of the processes to be killed are beyond that: until
#: they start, nothing rings.
AHEAD: Final = timedelta(minutes=4)


def an_alert_for_each(playbook: dict[str, Any]) -> None:
    """One play for each kind of timer, about the survey of its name; it waits for nothing."""
    playbook["plays"] = [
        {
            "name": f"after-{kind.replace('_', '-')}",
            "when": {"trigger": trigger, "survey": [kind]},
            "do": {
                "action": "internal_alert",
                "channels": ["chat"],
                "target": "desk",
                "class": "internal",
                "variants": {"default": "ALERT"},
            },
        }
        for kind, trigger in TRIGGERS.items()
        if trigger is not None
    ]


def story(kind: TimerKind, email: str, due: datetime) -> list[Event]:
    """What happened to a customer of whom a timer of this kind, and no other, is due then."""
    name = uuid.uuid4().hex
    now, year = utc_now(), timedelta(days=365)

    def answer(at: datetime, received: datetime, *, complete: bool = True) -> Event:
        return answered(
            name, 8, email=email, at=at, received=received, survey=kind, complete=complete
        )

    if kind == "hold_end":
        held = {"contact_hold_until": due.isoformat()}
        return [updated(*ids_of(email), at=now, attributes=held), answer(now, now)]
    if kind == "settle":
        told = due - timedelta(minutes=5)
        return [answer(told, told, complete=False)]
    if kind in {"lifecycle", "churn", "maturity"}:
        return aged(kind, email, due)
    if kind == "lapse":
        return [answer(due - year, now)]
    number = f"helpdesk/{name}"
    link = ResponseLink(source="demo", survey=kind, response_id=name)
    resolved = due - timedelta(days=15)
    opened = resolved - timedelta(days=1)
    return [
        answer(opened, now),
        case("opened", number, email=None, at=opened, response=link),
        case("resolved", number, email=None, at=resolved),
    ]


def aged(kind: TimerKind, email: str, due: datetime) -> list[Event]:
    """What happened to a customer whom time alone makes another then."""
    days = shipped_policy().value.lifecycle
    name, now, blink = uuid.uuid4().hex, utc_now(), timedelta(microseconds=1)
    if kind == "lifecycle":
        return [completed("purchase", email, at=due - timedelta(days=days.active_days) - blink)]
    promoter = answered(name, 9, email=email, at=now, survey=kind)
    if kind == "churn":
        order = due - timedelta(days=days.sleeping_days) - blink
        return [completed("purchase", email, at=order), promoter]
    unhappy = answered(f"{name}-0", 3, email=email, at=due - timedelta(days=365), received=now)
    return [unhappy, promoter]


async def publish(system: System, events: Sequence[Event]) -> None:
    """Tell the segmenter as ingest does."""
    bus = KafkaBus(
        system.kafka, client_id="tests", topic_prefix=system.prefix, partitions=4, replication=1
    )
    await bus.publisher.publish([Message(FEEDBACK, "route", encode(one)) for one in events])
    await bus.close()


async def states(system: System, due: datetime) -> dict[str, str]:
    """Tell of each kind whether its timer is open or closed."""
    query = "SELECT kind, state FROM segmenter.timers WHERE due_at = :due"
    return {row.kind: row.state for row in await system.rows(query, due=due)}


async def test_kill_9_at_every_kind_of_timer_tells_each_once_in_effect(
    tmp_path: Path, server: str, kafka: str, sink: Sink
) -> None:
    """Before all are published, between publish and close, and once closed; then one goes on."""
    kinds = tuple(TRIGGERS)
    assert {*kinds, "policy"} == set(get_args(TimerKind)), "a kind of timer that nobody kills at"
    emails = {kind: f"{kind}.{uuid.uuid4().hex}@example.com" for kind in kinds}
    async with open_system(tmp_path, server, kafka, sink, playbook=an_alert_for_each) as system:
        for process in (system.segmenter, system.dispatcher):
            process.spawn()
        due = utc_now() + AHEAD
        for kind in kinds:
            await publish(system, story(kind, emails[kind], due))

        async def all_set() -> bool:
            return await states(system, due) == dict.fromkeys(kinds, "open")

        await eventually(all_set, within=60, what="a timer of each kind")
        await system.segmenter.stop()

        for when, state in (("before", "open"), ("after", "open"), ("closed", "closed")):
            ahead = str((2 * AHEAD).total_seconds())
            crashing = system.process(
                "tests.faults.crashing", "segmenter", when, "timer.due", ahead, service="segmenter"
            )
            crashing.spawn()
            assert await crashing.ended(within=60) == -9
            assert await states(system, due) == dict.fromkeys(kinds, state), when

        await system.segmenter.start()
        acting = [emails[kind] for kind, trigger in TRIGGERS.items() if trigger is not None]
        for email in acting:
            (delivery,) = await system.settled(email, 1)
            assert delivery["state"] == "accepted"
            assert len(sink.actions_for(email)) == 1
        assert set(sink.effects.values()) == {1}

        async def all_told() -> bool:
            return await told_once(system) == {
                trigger or kind for kind, trigger in TRIGGERS.items()
            }

        await eventually(all_told, what="a decision for each timer")


async def told_once(system: System) -> set[str]:
    """List what the decisions that timers brought tell plays, or are about; each is there once."""
    query = "SELECT payload FROM segmenter.decisions WHERE kind = 'timer.due'"
    found: list[str] = []
    for row in await system.rows(query):
        decided = decode(row.payload.splitlines()[-1].encode()).data
        assert isinstance(decided, CustomerDecided)
        found += decided.cause.triggers or (str(decided.cause.what),)
    assert len(found) == len(set(found))
    return set(found)
