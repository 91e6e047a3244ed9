"""The data folder: what lies where, who may use it, and what `postmaster.pid` says.

<folder>/pgdata         the database cluster
<folder>/postgres.log   the server's log (no statement, no row content)
<folder>/socket/        where the server listens; elsewhere if that path is too long
<folder>/lock           held by the process that runs the server
"""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.embedded.account import Account
from shared.embedded.binaries import MAJOR
from shared.errors import ConfigError

PORT: Final = 5432  # only a part of the socket's name: nothing listens on TCP
#: A socket's path ends at 107 bytes on Linux and 103 on macOS; the name in it is `/.s.PGSQL.5432`.
_LONGEST_SOCKET_FOLDER: Final = 103 - len("/.s.PGSQL.5432")
#: What needs no quoting in a URL nor in PostgreSQL's comma-separated list of folders.
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._-]+")
#: A log this large (bytes) is put aside at a start, so two of them are kept at most.
_LARGE_LOG: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Layout:
    """The paths in one data folder (absolute, without symbolic links)."""

    folder: Path

    @property
    def pgdata(self) -> Path:
        """The cluster."""
        return self.folder / "pgdata"

    @property
    def unfinished(self) -> Path:
        """The cluster while `initdb` makes it: a kill leaves nothing that looks whole."""
        return self.folder / "pgdata.unfinished"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "postgres.log"

    @property
    def lock(self) -> Path:
        """The file locked by the process that runs the server."""
        return self.folder / "lock"

    @property
    def pid_file(self) -> Path:
        """PostgreSQL's own note of who runs on the cluster."""
        return self.pgdata / "postmaster.pid"

    def owner(self) -> int | None:
        """Tell the uid that owns the cluster; None when there is none yet.

        Refuses a folder with other people's files in it, which taking it over would shut away.
        """
        try:
            return self.pgdata.stat().st_uid
        except PermissionError:
            return self.folder.stat().st_uid
        except FileNotFoundError:
            pass
        ours = {path.name for path in (self.pgdata, self.unfinished, self.log, self.lock)}
        ours |= {"socket", f"programs-{MAJOR}", f"programs-{MAJOR}.unfinished", "postgres.log.1"}
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name not in ours:
                raise ConfigError(
                    f"{self.folder} is to hold the database but holds other files ({path.name}): "
                    "give an empty folder, or one that does not exist"
                )
        return None

    def check_version(self) -> None:
        """Refuse a cluster made by another major version of PostgreSQL."""
        found = (self.pgdata / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != str(MAJOR):
            raise ConfigError(
                f"{self.pgdata} was made by PostgreSQL {found}, this version runs {MAJOR}: start "
                f"with an empty data folder, or dump with {found} and restore into {MAJOR}"
            )

    def make_folder(self, account: Account) -> None:
        """Make the data folder private to the account; refuse one that the account cannot reach."""
        existing = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        self._refuse_unreachable(account, existing if existing != self.folder else existing.parent)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_unreachable(account, self.folder.parent)
        account.take(self.folder, 0o700)

    def _refuse_unreachable(self, account: Account, folder: Path) -> None:
        if shut := account.first_unreachable(folder):
            raise ConfigError(
                f"PostgreSQL runs as account '{account.name}', which cannot enter {shut}, so it "
                f"cannot reach the data folder {self.folder}: give a data folder outside {shut}, "
                f"or open the way with: chmod o+x {shut}"
            )

    def socket_folder(self, account: Account) -> Path:
        """Make the private folder of the socket and name it; the same answer at each start."""
        beside = self.folder / "socket"
        if _fits(beside):
            beside.mkdir(exist_ok=True)
            account.take(beside, 0o700)
            return beside
        name = f"nps-{account.uid}-{hashlib.sha256(bytes(self.folder)).hexdigest()[:16]}"
        for parent in (Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108
            apart = parent / name
            if _fits(apart) and account.first_unreachable(parent) is None:
                return _private(apart, account)
        raise ConfigError(f"no folder for the database's socket: {beside} is too long a path")

    def clear_socket(self, socket: Path) -> None:
        """Remove a dead server's socket and lock file: the pid in it may be reused."""
        for left in socket.glob(f".s.PGSQL.{PORT}*"):
            left.unlink()

    def open_log(self, account: Account) -> int:
        """Open the log for appending; the file descriptor is the caller's to close."""
        if self.log.exists() and self.log.stat().st_size > _LARGE_LOG:
            self.log.replace(self.log.with_name("postgres.log.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        account.take(self.log, 0o600)
        return log

    def take_lock(self, account: Account) -> int:
        """Become the one process that runs this folder's server, until the descriptor is closed.

        The system frees the lock when the process dies, however it dies.
        """
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            account.take(self.lock, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ConfigError(
                f"another process is running the database in {self.folder}: stop it first, or give "
                "another data folder"
            ) from None
        return lock

    def noted(self) -> tuple[int, Path | None] | None:
        """Read who is noted as running: pid and socket folder (None while it is starting)."""
        try:
            lines = self.pid_file.read_text(encoding="utf-8").splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, ValueError, IndexError):
            return None
        # Line 5 of the file, from PostgreSQL's miscadmin.h: the first socket folder.
        socket = Path(lines[4]) if len(lines) > 4 and lines[4] else None
        return (pid, socket) if pid > 0 else None


def _fits(folder: Path) -> bool:
    return len(bytes(folder)) <= _LONGEST_SOCKET_FOLDER and bool(_PLAIN.fullmatch(str(folder)))


def _private(folder: Path, account: Account) -> Path:
    """Make or accept a folder in a public place only if nobody else can have prepared it."""
    try:
        folder.mkdir(mode=0o700)
        account.take(folder, 0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (account.uid, os.geteuid()):
            raise ConfigError(
                f"{folder} is not a folder of account '{account.name}': remove it, the database "
                "needs the name for its socket"
            ) from None
        account.take(folder, 0o700)
    return folder
