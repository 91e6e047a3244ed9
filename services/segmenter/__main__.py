"""Wiring of the segmenter: `python -m services.segmenter` (`migrate` migrates its schema)."""

from collections.abc import Sequence

from sqlalchemy import text

from services.segmenter.api.cases import make_case_router
from services.segmenter.api.customers import make_router
from services.segmenter.api.dead_letters import make_dead_letter_router
from services.segmenter.api.eligibility import make_eligibility_router
from services.segmenter.api.erase import make_erase_router
from services.segmenter.api.explain import make_explain_router
from services.segmenter.api.export import make_export_router
from services.segmenter.api.merge import make_merge_router
from services.segmenter.api.policy import make_policy_router
from services.segmenter.api.quality import make_quality_router
from services.segmenter.decide.decide import Rulebook
from services.segmenter.digests.telling import DigestTeller
from services.segmenter.erase.request import Requests
from services.segmenter.erase.waiting import ErasureMetrics
from services.segmenter.erase.waiting import Watch as ErasureWatch
from services.segmenter.figures.figures_api import make_figures_router
from services.segmenter.figures.meters import FigureMetrics
from services.segmenter.figures.watch import FigureWatch
from services.segmenter.handle import Handler
from services.segmenter.metrics import Metrics
from services.segmenter.policy.whole import Policy
from services.segmenter.store.progress import ProgressTeller
from services.segmenter.store.pruning import Pruning
from services.segmenter.store.timers import Timers
from services.segmenter.sweep.meters import SweepMetrics
from services.segmenter.sweep.pace import Backlog
from services.segmenter.sweep.sweeper import Sweep
from services.segmenter.themes.themes import finder
from shared import process
from shared.audit.part import auditing
from shared.bus.consume import ConsumeLoop
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events.envelope import FEEDBACK, OUTCOMES
from shared.hosting import Part
from shared.settings import load_yaml

#: Large enough to amortise a transaction: its sixteen statements cost some 4 ms of CPU, and what is
#: not deciding took a tenth to a fifth less of it for each event than with 100; 400 took no less.
#: Deciding a batch (some 0.5 ms an event) holds up everything else in the process, and its
#: decisions leave together, so no larger.
_BATCH = 200


async def build(context: process.Context) -> Part:
    """Build the segmenter: consumer loop, timers, progress, API."""
    loaded = load_yaml(context.config_file("policy.yaml"), Policy)
    rulebook = Rulebook(loaded.value, loaded.version, finder(loaded.value))
    metrics = Metrics(context.registry, exemplars=context.traces is not None)
    engine = context.engine("segmenter")
    publisher, clock = context.bus.publisher, context.clock
    rules = context.identifier_rules()
    consumer = await context.bus.subscribe("segmenter", [FEEDBACK, OUTCOMES])
    audit = auditing(context, engine, "segmenter", ("policy.yaml", "access.yaml"))
    handler = Handler(
        engine,
        publisher,
        rulebook,
        loaded.text,
        clock=clock,
        metrics=metrics,
        route_key=context.route_key(),
        trail=audit.trail,
        traces=context.traces,
    )
    backlog = Backlog(_BATCH)
    loop = ConsumeLoop(
        consumer,
        publisher,
        handler,
        clock=clock,
        batch=_BATCH,
        meters=context.bus_meters.of("segmenter", [FEEDBACK, OUTCOMES]),
        on_batch=lambda done: backlog.batch(done.handled + done.dead, done.oldest, clock()),
    )
    erasures = Requests(engine, publisher, context.route_key(), trail=audit.trail, clock=clock)
    open_erasures = ErasureWatch(engine, ErasureMetrics(context.registry), clock=clock)
    timers = Timers(engine, publisher, clock=clock, metrics=metrics)
    pruning = Pruning(engine, clock=clock, metrics=metrics)
    digests = DigestTeller(engine, publisher, rulebook, clock=clock, metrics=metrics)
    figures = FigureWatch(
        engine, publisher, rulebook, clock=clock, metrics=FigureMetrics(context.registry)
    )
    sweep_metrics = SweepMetrics(context.registry)
    sweep = Sweep(
        engine,
        rulebook,
        rules,
        clock=clock,
        metrics=sweep_metrics,
        busy=lambda: backlog.waits(clock()),
    )
    progress = ProgressTeller(consumer, publisher, clock=clock, metrics=metrics)

    async def ready() -> Sequence[str]:
        missing = [reason for reason in (loop.waiting_for, timers.waiting_for) if reason]
        missing += [f"halted before an unknown event: {p.topic}/{p.number}" for p in loop.halted]
        try:
            with away_as_dependency():
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT 1"))
        except DependencyAway as error:
            missing.append(str(error))
        return missing

    def alive() -> Sequence[str]:
        return () if loop.alive() else ("consume",)

    return Part(
        name="segmenter",
        routers=[
            make_router(engine, rulebook, context.access, clock, rules),
            make_case_router(engine, rulebook, context.access, clock, publisher, trail=audit.trail),
            make_merge_router(engine, rulebook, context.access, clock, rules, publisher=publisher),
            make_erase_router(erasures, context.access, rules, clock=clock),
            make_export_router(engine, context.access, rules, clock=clock, trail=audit.trail),
            make_explain_router(engine, rulebook, context.access, clock, rules),
            make_eligibility_router(engine, rulebook, context.access, clock, rules),
            make_figures_router(engine, rulebook, context.access, clock),
            make_policy_router(
                engine, rulebook, context.access, clock, publisher, trail=audit.trail
            ),
            make_quality_router(engine, rulebook, context.access, clock),
            make_dead_letter_router(engine, context.access, clock, context.bus, trail=audit.trail),
            audit.router,
        ],
        tasks={
            "consume": loop.run,
            "timers": timers.run,
            "pruning": pruning.run,
            "progress": progress.run,
            "erasures": erasures.run,
            "open erasures": open_erasures.run,
            "sweep": sweep.run,
            "figures": figures.run,
            "digests": digests.run,
            "audit": audit.run,
        },
        ready=ready,
        alive=alive,
        close=engine.dispose,
    )


if __name__ == "__main__":
    process.main("segmenter", build)
