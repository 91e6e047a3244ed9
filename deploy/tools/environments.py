"""Virtual environments made from a lock file and nothing else, kept under the hash of its text.

In: a lock file with hashes, the folder that keeps them. Out: the environment's folder, whole or not
at all, made once by one process at a time. Raises `OSError` or `subprocess.CalledProcessError`.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path


def environment(lock_file: Path, kept: Path) -> Path:
    """Give the folder of the environment that `lock_file` describes."""
    text = lock_file.read_bytes() + sys.version.encode()
    folder = kept / f"{lock_file.stem}-{hashlib.sha256(text).hexdigest()[:16]}"
    kept.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
            _run(
                *(sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")),
                *("install", "--quiet", "--disable-pip-version-check", "--require-hashes"),
                *("--only-binary=:all:", "--no-deps", "-r", str(lock_file)),
            )
            (folder / ".ready").touch()
    return folder


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
