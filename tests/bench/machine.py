"""What the kernel tells of processes and of the machine: CPU seconds and memory (Linux only)."""

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Use:
    """CPU seconds so far, resident memory now and at its most, in MB."""

    cpu_s: float
    rss_mb: float
    most_mb: float


def use_of(pid: int) -> Use:
    """Read one process, all its threads together."""
    # The name of the program, in brackets, may hold spaces.
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    kilobytes = {
        name: int(rest.split()[0])
        for name, _, rest in (line.partition(":") for line in status.splitlines())
        if name in ("VmRSS", "VmHWM")
    }
    return Use(
        cpu_s=(int(stat[11]) + int(stat[12])) / _TICKS,  # utime and stime
        rss_mb=kilobytes["VmRSS"] / 1024,
        most_mb=kilobytes["VmHWM"] / 1024,
    )


def children() -> set[int]:
    """The processes that we are the parent of."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state_and_parent = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(state_and_parent[1]) == os.getpid():
                found.add(int(stat.parent.name))
    return found


def busy_s() -> float:
    """CPU seconds that the whole machine has worked: tells whether others were at work, too."""
    line = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()
    user, nice, system, _idle, _wait, irq, soft = (int(word) for word in line[1:8])
    return (user + nice + system + irq + soft) / _TICKS


def described() -> dict[str, str | int]:
    """Say what this machine is; a figure without it means nothing."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }
