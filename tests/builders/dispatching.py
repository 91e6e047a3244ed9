"""A dispatcher on a real database with scripted platforms, stepped by the test, in virtual time."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.bell import Bell
from services.dispatcher.brakes.brakes import add_targets
from services.dispatcher.brakes.rate_store import add_rates
from services.dispatcher.consume import progress
from services.dispatcher.consume.handle import Handler
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.flights import BUDGET, Surroundings
from services.dispatcher.lanes.lane import Lane
from services.dispatcher.ledger.desk import Desk
from services.dispatcher.metrics import Metrics
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.tell.tell import Teller
from shared.bus.port import Message
from shared.database import connect
from shared.errors import BusAway
from shared.events.decisions import CustomerDecided
from shared.events.envelope import DECISIONS, FEEDBACK, Event, decode
from shared.identifiers import hashed
from shared.traces.traces import Traces
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import NOW, told


def play(name: str, segment: str, action: str, **do: Any) -> dict[str, Any]:
    """One play as it stands in a YAML file; marketing by e-mail to `sandbox` unless said."""
    return {
        "name": name,
        "when": {"trigger": do.pop("trigger", "settled"), "segment": [segment]},
        "do": {
            "action": action,
            "channels": ["email"],
            "target": "sandbox",
            "class": "marketing",
            "variants": {"default": f"{action.upper()}_T"},
            **do,
        },
    }


PLAYS: tuple[dict[str, Any], ...] = (
    play("thanks", "promoter", "invite"),
    play("sorry", "detractor", "reassurance", **{"class": "service", "legal_basis": "contract"}),
    play(
        "alert",
        "detractor",
        "internal_alert",
        trigger="received",
        target="alerts",
        channels=["chat"],
        **{"class": "internal"},
    ),
)


def rules(*plays: dict[str, Any], targets: Sequence[TargetRules] = (), **settings: Any) -> Rulebook:
    """A playbook with its targets; both shipped-like targets send at once."""
    known = [
        *(targets or [TargetRules("sandbox", 8, ("nps_segment",), ("nps_score",), None, True)]),
        TargetRules("alerts", 8, (), (), None, True),
    ]
    playbook = Playbook.model_validate({"plays": list(plays or PLAYS), **settings})
    return Rulebook(playbook, "test", {target.name: target for target in known})


@dataclass
class Mailbag:
    """A publisher that keeps what it is given; `away` makes it fail."""

    messages: list[Message] = field(default_factory=list)
    away: bool = False

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep the messages, or raise `BusAway` after taking them (the worst moment)."""
        self.messages.extend(messages)
        if self.away:
            raise BusAway("the bus did not acknowledge")

    def events(self) -> list[Event]:
        """Return what was told."""
        return [decode(message.value) for message in self.messages]


#: As in production, an identifier as an HMAC.
person = partial(hashed, b"made-up route key")


@dataclass
class Dispatching:
    """Everything of one dispatcher; `now` is its clock."""

    engine: AsyncEngine
    rulebook: Rulebook
    carriers: dict[str, ScriptedCarrier]
    lease: timedelta = timedelta(minutes=5)
    now: datetime = NOW
    traces: Traces | None = None

    def __post_init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics, self.bell = Metrics(self.registry), Bell()
        self.bag = Mailbag()
        self.handler = Handler(
            self.engine,
            self.rulebook,
            self.bell,
            self.metrics,
            lambda: self.now,
            person=person,
            traces=self.traces,
        )
        self.teller = Teller(self.engine, self.bag, self.bell, lambda: self.now, traces=self.traces)
        self.lanes = {name: self.lane(name) for name in self.rulebook.targets}

    def desk(self, target: str) -> Desk:
        """What every worker for a target works with."""
        chosen = self.carriers.setdefault(target, ScriptedCarrier(target))
        return Desk(
            engine=self.engine,
            rules=self.rulebook.targets[target],
            playbook=self.rulebook.playbook,
            version=self.rulebook.version,
            idempotency=chosen.action_idempotency,
            lease=self.lease,
            shadows=self.rulebook.shadows,
            traced=self.traces is not None,
        )

    def lane(
        self,
        target: str,
        *,
        clock: Callable[[], datetime] | None = None,
        budget: timedelta = BUDGET,
    ) -> Lane:
        """One more worker for a target, as another replica would have."""
        chosen = self.carriers.setdefault(target, ScriptedCarrier(target))
        desk = self.desk(target)
        told = clock or (lambda: self.now)
        around = Surroundings(self.bell, self.metrics, told, budget, self.traces)
        return Lane(desk, chosen, around)

    async def tell(self, *decisions: CustomerDecided | Event) -> None:
        """Hand events to the handler as one batch."""
        await self.handler.apply([d if isinstance(d, Event) else told(d) for d in decisions])

    async def fresh(self, at: datetime | None = None) -> None:
        """Say that everything is handled up to now (or `at`)."""
        upto = at or self.now
        async with self.engine.begin() as connection:
            await progress.save(
                connection, [progress.Reach(t, 0, 1, upto) for t in (FEEDBACK, DECISIONS)]
            )

    async def run(self, *targets: str, fresh: bool = True) -> None:
        """Let lanes work until nothing is due at this moment."""
        if fresh:
            await self.fresh()
        for name in targets or self.lanes:
            lane = self.lanes[name]
            while True:
                worked = await lane.step()
                await lane.settle()
                if not worked:
                    break

    async def run_until(self, end: datetime, *, every: timedelta) -> None:
        """Let time pass in steps, with all lanes at work."""
        while self.now < end:
            self.now += every
            await self.run()

    async def rows(self, **filters: object) -> list[Any]:
        """Return deliveries, oldest first, by equal columns."""
        where = " AND ".join(f"{name} = :{name}" for name in filters) or "true"
        statement = text(f"SELECT * FROM deliveries WHERE {where} ORDER BY planned_at, play, id")
        async with self.engine.connect() as connection:
            return list((await connection.execute(statement, filters)).all())

    async def row(self, **filters: object) -> Any:
        """Return the only delivery there is."""
        (found,) = await self.rows(**filters)
        return found

    async def push(self, customer: UUID, target: str = "sandbox") -> Any:
        """Return a profile push."""
        statement = text("SELECT * FROM pushes WHERE customer_id = :c AND target = :t")
        async with self.engine.connect() as connection:
            return (await connection.execute(statement, {"c": customer, "t": target})).one()

    async def scalars(self, statement: str) -> list[Any]:
        """Return the first column of what a statement selects."""
        async with self.engine.connect() as connection:
            return list((await connection.scalars(text(statement))).all())

    async def execute(self, statement: str, **values: object) -> None:
        """Run SQL as the dispatcher's role, e.g. to end leases."""
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def lapse(self) -> None:
        """Let every lease end, as when the worker that held it is gone."""
        await self.execute("UPDATE calls SET lease_until = now() - interval '1 s'")


@asynccontextmanager
async def dispatching(
    database: str,
    rulebook: Rulebook | None = None,
    *,
    carriers: dict[str, ScriptedCarrier] | None = None,
    connections: int = 12,
    traces: Traces | None = None,
) -> AsyncIterator[Dispatching]:
    """Open a dispatcher on a database."""
    engine = connect(database, "dispatcher", connections=connections)
    book = rulebook or rules()
    try:
        await add_targets(engine, list(book.targets))
        await add_rates(engine, {name: t.rates for name, t in book.targets.items()}, NOW)
        yield Dispatching(engine, book, dict(carriers or {}), traces=traces)
    finally:
        await engine.dispose()


def unhurried(target: TargetRules) -> TargetRules:
    """The same target with delays and quiet hours, as in production."""
    return replace(target, skip_delay_and_quiet_hours=False)
