"""One postgres process: is it the one of our cluster, does it answer, and how it is ended.

A pid alone proves nothing (the system gives it to others later), so a process counts as ours only
if it works in our cluster's folder, or, where that cannot be seen, if PostgreSQL answers on our
socket and says it is this process.
"""

import asyncio
import os
import signal
import subprocess
from enum import Enum
from pathlib import Path
from typing import Final

import asyncpg

from shared.embedded.sockets import PORT

SUPERUSER: Final = "postgres"


class Answer(Enum):
    """What a connection attempt tells."""

    READY = "ready"
    BUSY = "busy"  # starting, recovering or stopping: there, but not for us
    NONE = "none"


async def ask(socket_folder: Path, statement: str = "SELECT 1") -> tuple[Answer, object]:
    """Run one statement as the superuser; tells how the server answers, and what."""
    try:
        connection = await asyncpg.connect(
            host=str(socket_folder), port=PORT, user=SUPERUSER, database="postgres", timeout=5
        )
    except asyncpg.CannotConnectNowError:
        return Answer.BUSY, None
    except asyncpg.TooManyConnectionsError:
        return Answer.READY, None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return Answer.NONE, None
    try:
        return Answer.READY, await connection.fetchval(statement)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return Answer.BUSY, None
    finally:
        connection.terminate()


async def is_ours(pid: int, pgdata: Path, socket_folder: Path | None) -> bool:
    """Tell whether `pid` is the postgres of this cluster (a zombie is not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another account's process; ours would be allowed, but let the folder decide
    seen = _works_in(pid, pgdata)
    if seen is not None:
        return seen
    if socket_folder is None:
        return False
    answer, noted = await ask(socket_folder, "SELECT pg_read_file('postmaster.pid', 0, 20)")
    if answer is Answer.READY and isinstance(noted, str):
        return noted.split("\n", 1)[0] == str(pid)
    return answer is not Answer.NONE


def _works_in(pid: int, pgdata: Path) -> bool | None:
    """Look at the process's working folder or arguments; None where the system shows neither."""
    process = Path("/proc") / str(pid)
    if not process.parent.joinpath("self", "cwd").exists():
        return None
    try:
        return process.joinpath("cwd").samefile(pgdata)
    except PermissionError:  # root in a container may lack the right to look; arguments are public
        pass
    except OSError:  # no such process, or a zombie
        return False
    try:
        return bytes(pgdata) in process.joinpath("cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


async def end(
    pid: int, pgdata: Path, socket_folder: Path | None, child: subprocess.Popen[bytes] | None
) -> None:
    """End the server: fast shutdown, then immediate, then kill; returns when it is gone.

    SIGINT lets it write a checkpoint (30 s is ample for the small buffers we give it); SIGQUIT
    leaves the rest to recovery and kills its children within 5 s by itself.
    """
    for number, patience in ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
        if not await _alive(pid, pgdata, socket_folder, child):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while loop.time() < deadline:
            if not await _alive(pid, pgdata, socket_folder, child):
                return
            await asyncio.sleep(0.02)


async def _alive(
    pid: int, pgdata: Path, socket_folder: Path | None, child: subprocess.Popen[bytes] | None
) -> bool:
    if child is not None:
        return child.poll() is None
    return await is_ours(pid, pgdata, socket_folder)
