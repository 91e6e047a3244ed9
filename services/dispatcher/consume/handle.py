"""Entry (3): the consumer of `nps.decisions` and `nps.outcomes`.

Decisions are planned in batches, merges and erasures one by one in their place, reports of messages
and of actions completed and the segmenter's progress at the end (their order does not matter). Any
redelivery changes nothing. An owner's counted week and a figure that changed become notices.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.alerts import figure_alerts, week_store
from services.dispatcher.alerts.digest import Notice
from services.dispatcher.alerts.owner_weeks import notice_of
from services.dispatcher.bell import Bell
from services.dispatcher.consume import progress
from services.dispatcher.consume.erase import erase_customer
from services.dispatcher.consume.merge import merge_customers
from services.dispatcher.consume.planning import plan_decisions
from services.dispatcher.consume.plans import Told
from services.dispatcher.consume.traced import PlanSpans
from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger import ledger, messages, store
from services.dispatcher.metrics import Metrics
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.shadow import foreign
from services.dispatcher.status import inquiries
from services.dispatcher.status.reporting import STAGES
from shared.bus.consume import Received, Rejected
from shared.database import away_as_dependency
from shared.events.decisions import (
    CustomerDecided,
    CustomerErased,
    CustomerMerged,
    CustomerUnmerged,
    FigureChanged,
    OwnerWeekCounted,
    SegmenterProgressed,
)
from shared.events.envelope import Event
from shared.events.outcomes import (
    ActionCompleted,
    MessageReport,
    MessageSent,
)
from shared.events.vocabulary import Identifier
from shared.observe import Lines
from shared.traces.traces import Traces

_log = structlog.get_logger(__name__)
#: What is told of every decision.
_lines = Lines(__name__)


def _unsure(delivery: Delivery) -> bool:
    """Tell whether it may have been sent without our knowing: in doubt, or about to be repeated."""
    waits = delivery.state in {"planned", "waiting"} and delivery.unanswered_since is not None
    return waits or delivery.state == "in_doubt"


def _reason(report: MessageReport | ActionCompleted) -> str:
    if isinstance(report, ActionCompleted):
        return "she did what it asks for"
    return "the platform reported the message"


def _first(reports: Iterable[MessageReport], ours: Collection[UUID]) -> dict[UUID, datetime]:
    """Map our deliveries to when it happened first."""
    found: dict[UUID, datetime] = {}
    for report in reports:
        one = report.delivery_id
        if one is not None and one in ours:
            found[one] = min(report.occurred_at, found.get(one, report.occurred_at))
    return found


def _alert(created: Iterable[Delivery]) -> None:
    """Write one line for each play whose deliveries wait for a person now."""
    parked = Counter((d.play, d.target, d.reason) for d in created if d.state == "parked")
    for (play, target, reason), count in parked.items():
        _log.warning(
            "dispatcher.parked_at_planning", play=play, target=target, count=count, reason=reason
        )


class Handler:
    """Handles events with one engine; builds nothing, keeps nothing."""

    def __init__(
        self,
        engine: AsyncEngine,
        rules: Rulebook,
        bell: Bell,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        person: Callable[[Identifier], str] | None = None,
        traces: Traces | None = None,
    ) -> None:
        """`person` makes an HMAC of an identifier; needed where a target is in shadow alone."""
        self._engine = engine
        self._rules = rules
        self._bell = bell
        self._metrics = metrics
        self._clock = clock
        self._person = person
        self._traces = traces

    async def __call__(self, batch: Sequence[Received]) -> Sequence[Rejected]:
        """Handle a batch of the bus. Refuses nothing; raises `DependencyAway`."""
        spans = None if self._traces is None else PlanSpans(self._traces, batch)
        await self.apply([item.event for item in batch], spans)
        if spans is not None:
            spans.tell_batch()
        return ()

    async def apply(self, events: Sequence[Event], spans: PlanSpans | None = None) -> None:
        """Handle events. Raises `DependencyAway`; then all of it may be repeated."""
        with away_as_dependency():
            run: list[Told] = []
            for event in events:
                if isinstance(event.data, CustomerDecided):
                    run.append(Told(event.id, event.data))
                elif isinstance(event.data, CustomerMerged | CustomerUnmerged):
                    await self._plan(run, spans)
                    run = []
                    await merge_customers(self._engine, event.data, self._clock())
                    _log.info("dispatcher.merged", event_id=str(event.id), type=event.type)
                elif isinstance(event.data, CustomerErased):
                    await self._plan(run, spans)
                    run = []
                    await self._erase(event.data)
            await self._plan(run, spans)
            await self._reports(
                [e.data for e in events if isinstance(e.data, MessageReport | ActionCompleted)]
            )
            await self._foreign(events)
            await self._weeks(
                [(e.id, e.data) for e in events if isinstance(e.data, OwnerWeekCounted)]
            )
            await self._figures(
                [(e.id, e.data) for e in events if isinstance(e.data, FigureChanged)]
            )
            await self._progress(
                [e.data for e in events if isinstance(e.data, SegmenterProgressed)]
            )

    async def _erase(self, event: CustomerErased) -> None:
        async with self._engine.begin() as connection:
            await foreign.forget(connection, event.people)
        counts = await erase_customer(self._engine, self._rules.targets, event, self._clock())
        if counts is None:
            return
        for target in self._rules.targets:
            self._bell.ring(target)
        _log.info("dispatcher.erased", erasure_id=str(event.erasure_id), **counts)

    async def _plan(self, run: Sequence[Told], spans: PlanSpans | None) -> None:
        if not run:
            return
        plans = await plan_decisions(self._engine, self._rules, run, self._clock())
        if plans is None:
            return
        self._metrics.changed([*plans.created.values(), *plans.ended.values()])
        _alert(plans.created.values())
        for target in self._rules.targets:
            self._bell.ring(target)
        self._bell.ring("teller")
        created: dict[UUID, dict[str, str]] = {}
        for delivery in plans.created.values():
            created.setdefault(delivery.event_id, {})[delivery.play] = delivery.state
        for item in {item.event_id: item for item in run}.values():
            _lines.info(
                "dispatcher.decision_planned",
                {
                    "event_id": str(item.event_id),
                    "decision_id": str(item.decision.decision_id),
                    "customer_id": str(item.decision.customer_id),
                    "version": item.decision.version,
                    "deliveries": created.get(item.event_id, {}),
                },
            )
        if spans is not None:
            spans.tell(run, created)

    async def _reports(self, reports: Sequence[MessageReport | ActionCompleted]) -> None:
        """Note what became of our messages; a report settles what was unsure: it was sent.

        Of her who is forgotten nothing is noted.
        So does what she completed because of it, which tells no stage of the message itself.
        """
        known = {r.delivery_id: _reason(r) for r in reports if r.delivery_id is not None}
        if not known:
            return
        now = self._clock()
        async with self._engine.begin() as connection:
            rows = await ledger.read(connection, known.keys())
            gone = await store.erased(connection, {delivery.customer_id for delivery in rows})
            rows = [delivery for delivery in rows if delivery.customer_id not in gone]
            ours = {delivery.id for delivery in rows}
            for kind, stage in STAGES.items():
                told = [r for r in reports if type(r) is kind]
                moved = await messages.advance(
                    connection, stage, _first(told, ours), by="report", now=now
                )
                # What we found out ourselves is known already: when it comes back it moves nothing.
                await inquiries.told_otherwise(connection, moved, stage)
            sent = [
                replace(delivery.to("accepted", known[delivery.id]), unanswered_since=None)
                for delivery in rows
                if _unsure(delivery)
            ]
            await ledger.move(connection, sent, by="report", now=now)
        self._metrics.changed(sent)
        self._bell.ring("teller")

    async def _foreign(self, events: Sequence[Event]) -> None:
        """Keep what others sent, for the report that a shadow is there for."""
        if self._person is None or not self._rules.shadows:
            return
        sent = [
            (event.id, event.data)
            for event in events
            if isinstance(event.data, MessageSent) and event.data.delivery_id is None
        ]
        if sent:
            async with self._engine.begin() as connection:
                await foreign.note(connection, sent, self._person)

    async def _weeks(self, told: Sequence[tuple[UUID, OwnerWeekCounted]]) -> None:
        """Have a notice for each owner's week that somebody is to read."""
        now = self._clock()
        found: list[Notice] = []
        for event_id, week in told:
            notice = notice_of(
                event_id, week, self._rules.playbook.digests, self._rules.targets, now
            )
            if isinstance(notice, Notice):
                found.append(notice)
            else:
                _log.info(
                    "dispatcher.week_untold",
                    event_id=str(event_id),
                    digest=week.digest,
                    reason=notice,
                )
        await self._due("dispatcher.weeks_due", found, now)

    async def _figures(self, told: Sequence[tuple[UUID, FigureChanged]]) -> None:
        """Have a notice for each change of a figure that somebody is to read."""
        now = self._clock()
        found: list[Notice] = []
        routes, targets = self._rules.playbook.figure_alerts, self._rules.targets
        for event_id, figure in told:
            notice = figure_alerts.notice_of(event_id, figure, routes, targets, now)
            if isinstance(notice, Notice):
                found.append(notice)
            else:
                _log.info(
                    "dispatcher.figure_untold",
                    event_id=str(event_id),
                    alert=figure.alert,
                    reason=notice,
                )
        await self._due("dispatcher.figures_due", found, now)

    async def _due(self, event: str, found: Sequence[Notice], now: datetime) -> None:
        """Have these notices, and log by this event how many are new."""
        if found:
            async with self._engine.begin() as connection:
                new = await week_store.add(connection, found, now)
            _log.info(event, notices=new)

    async def _progress(self, told: Sequence[SegmenterProgressed]) -> None:
        if told:
            reaches = [progress.Reach(t.topic, t.partition, t.partitions, t.upto) for t in told]
            async with self._engine.begin() as connection:
                await progress.save(connection, reaches)
