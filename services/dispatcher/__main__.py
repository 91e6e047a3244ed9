"""The dispatcher's wiring: configuration, ledger, lanes, consumer, routes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher import watch
from services.dispatcher.api.bulk import build_bulk_router
from services.dispatcher.api.deliveries import build_router
from services.dispatcher.api.plays import build_play_router
from services.dispatcher.api.preflight import build_preflight_router
from services.dispatcher.api.profiles import build_profiles_router
from services.dispatcher.api.shadow import build_shadow_router
from services.dispatcher.api.subject import build_subject_router
from services.dispatcher.api.targets import build_target_router
from services.dispatcher.bell import Bell
from services.dispatcher.brakes.brakes import add_targets
from services.dispatcher.brakes.breaker import BreakerRule
from services.dispatcher.brakes.rate_store import add_rates
from services.dispatcher.consent.telling import tell_shown
from services.dispatcher.consume.handle import Handler
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.flights import BUDGET, Surroundings
from services.dispatcher.lanes.lane import LEASE, Lane
from services.dispatcher.lanes.sweep import EVERY_S, sweep
from services.dispatcher.ledger import pushes
from services.dispatcher.ledger.desk import Desk
from services.dispatcher.ledger.pruning import EVERY_S as PRUNE_EVERY_S
from services.dispatcher.ledger.pruning import prune
from services.dispatcher.metrics import Metrics
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.status.reporting import report_found
from services.dispatcher.targets.cross_check import check_plays
from services.dispatcher.targets.preflight import Preflights
from services.dispatcher.targets.settings import alerts_of, batch_of, status_of
from services.dispatcher.targets.targets import Target, Targets, open_targets
from services.dispatcher.tell.confirm import confirm_erasures
from services.dispatcher.tell.herald import EVERY_S as HERALD_EVERY_S
from services.dispatcher.tell.herald import Herald, Reader
from services.dispatcher.tell.tell import Teller, not_told_by_us
from shared.audit.part import auditing
from shared.bus.consume import ConsumeLoop
from shared.errors import ConfigError
from shared.events.envelope import DECISIONS, OUTCOMES
from shared.events.vocabulary import Channel
from shared.hosting import Part
from shared.identifiers import hashed
from shared.process import Context, main
from shared.settings import Loaded, load_yaml

#: A loop that has not gone round for this long is stuck: lanes and teller go round every second.
STUCK: Final = timedelta(seconds=60)

#: Whose versions are recorded at a start.
FILES: Final = ("playbook.yaml", "targets.yaml", "access.yaml")

_KEEP_PLAYBOOK = text("""
    INSERT INTO playbooks (version, text, first_used) VALUES (:version, :text, :now)
    ON CONFLICT DO NOTHING
""")


def target_rules(target: Target) -> TargetRules:
    """Take from a target's settings what planning and sending must know."""
    settings, act = target.settings, target.preset.act
    windows = target.preset.limits.windows if settings.windows is None else settings.windows
    pushed = tuple(settings.attributes) if settings.push_profile else ()
    return TargetRules(
        name=target.name,
        concurrency=target.concurrency,
        attributes=pushed,
        in_messages=tuple(dict.fromkeys([*settings.attributes, *settings.message])),
        on_unknown=settings.on_unknown,
        skip_delay_and_quiet_hours=settings.skip_delay_and_quiet_hours,
        sandbox=settings.sandbox,
        shadow=settings.shadow,
        classes=act.classes if act else (),
        channels=tuple(act.channels) if act and act.channels is not None else None,
        erased_by=None if target.preset.erase is None else target.preset.erase.needs,
        updates=target.preset.update is not None,
        alerts=alerts_of(target.preset, settings),
        rates=windows,
        at_once=settings.at_once or target.preset.limits.at_once,
        batch=batch_of(target.preset, settings),
        status=status_of(target.preset, settings),
        breaker=BreakerRule(
            share=settings.breaker.share,
            least=settings.breaker.least,
            over=timedelta(seconds=settings.breaker.over_s),
            probe=timedelta(seconds=settings.breaker.probe_s),
        ),
    )


def _channel(target: Target) -> Channel:
    """Return how a target's readers are reached: by the first channel that it serves."""
    act = target.preset.act
    return next(iter(act.channels or ()), "chat") if act else "chat"


async def _keep(engine: AsyncEngine, playbook: Loaded[Playbook], now: datetime) -> None:
    """Keep the playbook's text under its version: deliveries name it."""
    async with engine.begin() as connection:
        values = {"version": playbook.version, "text": playbook.text, "now": now}
        await connection.execute(_KEEP_PLAYBOOK, values)


async def build(context: Context) -> Part:
    """Build the dispatcher. Raises `ConfigError`."""
    playbook = load_yaml(context.config_file("playbook.yaml"), Playbook)
    targets = await open_targets(
        context.config_file("targets.yaml"),
        context.secrets,
        clock=context.clock,
        route_key=context.settings.route_key,
        traces=context.traces,
    )
    try:
        check_plays(playbook, targets)
    except ConfigError:
        await targets.close()
        raise
    known = {name: target_rules(target) for name, target in targets.items()}
    rules = Rulebook(playbook.value, playbook.version, known)
    # A lane needs one connection to claim and one to record; the rest is for handler and routes.
    engine = context.engine("dispatcher", connections=8 + 2 * len(targets))
    try:
        return await _part(context, engine, targets, rules, playbook)
    except BaseException:
        await targets.close()
        await engine.dispose()
        raise


def _metrics(context: Context, rules: Rulebook) -> Metrics:
    metrics = Metrics(context.registry, exemplars=context.traces is not None)
    metrics.begin(((play.name, play.do.target) for play in rules.playbook.plays), rules.targets)
    return metrics


async def _part(
    context: Context,
    engine: AsyncEngine,
    targets: Targets,
    rules: Rulebook,
    playbook: Loaded[Playbook],
) -> Part:
    await _keep(engine, playbook, context.clock())
    await add_targets(engine, list(targets))
    live = [name for name in targets if name not in rules.shadows]
    await pushes.leave_shadow(engine, live, context.clock())
    rates = {name: known.rates for name, known in rules.targets.items()}
    await add_rates(engine, rates, context.clock())
    metrics, bell = _metrics(context, rules), Bell()
    around = Surroundings(bell, metrics, context.clock, traces=context.traces)
    desks = {
        name: Desk(
            engine=engine,
            rules=rules.targets[name],
            playbook=rules.playbook,
            version=rules.version,
            idempotency=target.carrier.action_idempotency,
            lease=LEASE,
            shadows=rules.shadows,
            traced=around.traces is not None,
        )
        for name, target in targets.items()
    }
    lanes = [Lane(desks[name], target.carrier, around) for name, target in targets.items()]
    readers = [
        Reader(desks[name], target.carrier, _channel(target))
        for name, target in targets.items()
        if desks[name].rules.alerts is not None and not desks[name].rules.shadow
    ]
    herald = Herald(engine, readers, metrics, context.clock, BUDGET)
    consumer = await context.bus.subscribe("dispatcher", [DECISIONS, OUTCOMES])
    person = partial(hashed, context.route_key()) if rules.shadows else None
    handler = Handler(
        engine, rules, bell, metrics, context.clock, person=person, traces=around.traces
    )
    loop = ConsumeLoop(
        consumer,
        context.bus.publisher,
        handler,
        clock=context.clock,
        meters=context.bus_meters.of("dispatcher", [DECISIONS, OUTCOMES]),
        # What we have told comes back, and would be decoded for nothing.
        wanted=not_told_by_us,
    )
    teller = Teller(engine, context.bus.publisher, bell, context.clock, traces=around.traces)

    audit = auditing(context, engine, "dispatcher", FILES)
    preflights = Preflights(engine, targets, metrics, context.clock)

    async def reach(stopping: asyncio.Event) -> None:
        await watch.repeat(
            stopping, lambda: watch.report_own_reach(engine, consumer, metrics, context.clock)
        )

    async def measure(stopping: asyncio.Event) -> None:
        await watch.repeat(
            stopping, lambda: watch.measure(engine, metrics, rules.targets, context.clock)
        )

    async def confirm_once() -> None:
        await confirm_erasures(engine, context.bus.publisher, context.clock())

    async def confirming(stopping: asyncio.Event) -> None:
        await watch.repeat(stopping, confirm_once)

    async def sweep_once() -> None:
        changed = await sweep(engine, list(targets), context.clock())
        metrics.changed(changed)
        if changed:
            bell.ring("teller")

    async def sweeping(stopping: asyncio.Event) -> None:
        await watch.repeat(stopping, sweep_once, EVERY_S)

    async def telling() -> None:
        await herald.step()

    async def heralding(stopping: asyncio.Event) -> None:
        if readers:
            await watch.repeat(stopping, telling, HERALD_EVERY_S)
        else:
            await stopping.wait()

    async def ready() -> Sequence[str]:
        waiting = [loop.waiting_for, teller.waiting_for, *(lane.waiting_for for lane in lanes)]
        return tuple(dict.fromkeys(reason for reason in waiting if reason))

    def alive() -> Sequence[str]:
        moved = {"consumer": loop.moved_at, "teller": teller.moved_at}
        moved |= {f"lane {lane.target}": lane.moved_at for lane in lanes}
        oldest = context.clock() - STUCK
        return [f"{name} does not move" for name, at in moved.items() if at < oldest]

    async def close() -> None:
        await targets.close()
        await engine.dispose()

    return Part(
        name="dispatcher",
        routers=[
            build_router(engine, context.access, bell, metrics, context.clock, trail=audit.trail),
            build_subject_router(engine, context.access, context.clock, trail=audit.trail),
            build_bulk_router(
                engine,
                context.access,
                rules=rules,
                bell=bell,
                metrics=metrics,
                clock=context.clock,
                trail=audit.trail,
            ),
            build_target_router(
                engine, context.access, rules.targets, bell, context.clock, trail=audit.trail
            ),
            build_profiles_router(
                engine, context.access, rules.targets, bell, context.clock, trail=audit.trail
            ),
            build_play_router(
                engine, context.access, rules.playbook, context.clock, trail=audit.trail
            ),
            build_shadow_router(engine, context.access, rules, person, context.clock),
            build_preflight_router(
                preflights, context.access, frozenset(targets), context.clock, trail=audit.trail
            ),
            audit.router,
        ],
        tasks={
            "consume": loop.run,
            "tell": teller.run,
            "reach": reach,
            "measure": measure,
            "freshness": lambda stopping: watch.repeat(
                stopping,
                lambda: watch.judge_freshness(
                    engine, metrics, rules.playbook.max_staleness, context.clock
                ),
            ),
            "busiest": lambda stopping: watch.repeat(
                stopping,
                lambda: watch.find_busiest(engine, metrics, context.clock),
                watch.BUSIEST_EVERY_S,
            ),
            "sweep": sweeping,
            "coupons": lambda stopping: watch.repeat(
                stopping, lambda: watch.refill_coupons(engine, rules, metrics, bell, context.clock)
            ),
            "confirm": confirming,
            "prune": lambda stopping: watch.repeat(
                stopping, lambda: prune(engine, context.clock()), PRUNE_EVERY_S
            ),
            "report": lambda stopping: watch.repeat(
                stopping, lambda: report_found(engine, context.bus.publisher)
            ),
            "consent": lambda stopping: watch.repeat(
                stopping, lambda: tell_shown(engine, context.bus.publisher, metrics)
            ),
            "herald": heralding,
            "preflight": preflights.run,
            "audit": audit.run,
            **{f"lane-{lane.target}": lane.run for lane in lanes},
        },
        ready=ready,
        alive=alive,
        close=close,
    )


if __name__ == "__main__":
    main("dispatcher", build)
