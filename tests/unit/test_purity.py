"""The pure cores read no clock, draw no lot and open nothing: everything comes in as arguments."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
#: Modules of the standard library through which time, chance or the outside would come in.
IMPURE_MODULES = {"time", "random", "secrets", "os", "sys", "socket", "subprocess", "asyncio"}
IMPURE_CALLS = {"now", "utcnow", "today", "utc_now", "uuid1", "uuid4", "open", "read_text", "print"}


def pure_files() -> list[Path]:
    """Find the files of the import contract, which is the one list of pure modules."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["name"] == "Pure modules do no I/O"
    )
    files = []
    for module in contract["source_modules"]:
        path = ROOT / module.replace(".", "/")
        files += sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return files


def impurities(tree: ast.AST) -> Iterator[str]:
    """Name what a module may not do, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in {alias.name.split(".")[0] for alias in node.names} & IMPURE_MODULES:
                yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in IMPURE_MODULES:
            yield f"line {node.lineno}: imports from {node.module}"
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in IMPURE_CALLS:
                yield f"line {node.lineno}: calls {name}()"


@pytest.mark.parametrize("file", pure_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_pure_module_takes_time_and_chance_as_arguments(file: Path) -> None:
    """The same input gives the same output, in a test as in a replay a year later."""
    assert list(impurities(ast.parse(file.read_text(encoding="utf-8")))) == []


def test_the_check_finds_what_it_looks_for() -> None:
    """A check that cannot fail would be worse than none."""
    impure = "import random\nfrom time import sleep\nx = datetime.now(UTC)\ny = uuid4()\n"

    assert len(list(impurities(ast.parse(impure)))) == 4
