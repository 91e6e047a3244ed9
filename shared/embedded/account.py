"""Which account PostgreSQL runs as, and whether that account reaches what it needs.

PostgreSQL refuses to run as root. Started by root it therefore runs as the owner of the data
folder, or as `nobody` for a new one. Promised: nothing here changes a mode or an owner of anything
but the paths given to `Account.take`.
"""

import os
import pwd
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from shared.errors import ConfigError

#: The shell enters each folder in turn and names the first that it cannot.
_ENTER: Final = (
    'for folder do cd -- "$folder" 2>/dev/null || { printf %s "$folder"; exit 1; }; done'
)


class RunAs(TypedDict, total=False):
    """The arguments of `subprocess` that change the account of a child; empty to keep ours."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """The account that owns the data folder and runs the server."""

    uid: int
    gid: int
    switches: bool
    """True when we are root and the server must run as somebody else."""

    @property
    def run_as(self) -> RunAs:
        """Say how to start a child as this account."""
        if not self.switches:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    @property
    def name(self) -> str:
        """Name the account for a message."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"

    def take(self, path: Path, mode: int) -> None:
        """Own `path` alone, with exactly `mode`."""
        if self.switches:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def first_unreachable(self, folder: Path) -> Path | None:
        """Find the topmost folder on the way to `folder` (included) that this account cannot enter.

        Tried by a child that runs as the account, so access lists and mounts count as they are.
        """
        way = [*reversed(folder.parents), folder]
        try:
            answer = subprocess.run(
                ["/bin/sh", "-c", _ENTER, "sh", *map(str, way)],
                cwd="/",
                env={},
                capture_output=True,
                text=True,
                check=False,
                **self.run_as,
            )
        except (OSError, subprocess.SubprocessError) as error:
            # Root without the right to change its account, as in a container without capabilities.
            raise ConfigError(
                f"PostgreSQL does not run as root, and this root cannot run it as '{self.name}': "
                "start as an ordinary user"
            ) from error
        return Path(answer.stdout) if answer.returncode else None


def choose(owner: int | None) -> Account:
    """Choose the account for a data folder owned by `owner` (a uid; None for a new one)."""
    uid = os.geteuid()
    if uid != 0:
        if owner not in (None, uid):
            raise ConfigError(
                f"the database folder belongs to uid {owner}, not to this account (uid {uid}): "
                "start as its owner, or give another data folder"
            )
        return Account(uid, os.getegid(), switches=False)
    if owner:
        return Account(owner, _group_of(owner), switches=True)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigError(
            "PostgreSQL does not run as root and there is no account 'nobody' to run it as: "
            "start as an ordinary user"
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid, switches=True)


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


def child_environment(outside: Mapping[str, str]) -> dict[str, str]:
    """Keep of our environment only what the server may see: no secret, no PG* setting."""
    kept = {name: outside[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in outside}
    return {"PATH": "/usr/bin:/bin", **kept, "LC_ALL": "C"}
