"""What a start is recorded by: the version of each file in use, a fingerprint of each secret.

In: files and references with their values. Out: a row for each that differs from what was in use
before, whichever replica is first. A second secret of a source is a reference of its own, so the
rows show when a rotation began and when the old one was left.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit.actions import STARTED
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.hosting import Task
from shared.settings import Secrets, version_of
from shared.stopping import pause

_log = structlog.get_logger(__name__)

_AGAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class InUse:
    """Versions of files by name, and fingerprints of secrets by reference."""

    files: Mapping[str, str]
    secrets: Mapping[str, str]


def in_use(trail: Trail, folder: Path, files: tuple[str, ...], secrets: Secrets) -> InUse:
    """Look at the files of a service that are there, and at the secrets that it asked for."""
    read = {
        name: (folder / name).read_text(encoding="utf-8")
        for name in files
        if (folder / name).is_file()
    }
    return InUse(
        files={name: version_of(content) for name, content in read.items()},
        secrets={
            reference: trail.fingerprint(reference, value)
            for reference, value in secrets.used().items()
        },
    )


async def record(engine: AsyncEngine, trail: Trail, found: InUse, now: datetime) -> int:
    """Write down what is in use now and was not before; returns how many rows that took.

    Raises `DependencyAway`.
    """
    pen, count = trail.pen(STARTED, now), 0
    with away_as_dependency():
        async with engine.begin() as connection:
            # The turn first: of replicas that start together, one finds that it is written already.
            await trail.turn(connection)
            files = await trail.newest(connection, ["configuration.used"])
            for name, version in sorted(found.files.items()):
                if files.get(name, ("", {}))[1] != {"version": version}:
                    await pen.note(connection, "configuration.used", name, version=version)
                    count += 1
            known = await trail.newest(connection, ["secret.used", "secret.left"])
            for name, mark in sorted(found.secrets.items()):
                if known.get(name) != ("secret.used", {"fingerprint": mark}):
                    await pen.note(connection, "secret.used", name, fingerprint=mark)
                    count += 1
            for name, (action, _) in sorted(known.items()):
                if action == "secret.used" and name not in found.secrets:
                    await pen.note(connection, "secret.left", name)
                    count += 1
            head = await trail.head(connection)
    # In the log, too: whoever keeps logs elsewhere has a head there.
    _log.info("audit.head", service=trail.service, seq=head.seq, hash=head.hash)
    return count


def recording(
    engine: AsyncEngine, trail: Trail, found: InUse, clock: Callable[[], datetime]
) -> Task:
    """Make the task that records a start, as soon as the database lets it."""

    async def run(stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await record(engine, trail, found, clock())
            except DependencyAway:
                _log.warning("audit.start_not_yet_recorded", service=trail.service)
                await pause(stopping, _AGAIN_S)
            else:
                await stopping.wait()

    return run
