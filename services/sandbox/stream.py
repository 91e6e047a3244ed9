"""What a browser watches: Server-Sent Events, each a JSON text with what changed.

Promised: a stream ends when the client leaves (the server cancels it) and within a quarter of a
second of the process being told to stop, so that Ctrl-C never waits for an open page.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import orjson

from services.sandbox.connection import TICK_S
from services.sandbox.record import Record, View

#: Rows a browser shows; more would only slow it down.
SHOWN: Final = 300
#: Gathers a burst into one event, so that 500 calls/s do not make 500 redraws/s.
_GATHER_S: Final = 0.1
#: A comment at least this often keeps intermediaries from closing a quiet stream.
_QUIET_S: Final = 15.0


def as_json(view: View) -> dict[str, Any]:
    """Write a view as the page and the API show it."""
    return {
        "generation": view.generation,
        "entries": [entry.model_dump(mode="json") for entry in view.entries],
        "switches": {name: s.model_dump(mode="json") for name, s in view.switches.items()},
        "counters": {name: c.model_dump(mode="json") for name, c in view.counters.items()},
    }


async def events(record: Record, stopping: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Give everything shown at first, then what is new, until the process stops."""
    view = record.view(limit=SHOWN)
    yield _event(view)
    newest, quiet = _newest(view, 0), 0.0
    while not stopping():
        await record.changed(view.version, TICK_S)
        if record.version == view.version:
            quiet += TICK_S
            if quiet >= _QUIET_S:
                quiet = 0.0
                yield b": still here\n\n"
            continue
        await asyncio.sleep(_GATHER_S)
        if record.view(limit=0).generation != view.generation:
            newest = 0
        view = record.view(after=newest, limit=SHOWN)
        newest, quiet = _newest(view, newest), 0.0
        yield _event(view)


def _newest(view: View, before: int) -> int:
    return view.entries[0].number if view.entries else before


def _event(view: View) -> bytes:
    return b"data: " + orjson.dumps(as_json(view)) + b"\n\n"
