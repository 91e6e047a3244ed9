"""The data folder: what lies where, who may use it, and what `postmaster.pid` says.

<folder>/pgdata         the database cluster
<folder>/postgres.log   the server's log (no statement, no row content)
<folder>/socket/        where the server listens; elsewhere if that path is too long
<folder>/lock           held by the process that runs the server
"""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.embedded.account import Account
from shared.embedded.binaries import MAJOR
from shared.errors import ConfigError

_UNFINISHED: Final = "pgdata.unfinished"
#: How the names of our own entries begin.
_OURS: Final = ("pgdata", "postgres.log", "socket", "lock", "programs-")
#: A log this large (bytes) is put aside at a start, so two of them are kept at most.
_LARGE_LOG: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Noted:
    """What `postmaster.pid` says; true only as long as that process lives and is ours."""

    pid: int
    socket: Path | None
    ready: bool


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
        """The cluster while `initdb` makes it: a kill leaves nothing that looks whole.

        Named after our pid, as an `initdb` that outlived its parent still writes to its own.
        """
        return self.folder / f"{_UNFINISHED}.{os.getpid()}"

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
            if self.pgdata.is_dir():
                return self.pgdata.stat().st_uid
            names = [path.name for path in self.folder.iterdir()] if self.folder.exists() else []
        except PermissionError:
            return self._owner_of_closed()
        except OSError as error:
            raise self._unusable(error) from error
        if others := [name for name in names if not name.startswith(_OURS)]:
            raise ConfigError(
                f"{self.folder} is to hold the database but holds other files ({others[0]}): "
                "give an empty folder, or one that does not exist"
            )
        return None

    def _owner_of_closed(self) -> int:
        """Tell whose folder it is that we may not look into."""
        try:
            return self.folder.stat().st_uid
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> ConfigError:
        way = (*reversed(self.folder.parents), self.folder)
        shut = next((path for path in way if not os.access(path, os.X_OK)), self.folder)
        return ConfigError(
            f"the data folder {self.folder} cannot be used ({error.strerror}: {shut}): "
            "give another data folder, or let this account enter and write there"
        )

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
        existing = next(path for path in self.folder.parents if path.exists())
        self._refuse_unreachable(account, existing)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._refuse_unreachable(account, self.folder.parent)
            account.take(self.folder, 0o700)
        except OSError as error:
            raise self._unusable(error) from error

    def _refuse_unreachable(self, account: Account, folder: Path) -> None:
        if shut := account.first_unreachable(folder):
            raise ConfigError(
                f"PostgreSQL runs as account '{account.name}', which cannot enter {shut}, so it "
                f"cannot reach the data folder {self.folder}: give a data folder outside {shut}, "
                f"or open the way with: chmod o+x {shut}"
            )

    def clear_unfinished(self) -> None:
        """Remove what an interrupted `initdb` left."""
        for left in self.folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)

    def keep_cluster(self) -> None:
        """Give the finished cluster its name, for good: the name must survive a power cut too."""
        self.unfinished.rename(self.pgdata)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

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

    def noted(self) -> Noted | None:
        """Read who is noted as running, if anybody; a half-written note gives what it has."""
        try:
            lines = self.pid_file.read_text(encoding="utf-8").splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, ValueError, IndexError):
            return None
        # Lines 5 and 8 by PostgreSQL's pidfile.h: the first socket folder, and the state.
        lines += [""] * 8
        socket = Path(lines[4]) if lines[4] else None
        return Noted(pid, socket, lines[7].strip() == "ready") if pid > 0 else None
