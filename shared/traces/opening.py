"""Opening the traces of a process, where they are on, and sending what waits at its end."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from shared.traces.traces import Traces


@dataclass(frozen=True, slots=True)
class Opened:
    """Traces that are on; `close` may take as long as the exporter waits for an answer."""

    traces: Traces
    close: Callable[[], None]

    async def send(self) -> None:
        """Send what waits. Cut off, it keeps nobody from ending."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def closing() -> None:
            self.close()
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(sent.set)

        # No thread of the loop's, for whose end the interpreter would wait.
        threading.Thread(target=closing, daemon=True).start()
        await sent.wait()


def open_traces(chosen: Literal["off", "otlp"], service: str, instance: str) -> Opened | None:
    """Open what the setting chose; `service` and `instance` name the process. Raises `ConfigError`.

    Only where traces are on is the SDK imported: who leaves them off has none of it in memory.
    """
    if chosen == "off":
        return None
    from shared.traces.otlp import otlp_traces  # noqa: PLC0415

    return Opened(*otlp_traces(service, instance))
