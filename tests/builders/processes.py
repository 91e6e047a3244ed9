"""Real processes of the product for journeys and faults: started, killed, restarted, stopped."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.builders.ports import free_port
from tests.builders.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent.parent


class Process:
    """One `python -m …` with its own port and log file; may be killed and started again."""

    def __init__(self, module: str, environ: Mapping[str, str], log: Path, *arguments: str) -> None:
        self.module = module
        self.port = free_port()
        self.log = log
        self._arguments = arguments
        self._environ = {
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error",
            **environ,
            "NPS_PORT": str(self.port),
        }
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def child(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._child is not None, f"{self.module} was not started"
        return self._child

    def spawn(self) -> None:
        """Start it; its output is added to the log file."""
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", self.module, *self._arguments],
                cwd=ROOT,
                env=self._environ,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    async def ready(self) -> None:
        """Wait until it says that nothing is missing; fails with its log if it ended."""
        async with httpx.AsyncClient(base_url=self.url) as client:

            async def check() -> bool:
                if self.child.poll() is not None:
                    tail = self.log.read_text(errors="replace")[-4000:]
                    raise RuntimeError(f"{self.module} ended with {self.child.returncode}:\n{tail}")
                try:
                    return (await client.get("/readyz", timeout=5)).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(check, within=60, what=f"{self.module} ready")

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self.spawn()
        await self.ready()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    async def ended(self, within: float = 30) -> int:
        """Wait for its own end and return the exit code."""
        return await asyncio.wait_for(asyncio.to_thread(self.child.wait), within)

    async def stop(self) -> int:
        """Ask it to stop, wait for its end; killed if it does not listen. Returns the exit code."""
        if self._child is None:
            return 0
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return await self.ended()
        except TimeoutError:
            self.kill()
            raise AssertionError(f"{self.module} did not stop within 30 s") from None
