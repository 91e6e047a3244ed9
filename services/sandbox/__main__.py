"""Starting the sandbox: as a part of `python -m services`, or alone (`python -m services.sandbox`).

Alone it needs neither database nor bus: only an address to listen on (`NPS_HOST`, `NPS_PORT`) and,
if it should remember across restarts, a file (`NPS_SANDBOX_FILE`).
"""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.sandbox.app import make_router
from services.sandbox.journal import Journal
from services.sandbox.record import Record
from shared.hosting import Part, host
from shared.observe import configure_logging
from shared.process import Context, read_settings, run_or_explain
from shared.shutdown import ENDING_S, Stop
from shared.times import utc_now


def make_part(clock: Callable[[], datetime], file: Path | None) -> Part:
    """Build the sandbox; `file` keeps what was received (None: only this process knows)."""
    record = Record(Journal(file), clock)
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")

    async def close() -> None:
        record.close()

    return Part(name="sandbox", routers=[make_router(record, page)], close=close)


async def build(context: Context, file: Path | None = None) -> Part:
    """Wire the sandbox into a process that hosts other parts, too."""
    return make_part(context.clock, file)


async def run_alone() -> None:
    """Host the sandbox and nothing else until told to stop."""
    settings = read_settings()
    configure_logging(settings.log_level)
    file = os.environ.get("NPS_SANDBOX_FILE")
    part = make_part(utc_now, Path(file) if file else None)
    await host(
        [part],
        address=settings.host,
        port=settings.port,
        registry=CollectorRegistry(),
        drain_s=settings.drain_s,
        stop=Stop(settings.drain_s + ENDING_S),
    )


if __name__ == "__main__":
    run_or_explain(run_alone)
