"""A Dockerfile read as its instructions, stage by stage; only what ours uses is understood."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: What may stand in ours; anything else fails, so that a replay never leaves a step out.
KNOWN: Final = {
    *("FROM", "ARG", "ENV", "LABEL", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE"),
    *("ENTRYPOINT", "CMD"),
}


@dataclass(frozen=True)
class Step:
    """One instruction: its word, and all that follows as one line."""

    word: str
    text: str

    @property
    def pairs(self) -> dict[str, str]:
        """What ENV, LABEL and ARG set."""
        return dict(part.split("=", 1) for part in shlex.split(self.text) if "=" in part)

    @property
    def words(self) -> list[str]:
        """The list of ENTRYPOINT and CMD."""
        found: list[str] = json.loads(self.text)
        return found

    @property
    def copied(self) -> tuple[str, list[str], str]:
        """From which stage (empty: the context) COPY takes what, and where to."""
        words = self.text.split()
        options = [word for word in words if word.startswith("--")]
        stage = "".join(option.removeprefix("--from=") for option in options)
        *sources, target = [word for word in words if not word.startswith("--")]
        return stage, sources, target


@dataclass(frozen=True)
class Stage:
    """What one FROM begins."""

    base: str
    name: str
    steps: tuple[Step, ...]

    def all(self, word: str) -> list[Step]:
        """Give its instructions of one kind."""
        return [step for step in self.steps if step.word == word]


def read(text: str) -> list[Stage]:
    """Read a Dockerfile. Raises `ValueError` on an instruction that is not `KNOWN`."""
    lines = [line for line in text.splitlines() if line.strip() and not re.match(r"\s*#", line)]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        if word not in KNOWN:
            raise ValueError(f"{word}: not understood here")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name, ()))
        else:
            last = stages.pop()
            stages.append(Stage(last.base, last.name, (*last.steps, Step(word, rest.strip()))))
    return stages


def context(root: Path) -> list[str]:
    """Give what `.dockerignore` lets through: ours begins with `*` and lists what is wanted."""
    first, *others = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if first != "*":
        raise ValueError(".dockerignore must begin with *")
    return [line.removeprefix("!") for line in others if line.startswith("!")]
