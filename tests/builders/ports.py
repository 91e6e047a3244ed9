"""Ports for processes that are started, killed and started again by a test.

A port belongs to the process that asked for it until that process ends, also towards other workers
and other runs on this machine. It lies below those that systems give to outgoing connections, so
that nobody gets it while the process behind it is down.
"""

import fcntl
import functools
import os
import random
import socket
import tempfile
from itertools import islice
from pathlib import Path
from typing import Final

#: Linux gives 32768-60999 to outgoing connections, others 49152-65535.
_RANGE: Final = range(10_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """Find a port that nobody uses now and that was not given before."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Find several; see `free_port`."""
    candidates = random.Random().sample(_RANGE, len(_RANGE))
    found = list(islice((port for port in candidates if _take(port)), count))
    assert len(found) == count, "no free port"
    return found


def _take(port: int) -> bool:
    """Reserve a port by a lock on the byte of its number; tells whether it is ours and free."""
    if port in _given:
        return False
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        _given.add(port)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@functools.cache
def _reservations() -> int:
    """Open the file of reservations for as long as we live: closing it would end our locks."""
    path = Path(tempfile.gettempdir()) / f"nps-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
