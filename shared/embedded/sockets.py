"""Where the server listens: a socket in a private folder, found again under the same name.

Beside the cluster where the path allows it. A socket's path is short by law of the system, and a
few characters mean something in a URL or in PostgreSQL's list of folders; such a data folder gets a
private folder in the temporary folder instead, named after it.
"""

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.embedded.account import Account
from shared.errors import ConfigError

PORT: Final = 5432  # only a part of the socket's name: nothing listens on TCP
#: A socket's path ends at 107 bytes on Linux and at 103 on macOS; PostgreSQL adds its name.
_LONGEST_FOLDER: Final = 103 - len(f"/.s.PGSQL.{PORT}")
#: What needs no quoting in a URL nor in PostgreSQL's comma-separated list of folders.
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._-]+")


def prepare(data_folder: Path, account: Account) -> Path:
    """Make the socket's private folder and name it; no server may be running on `data_folder`.

    Removes a dead server's socket and lock file: the pid in it may belong to another by now.
    """
    socket = _folder(data_folder, account)
    for left in socket.glob(f".s.PGSQL.{PORT}*"):
        left.unlink()
    return socket


def leave(socket: Path, data_folder: Path) -> None:
    """Remove the socket's folder if it stands in a public place."""
    if socket.parent != data_folder:
        with suppress(OSError):
            socket.rmdir()


def _folder(data_folder: Path, account: Account) -> Path:
    beside = data_folder / "socket"
    if _fits(beside):
        beside.mkdir(exist_ok=True)
        account.take(beside, 0o700)
        return beside
    name = f"nps-{account.uid}-{hashlib.sha256(bytes(data_folder)).hexdigest()[:16]}"
    for parent in (Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108
        apart = parent / name
        if _fits(apart) and account.first_unreachable(parent) is None:
            return _private(apart, account)
    raise ConfigError(f"no folder for the database's socket: the path of {beside} is too long")


def _fits(folder: Path) -> bool:
    return len(bytes(folder)) <= _LONGEST_FOLDER and bool(_PLAIN.fullmatch(str(folder)))


def _private(folder: Path, account: Account) -> Path:
    """Make a folder in a public place; accept a found one only if nobody else can have made it."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (account.uid, os.geteuid()):
            raise ConfigError(
                f"{folder} is not a folder of account '{account.name}': remove it, the database "
                "needs that name for its socket"
            ) from None
    account.take(folder, 0o700)
    return folder
