"""How a run in parallel (`-n`) cuts the suite among its workers.

Each worker has a PostgreSQL and a range of ports of its own; all use one Kafka. The longest pieces
come first, so that all workers end together; what runs whole systems of processes is one piece, for
two such systems at a time would starve each other.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Folders that are one piece each, the longest first. Elsewhere a file is a piece.
_WHOLE: Final = ("tests/faults/", "tests/journeys/")
#: The order of what follows.
_FIRST: Final = (*_WHOLE, "tests/contracts/test_bus", "tests/contracts/")
#: More would only wait for the one broker.
_MOST: Final = 4


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is one of several that run tests."""
    return hasattr(config, "workerinput")


def run_folder(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """Give the temporary folder that all workers of this run share."""
    base = factory.getbasetemp()
    return base.parent if is_worker(config) else base


def piece_of(nodeid: str) -> str:
    """Say which piece a test belongs to; the tests of a piece run on one worker, in order."""
    whole = next((folder for folder in _WHOLE if nodeid.startswith(folder)), None)
    return whole or nodeid.partition("::")[0]


def workers_for(arguments: Sequence[str], server: str | None, cores: int) -> int:
    """Say how many workers to start, none where their start costs more than they give.

    None either on one PostgreSQL `server` by URL: its roles are common to all its databases.
    """
    files = all("::" in argument or argument.endswith(".py") for argument in arguments)
    return 0 if files or server else min(cores, _MOST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Say what `-n auto` means."""
    server = os.environ.get("NPS_TEST_DATABASE_URL")
    return workers_for(config.args, server, os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out piece after piece, as ordered below."""
    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = piece_of
    return scheduler


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest pieces first."""
    if is_worker(config):
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    starts = (n for n, start in enumerate(_FIRST) if item.nodeid.startswith(start))
    return next(starts, len(_FIRST))
