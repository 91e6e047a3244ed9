"""Start ingest: `python -m services.ingest` (or `… migrate`)."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from services.ingest.app import Prunable, make_part, pruning
from services.ingest.catalogue import load_catalogue
from services.ingest.correct.ahead import Ahead
from services.ingest.correct.erase_api import erase_router
from services.ingest.correct.export_api import export_router
from services.ingest.correct.quarantine_api import quarantine_router
from services.ingest.correct.remapping import Remapping
from services.ingest.correct.replay import Replay
from services.ingest.correct.source_api import source_router
from services.ingest.correct.ways import Ways
from services.ingest.fetch.parts import REMEMBERED_FOR, FetchParts
from services.ingest.fetch.theirs import TheirFetches
from services.ingest.history.api import imports_router
from services.ingest.history.table import Imports
from services.ingest.keep.bodies import Bodies
from services.ingest.keep.bodies_table import BodiesTable
from services.ingest.keep.breaker import Breaker
from services.ingest.keep.configs import Configs, remembering
from services.ingest.keep.drain import Drain
from services.ingest.keep.erasing import Erasing, is_erasure
from services.ingest.keep.export import Exporting
from services.ingest.keep.forget import Forgetting
from services.ingest.keep.intake import Intake
from services.ingest.keep.people import people
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.quarantine_watch import QuarantineWatch
from services.ingest.keep.spool import Spool
from services.ingest.keep.spool_table import SpoolTable
from services.ingest.keep.tombstones import Tombstones
from services.ingest.outside.api import events_router
from services.ingest.outside.stop_api import stop_router
from services.ingest.receive.receiver import Receiver
from services.ingest.sight import Sight
from shared.audit.part import auditing
from shared.bus.consume import ConsumeLoop
from shared.events.envelope import DECISIONS
from shared.hosting import Part, Task
from shared.process import Context, main
from shared.stop_links import StopLinks

_log = structlog.get_logger(__name__)

#: Nearly all records are passed over unread, so many at once cost little.
_BATCH: Final = 1000
#: An erasure may come a second later; decisions that come one by one then cost one look together.
_REST: Final = timedelta(seconds=1)


async def build(context: Context) -> Part:
    """Wire the service. Raises `ConfigError` for a wrong `sources.yaml` or a missing secret."""
    rules = context.identifier_rules()
    catalogue = load_catalogue(context.config_file("sources.yaml"), context.secrets, rules)
    sight = Sight(context.registry)
    for source in catalogue.sources.values():
        if source.verifier.check is None:
            _log.warning("ingest.source_unsigned", source=source.name)
        if len(source.entry.secrets) > 1:
            sight.has_two_secrets(source.name)
    consumer = await context.bus.subscribe("ingest", [DECISIONS])
    engine = context.engine("ingest", connections=8)
    route_key = context.route_key()
    quarantine = Quarantine(engine, route_key=route_key)
    tombstones = Tombstones(engine, route_key=route_key, rules=rules, registry=context.registry)
    bodies = Bodies(BodiesTable(engine), registry=context.registry, on=bool(catalogue.bodies_for))
    breaker = Breaker()
    configs = Configs(engine)
    tasks: dict[str, Task] = {
        "bodies": bodies.run,
        "mappings": remembering(
            configs, [one.used for one in catalogue.sources.values()], context.clock
        ),
    }
    tasks["quarantine"] = QuarantineWatch(
        quarantine, catalogue.sources, clock=context.clock, registry=context.registry
    ).run
    spool: Spool | None = None
    if context.settings.bus == "kafka":
        # The log in PostgreSQL is away exactly when a spool in PostgreSQL would be.
        table = SpoolTable(engine)
        spool = Spool(table, limits=catalogue.spool, clock=context.clock, registry=context.registry)
        tasks["drain"] = Drain(
            table,
            spool,
            context.bus.publisher,
            breaker,
            tombstones,
            clock=context.clock,
            registry=context.registry,
        ).run
    intake = Intake(
        context.bus.publisher,
        quarantine.ping,
        route_key=route_key,
        body_bytes=catalogue.body_bytes,
        clock=context.clock,
        spool=spool,
        breaker=breaker,
        traces=context.traces,
    )
    fetching = FetchParts(
        [one.recipe for one in catalogue.sources.values() if one.recipe is not None],
        engine=engine,
        publish=intake.publish,
        quarantine=quarantine,
        tombstones=tombstones,
        whom=partial(people, route_key),
        keep=bodies.keep,
        registry=context.registry,
        clock=context.clock,
    )
    receiver = Receiver(intake, quarantine, bodies, fetching.fetches, sight, route_key=route_key)

    ways = Ways(catalogue, configs)
    replay = Replay(
        ways,
        intake,
        quarantine,
        bodies,
        fetching.fetches,
        tombstones=tombstones,
        route_key=route_key,
    )
    remapping = Remapping(ways, intake, BodiesTable(engine), tombstones, route_key=route_key)
    theirs = TheirFetches(engine, route_key=route_key, rules=rules)
    forgetting = Forgetting(
        bodies, quarantine, SpoolTable(engine), theirs, tombstones, route_key=route_key
    )
    exporting = Exporting(BodiesTable(engine), quarantine, SpoolTable(engine), theirs)
    erasures = ConsumeLoop(
        consumer,
        context.bus.publisher,
        Erasing(forgetting, context.bus.publisher, context.registry, clock=context.clock),
        clock=context.clock,
        batch=_BATCH,
        meters=context.bus_meters.of("ingest", [DECISIONS]),
        wanted=is_erasure,
        rest=_REST,
    )
    audit = auditing(context, engine, "ingest", ("sources.yaml", "access.yaml"))
    ahead = Ahead(engine, intake, audit.trail)
    routers = (
        events_router(context.access, intake, sight, rules),
        stop_router(intake, sight, StopLinks(route_key)),
        quarantine_router(context.access, intake, quarantine, replay, ahead=ahead),
        imports_router(context.access, intake, Imports(engine), ways, tombstones, ahead=ahead),
        source_router(context.access, intake, ways, remapping, ahead=ahead),
        erase_router(
            context.access, intake, forgetting, route_key=route_key, rules=rules, ahead=ahead
        ),
        export_router(
            context.access,
            intake,
            exporting,
            forgetting,
            route_key=route_key,
            rules=rules,
            ahead=ahead,
        ),
        audit.router,
    )
    kept: dict[str, tuple[Prunable, timedelta]] = {
        "quarantine": (quarantine, catalogue.quarantine_for),
        "bodies": (bodies, catalogue.bodies_for),
        "spool_dead": (SpoolTable(engine), catalogue.quarantine_for),
        "fetches": (fetching, REMEMBERED_FOR),
    }

    def alive() -> Sequence[str]:
        return () if erasures.alive() else ("erasures",)

    async def close() -> None:
        await fetching.close()
        await engine.dispose()

    return make_part(
        catalogue=catalogue,
        intake=intake,
        receiver=receiver,
        sight=sight,
        routers=routers,
        tasks={
            **tasks,
            **fetching.tasks,
            "erasures": erasures.run,
            "audit": audit.run,
            "pruning": pruning(kept, context.clock),
        },
        alive=alive,
        close=close,
    )


if __name__ == "__main__":
    main("ingest", build)
