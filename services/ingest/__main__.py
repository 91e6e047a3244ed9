"""Start ingest: `python -m services.ingest` (or `… migrate`)."""

import structlog

from services.ingest.app import make_part
from services.ingest.catalogue import load_catalogue
from services.ingest.intake import Intake
from services.ingest.quarantine import Quarantine
from services.ingest.sight import Sight
from shared.hosting import Part
from shared.process import Context, main

_log = structlog.get_logger(__name__)


async def build(context: Context) -> Part:
    """Wire the service. Raises `ConfigError` for a wrong `sources.yaml` or a missing secret."""
    catalogue = load_catalogue(context.config_file("sources.yaml"), context.secrets)
    for source in catalogue.sources.values():
        if source.verifier.check is None:
            _log.warning("ingest.source_unsigned", source=source.name)
    engine = context.engine("ingest", connections=5)
    quarantine = Quarantine(engine)
    intake = Intake(
        context.bus.publisher,
        quarantine.ping,
        route_key=context.route_key(),
        body_bytes=catalogue.body_bytes,
        clock=context.clock,
    )
    return make_part(
        access=context.access,
        catalogue=catalogue,
        intake=intake,
        quarantine=quarantine,
        sight=Sight(context.registry),
        close=engine.dispose,
    )


if __name__ == "__main__":
    main("ingest", build)
