"""A process to be killed: joins a group, takes what there is, and stands still without committing.

`python -m tests.builders.bus_member KIND URL PREFIX GROUP TOPIC` prints `took 3` after 3 records.
"""

import asyncio
import sys
from datetime import timedelta
from typing import cast

from tests.builders.buses import Buses, take


async def main(kind: str, url: str, prefix: str, group: str, topic: str) -> None:
    assert kind in ("postgres", "kafka")
    buses = Buses("postgres" if kind == "postgres" else "kafka", url, prefix)
    bus = await buses.open(patience=timedelta(seconds=3) if kind == "postgres" else None)
    records = await take(await bus.subscribe(group, [topic]), 3)
    sys.stdout.write(f"took {len(records)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*cast("tuple[str, str, str, str, str]", sys.argv[1:])))
