"""The commands that a page of the documentation tells to run, and whether we have such.

In: the text of a Markdown page. Out: every `nps …`, `python -m services…` and `make …` in its code,
by line; and what is wrong with one: a command, an option or an argument that there is not.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import typer.main

from services.cli import app
from tests.builders.processes import ROOT

_FENCE: Final = re.compile(r"^\s*```")
_INDENTED: Final = re.compile(r"^(?: {4}|\t)(?=\S)")
_INLINE: Final = re.compile(r"`([^`\n]+)`")
_ASSIGNMENT: Final = re.compile(r"[A-Z][A-Z0-9_]*=.*", re.DOTALL)
#: What ends one command and begins another.
_BETWEEN: Final = frozenset(("|", "||", "&&", ";", "&", "(", ")"))


@dataclass(frozen=True, slots=True)
class Told:
    """One command as a page tells it; `words` begin with `nps`, a module's name, or `make`."""

    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"line {self.line}: {' '.join(self.words)}"


def told_in(page: str) -> list[Told]:
    """Find our commands in a page: in code blocks, and in the running text between backticks."""
    return [
        Told(line, words)
        for line, code in _code(page)
        for command in _commands(code)
        if (words := _ours(command))
    ]


def sql_in(page: str) -> dict[str, str]:
    """Find the queries of a page by their names: blocks that begin with `-- name: …`."""
    return dict(re.findall(r"^```sql\n-- (\w+):[^\n]*\n(.*?)^```", page, re.M | re.S))


def wrong_with(words: Sequence[str]) -> str | None:
    """Say why a command could not be run, None if it could."""
    program, *rest = words
    if program == "make":
        made = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        wanted = [word for word in rest if not _ASSIGNMENT.fullmatch(word)]
        missing = [word for word in wanted if word not in made]
        return f"no target {missing[0]}" if missing else None
    if program.startswith("services."):
        if not program.isascii():  # services.…: any of them
            return None
        if find_spec(program) is None or find_spec(f"{program}.__main__") is None:
            return f"no module {program}"
        return None if rest in ([], ["migrate"]) else f"{program} knows no {rest[0]}"
    return _wrong(typer.main.get_command(app), "nps", rest)


def _code(page: str) -> Iterator[tuple[int, str]]:
    """Give each line of code with its number; lines that go on (`\\`) as one."""
    fenced, begun = False, ""
    for number, line in enumerate(page.splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if not (fenced or begun or _INDENTED.match(line)):
            yield from ((number, inline) for inline in _INLINE.findall(line))
            continue
        begun += line.strip()
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        yield number, begun
        begun = ""


def _commands(code: str) -> Iterator[list[str]]:
    """Split a line of code into its commands; none for what is no line of a shell."""
    lexer = shlex.shlex(code, posix=True, punctuation_chars="|&;()")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # quotes that are not closed: YAML, or a text
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if word in _BETWEEN:
            yield command
            command = []
        else:
            command.append(word)


def _ours(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command from our program's name on; nothing if it is not ours."""
    words = list(command)
    while words and _ASSIGNMENT.fullmatch(words[0]):
        del words[0]
    if not words:
        return ()
    program = words[0].rpartition("/")[2]
    if program == "nps" or (program == "make" and len(words) > 1):
        return (program, *words[1:])
    if program in ("python", "python3") and words[1:2] == ["-m"] and len(words) > 2:
        module, rest = words[2], words[3:]
        if module == "services":
            return ("nps", *rest)
        if module.startswith("services."):
            return (module, *rest)
    return ()


def _wrong(command: Any, name: str, words: Sequence[str]) -> str | None:
    """Hold words against a command of typer's: its own options, then the command that follows."""
    if not words or "…" in words or "--help" in words:
        return None  # a mention, or whatever one likes
    plain, problem = _without_options(command, name, [word.strip("[]") for word in words])
    if problem or (not plain and hasattr(command, "commands")):
        return problem
    if not hasattr(command, "commands"):
        return _counted(command, name, len(plain))
    first, *rest = plain
    if first not in command.commands:
        return f"{name} has no command {first}"
    return _wrong(command.commands[first], f"{name} {first}", rest)


def _without_options(command: Any, name: str, words: list[str]) -> tuple[list[str], str | None]:
    """Take a command's options with their values away; of a family, only those before the next."""
    options = {
        option: parameter
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    plain: list[str] = []
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            plain.append(word)
            if hasattr(command, "commands"):
                return [*plain, *words], None
            continue
        option, equals, _ = word.partition("=")
        if option not in options:
            return [], f"{name} has no option {option}"
        if not options[option].is_flag and not equals:
            if not words:
                return [], f"{name} {option} wants a value"
            del words[: options[option].nargs]
    return plain, None


def _counted(command: Any, name: str, found: int) -> str | None:
    """Compare the number of arguments with what a command takes."""
    wanted = [one for one in command.params if one.param_type_name == "argument"]
    if found < sum(one.required for one in wanted):
        return f"{name} wants {' '.join(str(one.name).upper() for one in wanted)}"
    if found > len(wanted) and all(one.nargs > 0 for one in wanted):
        return f"{name} takes no more than {len(wanted)}"
    return None
