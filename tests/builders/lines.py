"""The wide log lines that were written meanwhile, as they would be read."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson


@contextmanager
def written_lines(logger: str) -> Iterator[list[dict[str, Any]]]:
    """Gather the lines of one logger."""
    lines: list[dict[str, Any]] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(orjson.loads(record.__dict__["line"]))  # type: ignore[method-assign]
    found = logging.getLogger(logger)
    before = found.level
    found.setLevel(logging.INFO)
    found.addHandler(handler)
    try:
        yield lines
    finally:
        found.removeHandler(handler)
        found.setLevel(before)
