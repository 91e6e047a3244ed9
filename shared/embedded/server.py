"""The embedded PostgreSQL's life: made, started or adopted, waited for, stopped.

In: a data folder. Out: the URL of a database on a server that listens on a private socket only.
Promised: one server per folder; whatever killed us or it, the next start finds every committed row;
`stop` leaves no process. Ctrl-C in a terminal does not reach the server: we stop it, last.
"""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Final

import asyncpg

from shared.embedded import binaries, sockets
from shared.embedded.account import Account, child_environment, choose
from shared.embedded.layout import Layout
from shared.embedded.process import SUPERUSER, Answer, ask, end, is_ours
from shared.embedded.sockets import PORT
from shared.errors import ConfigError

DATABASE: Final = "nps"
#: Seconds without an answer, a log line or an end before we give a starting server up. While it
#: recovers it writes a line every 2 s, so a long recovery is waited for; only the checkpoint at its
#: end is silent, and a slow disk needs a while for it.
_SILENCE: Final = 300.0
#: PostgreSQL's words for a predecessor that is about to leave or to appear: children of a server
#: killed by -9, which end with their statement, and a server whose parent was killed just as it
#: began. Statements are limited to 30 s.
_STILL_THERE: Final = ("shared memory block", "lock file")
_PREDECESSOR: Final = 35.0  # seconds

_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    # Small: everything together is to stay under 400 MB. The services hold 10 connections each.
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "512MB",
    "synchronous_commit": "on",
    "jit": "off",
    # Nobody replicates from here.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A statement, a parameter or the DETAIL of a broken constraint can hold personal data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_startup_progress_interval": "2s",
    "log_line_prefix": "%m [%p] ",  # `_last_words` looks for the pid
}
#: Without these two a commit survives every kill, but no power cut.
_POWER_CUT: Final = ("fsync", "full_page_writes")


class EmbeddedPostgres:
    """One server on one data folder, owned by this process between `start` and `stop`.

    `durable=False` (tests) gives up surviving a power cut for speed; a kill it survives either way.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self._layout = Layout(self.folder)
        self._durable = durable
        self._lock: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None
        self.pid: int | None = None
        """The server's process id while it is ours."""

    async def start(self) -> str:
        """Bring the server up and return a SQLAlchemy URL of its database `nps`, as superuser.

        Raises `ConfigError` for a folder that cannot serve, naming the folder and the fix.
        """
        layout = self._layout
        account = choose(layout.owner())
        layout.make_folder(account)
        self._lock = layout.take_lock(account)
        try:
            programs = binaries.reachable(binaries.installed(), account, layout.folder)
            if not layout.pgdata.exists():
                await asyncio.to_thread(self._make_cluster, programs, account)
            layout.check_version()
            self._socket = await self._adopt_or_launch(programs, account)
            await _ensure_database(self._socket)
        except BaseException:
            await self.stop()
            raise
        return f"postgresql+asyncpg://{SUPERUSER}@/{DATABASE}?host={self._socket}&port={PORT}"

    async def stop(self) -> None:
        """End the server; afterwards no process works on the folder. Harmless when not started."""
        if self.pid is not None:
            await end(self.pid, self._layout.pgdata, self._socket, self._child)
        if self._socket is not None:
            sockets.leave(self._socket, self._layout.folder)
        self.pid = self._child = self._socket = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make_cluster(self, programs: Path, account: Account) -> None:
        self._layout.clear_unfinished()
        made = subprocess.run(
            [
                str(programs / "initdb"),
                f"--pgdata={self._layout.unfinished}",
                f"--username={SUPERUSER}",
                "--auth-local=trust",  # only the account itself (and root) enters the socket folder
                "--auth-host=reject",
                "--locale=C",
                "--encoding=UTF8",
                "--no-instructions",
                *(() if self._durable else ("--no-sync",)),
            ],
            cwd=self._layout.folder,
            env=child_environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
            **account.run_as,
        )
        if made.returncode:
            lines = made.stderr.strip().splitlines()
            why = [line for line in lines if "FATAL:" in line or "error:" in line] or lines[-1:]
            raise ConfigError(f"initdb could not make {self._layout.pgdata}: {' '.join(why)}")
        self._layout.keep_cluster()

    async def _adopt_or_launch(self, programs: Path, account: Account) -> Path:
        """Take over the server that runs on the folder, or start one; gives where it listens."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PREDECESSOR
        while True:
            if socket := await self._adopt():
                return socket
            socket, why = await self._launch(programs, account)
            if socket:
                return socket
            if not any(sign in why for sign in _STILL_THERE) or loop.time() > deadline:
                raise ConfigError(f"PostgreSQL did not start on {self._layout.pgdata}: {why}")
            await asyncio.sleep(0.1)

    async def _adopt(self) -> Path | None:
        """Take over a server that outlived its parent; None, and a clean slate, if none did."""
        layout = self._layout
        while noted := layout.noted():
            if not await is_ours(noted.pid, layout.pgdata, noted.socket):
                # PostgreSQL itself would believe a recycled pid and refuse to start for ever.
                layout.pid_file.unlink(missing_ok=True)
                return None
            if noted.socket is None:
                await asyncio.sleep(0.02)  # it has just begun and not yet written where it listens
                continue
            self.pid = noted.pid
            if await self._wait(noted.socket):
                return noted.socket
            self.pid = None
        return None

    async def _launch(self, programs: Path, account: Account) -> tuple[Path | None, str]:
        """Start a server of our own; gives where it answers, or why it ended instead."""
        socket = sockets.prepare(self._layout.folder, account)
        logged = self._log_size()
        self._child = self._spawn(programs, account, socket)
        self.pid = pid = self._child.pid
        if await self._wait(socket):
            return socket, ""
        self.pid = self._child = None
        return None, self._last_words(pid, logged)

    def _spawn(self, programs: Path, account: Account, socket: Path) -> subprocess.Popen[bytes]:
        settings = _SETTINGS | {"unix_socket_directories": str(socket)}
        settings |= dict.fromkeys(_POWER_CUT, "on" if self._durable else "off")
        log = self._layout.open_log(account)
        try:
            return subprocess.Popen(
                [
                    str(programs / "postgres"),
                    "-D",
                    str(self._layout.pgdata),
                    *(
                        part
                        for name, value in settings.items()
                        for part in ("-c", f"{name}={value}")
                    ),
                ],
                cwd=self._layout.folder,
                env=child_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we stop the server when we are done
                **account.run_as,
            )
        finally:
            os.close(log)

    async def _wait(self, socket: Path) -> bool:
        """Wait until the server answers (True) or is gone (False), as long as anything moves."""
        loop = asyncio.get_running_loop()
        moved, logged = loop.time(), self._log_size()
        while await self._lives(socket):
            noted = self._layout.noted()
            # Asked only once it says so: each refused connection would be a line in the log.
            if noted and noted.ready and noted.pid == self.pid:
                answer, _ = await ask(socket)
                if answer is Answer.READY:
                    return True
            if (size := self._log_size()) != logged:
                moved, logged = loop.time(), size
            if loop.time() - moved > _SILENCE:
                raise ConfigError(
                    f"PostgreSQL on {self._layout.pgdata} has not answered nor logged for "
                    f"{_SILENCE:g} s: see {self._layout.log}"
                )
            await asyncio.sleep(0.02)
        return False

    async def _lives(self, socket: Path) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self.pid is not None and await is_ours(self.pid, self._layout.pgdata, socket)

    def _log_size(self) -> int:
        try:
            return self._layout.log.stat().st_size
        except FileNotFoundError:
            return 0

    def _last_words(self, pid: int, since: int) -> str:
        """The last failure that server `pid` logged after byte `since`, for a message.

        Its own first: children of a predecessor may have their last words in the same log.
        """
        with self._layout.log.open("rb") as log:
            log.seek(since)
            lines = log.read().decode("utf-8", "replace").splitlines()
        fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        own = [line for line in fatal if f"[{pid}]" in line]
        found = own or fatal or lines
        return found[-1].rpartition("FATAL:")[2].strip() if found else f"see {self._layout.log}"


async def _ensure_database(socket: Path) -> None:
    connection = await asyncpg.connect(
        host=str(socket), port=PORT, user=SUPERUSER, database="postgres", timeout=10
    )
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        await connection.close()
