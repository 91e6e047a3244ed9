"""What the dispatcher's metrics say of real deliveries, on a real PostgreSQL, in virtual time."""

from datetime import datetime, timedelta
from uuid import uuid4

from prometheus_client import CollectorRegistry

from services.dispatcher import watch
from services.dispatcher.calls.calls import Verdict
from services.dispatcher.metrics import Metrics
from shared.bus.port import Partition, Progress
from shared.events.envelope import DECISIONS, FEEDBACK
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import NOW, decision, hold, later, rolling
from tests.builders.dispatching import Dispatching, dispatching, play, rules

INVITE = play("thanks", "promoter", "invite")
SORRY = play("sorry", "detractor", "call_back", **{"class": "service", "legal_basis": "contract"})


def _counted(d: Dispatching, name: str, **labels: str) -> float:
    return d.registry.get_sample_value(name, labels) or 0.0


def _states(d: Dispatching, state: str, reason: str, target: str = "sandbox") -> float:
    labels = {"target": target, "state": state, "reason": reason}
    return _counted(d, "nps_dispatcher_deliveries_total", **labels)


async def test_each_change_is_counted_by_state_kind_of_reason_and_play(database: str) -> None:
    """One is sent, one waits for a hold, one for a budget, one is refused by the platform."""
    refused = uuid4()
    carrier = ScriptedCarrier(
        on_act=lambda number: Verdict("reject", "HTTP 422") if number > 1 else Verdict("ok", "200")
    )
    async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        await d.run("sandbox")
        await d.tell(decision(refused, segment="promoter"))
        await d.run("sandbox")
        await d.tell(decision(segment="promoter", holds=(hold(later(hours=1)),)))
        full = rolling(1, 24, foreign=[NOW - timedelta(hours=1)])
        await d.tell(decision(segment="promoter", budgets=(full,)))

        assert _states(d, "accepted", "platform") == 1
        assert _states(d, "rejected", "platform") == 1
        assert _states(d, "sending", "attempt") == 2
        assert _states(d, "waiting", "hold") == 1
        assert _states(d, "waiting", "budget") == 1
        by_play = {"play": "thanks", "state": "waiting"}
        assert _counted(d, "nps_dispatcher_play_deliveries_total", **by_play) == 2
        assert _counted(d, "nps_dispatcher_slots_refused_total", play="thanks") == 1
        call = {"target": "sandbox", "kind": "action"}
        assert _counted(d, "nps_dispatcher_call_seconds_count", **call) == 2


def test_what_alerts_compare_begins_at_nothing() -> None:
    """Twelve refusals before the first look would else have grown by none."""
    registry = CollectorRegistry()
    Metrics(registry).begin([("thanks", "shop")], ["shop", "chat"])
    for name, labels in (
        ("deliveries", {"target": "chat", "state": "rejected", "reason": "platform"}),
        ("deliveries", {"target": "shop", "state": "accepted", "reason": "platform"}),
        ("play_deliveries", {"play": "thanks", "state": "in_doubt"}),
        ("slots_refused", {"play": "thanks"}),
        ("braked", {"play": "thanks", "target": "shop", "brake": "surge"}),
        ("refusals_shown", {"target": "shop"}),
    ):
        assert registry.get_sample_value(f"nps_dispatcher_{name}_total", labels) == 0, name


async def test_the_way_of_an_answer_is_counted_from_when_she_gave_it(database: str) -> None:
    """An hour at the tool and ten minutes here are seventy; another playbook's deadline is none."""
    name = "nps_dispatcher_answer_to_delivery_seconds"
    async with dispatching(database, rules(INVITE)) as d:
        await d.tell(decision(segment="promoter", answered_at=NOW - timedelta(hours=1)))
        d.now = later(minutes=10)
        await d.run("sandbox")
        assert _counted(d, f"{name}_sum", contact_class="marketing") == 70 * 60

        await d.tell(decision(segment="promoter"))
        await d.execute("UPDATE deliveries SET playbook = 'older' WHERE state = 'planned'")
        await d.run("sandbox")
        assert {row.state for row in await d.rows()} == {"accepted"}
        assert _counted(d, f"{name}_count", contact_class="marketing") == 1


async def test_the_burst_guard_sees_who_was_sent_most_in_a_day(database: str) -> None:
    """Alerts to colleagues and what is a day old do not count, nor what others were sent."""

    async def most(d: Dispatching) -> float | None:
        await watch.find_busiest(d.engine, d.metrics, lambda: d.now)
        return d.registry.get_sample_value("nps_dispatcher_contacts_per_person_max")

    async with dispatching(database, rules(INVITE, SORRY)) as d:
        assert await most(d) == 0
        anna = uuid4()
        await d.tell(decision(anna, segment="promoter"), decision(segment="promoter"))
        await d.run()
        assert await most(d) == 1
        d.now = later(hours=2)
        await d.tell(decision(anna, version=2, response="r2", segment="detractor", at=d.now))
        await d.run()
        assert await most(d) == 2
        d.now = later(hours=25)
        assert await most(d) == 1
        d.now = later(hours=27)
        assert await most(d) == 0


async def test_old_state_is_shown_as_the_gates_judge_it(database: str) -> None:
    """Unheard of and too old are stale; each topic tells how far it is behind."""

    async def shown(d: Dispatching) -> tuple[float | None, float | None]:
        await watch.judge_freshness(d.engine, d.metrics, timedelta(seconds=60), lambda: d.now)
        value = d.registry.get_sample_value
        age = value("nps_dispatcher_state_age_seconds", {"topic": FEEDBACK})
        return value("nps_dispatcher_state_stale"), age

    async with dispatching(database) as d:
        assert await shown(d) == (1, None)
        await d.fresh()
        d.now = later(seconds=20)
        assert await shown(d) == (0, 20)
        d.now = later(seconds=61)
        assert await shown(d) == (1, 61)


class _Behind:
    """A consumer of which one partition waits since a moment, as far as progress goes."""

    def __init__(self, *found: Progress) -> None:
        self.found = found

    async def progress(self) -> tuple[Progress, ...]:
        """Tell how far it is."""
        return self.found


async def test_lag_is_of_the_partitions_held_now(database: str) -> None:
    """What went to another replica is not shown as it was when it left."""

    def at(number: int, since: datetime | None) -> Progress:
        return Progress(Partition(DECISIONS, number), 2, since)

    async with dispatching(database) as d:
        told = []
        for found in ([at(0, NOW - timedelta(seconds=7)), at(1, None)], [at(1, None)]):
            behind = _Behind(*found)
            await watch.report_own_reach(d.engine, behind, d.metrics, lambda: d.now)  # type: ignore[arg-type]
            value = d.registry.get_sample_value
            told.append(
                [
                    value("nps_dispatcher_lag_seconds", {"topic": DECISIONS, "partition": number})
                    for number in ("0", "1")
                ]
            )
        assert told == [[7, 0], [None, 0]]
