"""Where ingest's CPU goes, in µs per answer: what a sampled run cost, shared out over its stacks.

In: the stacks of `tests.bench.sampled`. Out: two rankings. *Own*: time in a package itself and in
the standard library called by it. *With all it calls*: time below a function, which overlaps with
its callers. Only stacks under a request, a producer or the loop count; start and end do not.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.builders.processes import ROOT

Frame = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Profile:
    """Counts of samples: all, by owner of the innermost frame, by function on the stack."""

    samples: int
    own: Counter[str]
    functions: Counter[str]
    lines: Counter[str]


def read_profile(file: Path) -> Profile:
    """Read and sum up the stacks that were taken while the loop ran."""
    own: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    samples = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        count, stack = json.loads(line)
        frames = _inside_the_loop([(str(f), str(q), int(n)) for f, q, n in stack])
        if not frames:
            continue
        samples += count
        own[_owner(frames)] += count
        functions.update(dict.fromkeys({f"{_module(f)}: {name}" for f, name, _ in frames}, count))
        file_name, name, number = frames[-1]
        lines[f"{_module(file_name)}:{number} {name}"] += count
    return Profile(samples, own, functions, lines)


def _inside_the_loop(frames: Sequence[Frame]) -> list[Frame]:
    for place, (_, name, _) in enumerate(frames):
        if name == "Runner.run":  # the loop itself is C
            return list(frames[place:])
    return []


def _owner(frames: Sequence[Frame]) -> str:
    """Name who is answerable for the innermost frame: no standard library, unless all is."""
    for file, _, _ in reversed(frames):
        module = _module(file)
        if module.startswith(("services.", "shared.", "tests.")):
            return module
        if "site-packages" in file:
            return module.split(".")[0]
    return "asyncio" if any("/asyncio/" in file for file, _, _ in frames) else "the rest"


def _module(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        return ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if "site-packages" in path.parts:
        return ".".join(path.parts[path.parts.index("site-packages") + 1 :]).removesuffix(".py")
    return ".".join(path.parts[-2:]).removesuffix(".py")
