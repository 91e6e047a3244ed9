"""Run a service as deployed, with a sampler inside: `python -m tests.bench.sampled MODULE FILE`.

Every few milliseconds of CPU the kernel interrupts us and the Python stack is counted; at the end
FILE gets one JSON line per distinct stack, outermost frame first. Unlike `cProfile` it does not
make small functions look large; C code counts for the Python line that called it.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

#: The kernel rounds up to its tick (1 to 4 ms).
_EVERY_S: Final = 0.001


def main() -> None:
    """Be the module, and write the stacks when it ends."""
    module, file = sys.argv[1:3]
    stacks: Counter[tuple[tuple[str, str, int], ...]] = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append(
                (code.co_filename, code.co_qualname, frame.f_lineno or code.co_firstlineno)
            )
            frame = frame.f_back
        stacks[tuple(reversed(stack))] += 1

    signal.signal(signal.SIGPROF, sample)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
    sys.argv = [module]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        with Path(file).open("w", encoding="utf-8") as lines:
            for stack, count in stacks.items():
                lines.write(f"{json.dumps([count, stack])}\n")


if __name__ == "__main__":
    main()
