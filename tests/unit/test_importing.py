"""Importing any module has no effect, and the names we import by are ours."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("services", "shared")

#: Imports each module named on standard input, and reports what any of them did besides.
WATCH = """
import io, json, os, sys, threading
modules = json.load(sys.stdin)
effects, watched, importing = [], False, None
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
DEEDS = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.chown", "os.kill",
         "os.fork", "os.exec", "os.posix_spawn", "os.system", "subprocess.Popen", "socket.bind",
         "socket.connect", "socket.getaddrinfo", "socket.sendto", "signal.pthread_kill")

def watch(event, arguments):
    if not watched:
        return
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        if (arguments[2] or 0) & WRITES:
            effects.append(f"{importing}: wrote {arguments[0]!r}")
    elif event in DEEDS:
        effects.append(f"{importing}: {event} {arguments[0]!r}")

sys.addaudithook(watch)
said = sys.stdout, sys.stderr
sys.stdout = sys.stderr = io.StringIO()
environment, folder, threads = dict(os.environ), os.getcwd(), threading.active_count()
for importing in modules:
    watched = True
    try:
        __import__(importing)
    except BaseException as error:
        effects.append(f"{importing}: cannot be imported: {error!r}")
    watched = False
    if threading.active_count() > threads:
        effects.append(f"{importing}: started a thread")
        threads = threading.active_count()
    if dict(os.environ) != environment or os.getcwd() != folder:
        effects.append(f"{importing}: changed the environment or the folder")
        environment, folder = dict(os.environ), os.getcwd()
    if text := sys.stdout.getvalue():
        effects.append(f"{importing}: said {text!r}")
        sys.stdout = sys.stderr = io.StringIO()
sys.stdout, sys.stderr = said
print(json.dumps(effects))
"""


def modules() -> list[str]:
    """Name every module of the product; migrations are scripts that Alembic runs."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" not in parts:
                found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def imported_in_a_fresh_process(names: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Import modules in a new process that works in `folder`, and watch."""
    return subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", WATCH],
        input=json.dumps(names),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_has_no_effect(tmp_path: Path) -> None:
    """No module says, writes, starts or connects anything when imported, not even a `__main__`."""
    names = modules()
    assert {"shared.database", "shared.embedded.server", "services.ingest"} <= set(names)
    done = imported_in_a_fresh_process(names, tmp_path)
    assert done.stderr == ""
    assert json.loads(done.stdout) == []
    assert list(tmp_path.iterdir()) == []


def test_an_effect_would_be_seen(tmp_path: Path) -> None:
    """The watch itself works: a module that does all of it is caught at each deed."""
    (tmp_path / "meddler.py").write_text(
        "import os, threading, socket, time\n"
        "print('hello')\n"
        "open('litter', 'w').close()\n"
        "os.environ['MEDDLED'] = '1'\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "socket.socket().bind(('127.0.0.1', 0))\n"
    )
    done = imported_in_a_fresh_process(["meddler"], tmp_path)
    effects = " · ".join(json.loads(done.stdout))
    for deed in ("said 'hello", "wrote 'litter'", "changed", "started a thread", "socket.bind"):
        assert deed in effects


def test_every_folder_of_modules_is_a_package() -> None:
    """Without `__init__.py` a folder is missing from the distribution, though it imports here."""
    folders = {ROOT.joinpath(*name.split(".")) for name in modules()}
    missing = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if folder.is_dir() and not (folder / "__init__.py").is_file()
    ]
    assert missing == []


def test_the_distribution_brings_our_two_names_and_no_other() -> None:
    """What is built is `services` and `shared`; both are general words, so this is watched."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": list(PACKAGES)}
    for package in PACKAGES:
        assert set(packages_distributions().get(package, [])) <= {"nps-connector"}


def test_both_names_are_ours(tmp_path: Path) -> None:
    """From any folder, without help from the path, both names lead to this tree: no installed
    distribution has brought a package of the same name."""
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import services, shared; print(services.__file__, shared.__file__)",
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [str(ROOT / package / "__init__.py") for package in PACKAGES]
    assert found.stdout.split() == expected
