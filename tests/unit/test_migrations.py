"""Migrations only add: the release before reads and writes the tables that this one has made.

So services may be upgraded in any order, and going back is starting the image of before: tables
stay. What must go, goes a release after nobody reads it any more, by an entry in `ALLOWED` here.
"""

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.database import SCHEMAS
from tests.builders.processes import ROOT

#: What a release that does not know of it would stumble over, or that takes from it what it reads.
#: (An index may go: it is a matter of speed.)
HARMFUL = {
    "a table, type, function or schema goes": r"\bDROP\s+(TABLE|TYPE|FUNCTION|SCHEMA|VIEW)\b",
    "a column goes": r"\bDROP\s+COLUMN\b",
    "something has another name": r"\bRENAME\b",
    "a column has another type": r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b",
    "a column may no longer be empty": r"\bSET\s+NOT\s+NULL\b",
    "a default goes": r"\bDROP\s+DEFAULT\b",
    "another key: ON CONFLICT of before finds none": r"\bADD\s+PRIMARY\s+KEY\b",
    "rows are emptied or deleted": r"^\s*(DELETE|TRUNCATE)\b",
}
_ADDED = re.compile(r"\bADD\s+COLUMN\s+(\w+)\s+((?:[^,;(]|\([^)]*\))+)", re.IGNORECASE)
_CHECK = re.compile(r"\b(\w+_check)\b\s+CHECK\s*\(\s*\w+\s+IN\s*\((.*?)\)", re.IGNORECASE | re.S)
_INLINE_CHECK = re.compile(r"CHECK\s*\(\s*(\w+)\s+IN\s*\((.*?)\)\s*\)", re.IGNORECASE | re.S)
_TABLE = re.compile(r"\b(?:CREATE|ALTER)\s+TABLE\s+(\w+)", re.IGNORECASE)
#: (schema, revision) → why it may all the same.
ALLOWED = {
    ("segmenter", "0002"): "older than the first release: no other knows these tables",
    ("dispatcher", "0004"): "deletes only rows of groups that nobody is in any more",
}


class Recorder:
    """Stands for Alembic's `op`: keeps what would be executed."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, statement: Any) -> None:
        """Keep a statement."""
        self.statements.append(str(statement))


def versions() -> list[Any]:
    """List every migration with its schema, the oldest first."""
    return [
        pytest.param(schema, path, id=f"{schema}-{path.stem}")
        for schema, folder in SCHEMAS.items()
        for path in sorted((ROOT / folder / "versions").glob("0*.py"))
    ]


def module_of(path: Path) -> ModuleType:
    """Import a migration."""
    return import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def statements_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List what a migration executes, without the comments."""
    module, recorder = module_of(path), Recorder()
    monkeypatch.setattr(module, "op", recorder)
    module.upgrade()
    # What a function does when it is called is no change of tables.
    return [
        re.sub(r"--[^\n]*|\$\$(?!\s*BEGIN\s+ALTER).*?\$\$", "", one, flags=re.S)
        for one in recorder.statements
    ]


def harm_of(statement: str) -> list[str]:
    """Say what of a statement the release before would not bear."""
    found = [
        what for what, pattern in HARMFUL.items() if re.search(pattern, statement, re.I | re.M)
    ]
    found += [
        f"column {name} must be given by whoever writes a row"
        for name, rest in _ADDED.findall(statement)
        if re.search(r"\bNOT\s+NULL\b", rest, re.I)
        and not re.search(r"\b(DEFAULT|GENERATED)\b", rest, re.I)
    ]
    return found


@pytest.mark.parametrize(("schema", "path"), versions())
def test_a_migration_only_adds(schema: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No table, column or value goes, and no new column is asked of those who do not know it."""
    harm = [one for statement in statements_of(path, monkeypatch) for one in harm_of(statement)]

    revision = (schema, path.stem[:4])
    assert bool(harm) == (revision in ALLOWED), harm


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_a_column_may_hold_only_grows(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of values that is made anew has all that it had: the release before writes those."""
    known: dict[str, set[str]] = {}
    narrowed = []
    for path in sorted((ROOT / SCHEMAS[schema] / "versions").glob("0*.py")):
        for statement in statements_of(path, monkeypatch):
            table = _TABLE.search(statement)
            if table is None:
                continue
            checks = [(name, values) for name, values in _CHECK.findall(statement)] or [
                (f"{table[1]}_{column}_check", values)
                for column, values in _INLINE_CHECK.findall(statement)
            ]
            for name, values in checks:
                allowed = set(re.findall(r"'([^']*)'", values))
                if lost := known.get(name, set()) - allowed:
                    narrowed.append(f"{path.name}: {name} lacks {', '.join(sorted(lost))}")
                known[name] = allowed

    assert narrowed == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_migrations_stand_in_one_row(schema: str) -> None:
    """Each names the one before it, by the number of its file: two heads would stop every start."""
    modules = [module_of(path) for path in sorted((ROOT / SCHEMAS[schema]).rglob("versions/0*.py"))]

    revisions = [module.revision for module in modules]
    assert revisions == [f"{number:04}" for number in range(1, len(modules) + 1)]
    assert [module.down_revision for module in modules] == [None, *revisions[:-1]]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE facts DROP COLUMN source",
        "DROP TABLE facts",
        "ALTER TABLE facts RENAME COLUMN kind TO what",
        "ALTER TABLE facts ADD COLUMN extra text NOT NULL",
        "ALTER TABLE facts ADD COLUMN one int, ADD COLUMN other numeric(4, 2) NOT NULL",
        "ALTER TABLE facts ALTER COLUMN source SET NOT NULL",
        "ALTER TABLE facts ALTER COLUMN kind TYPE integer",
        "TRUNCATE facts",
    ],
)
def test_what_would_hurt_is_seen(statement: str) -> None:
    """The rule is not one that everything passes."""
    assert harm_of(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE facts ADD COLUMN extra text",
        "ALTER TABLE facts ADD COLUMN extra text NOT NULL DEFAULT '', ADD COLUMN other int",
        "CREATE TABLE more (id uuid PRIMARY KEY, at timestamptz NOT NULL)",
        "DROP INDEX facts_period",
    ],
)
def test_what_only_adds_passes(statement: str) -> None:
    """New tables, columns that need not be given, and indexes."""
    assert harm_of(statement) == []
