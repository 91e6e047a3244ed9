"""Every file of a configuration folder, read as the services read it when they start.

In: the folder, secrets as far as they are set here. Out: what was read, and what is told of each
file. A file that cannot be read hides nothing in the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from services.configuration.told import Level, Told, at, of_error
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.targets.cross_check import check_plays
from services.dispatcher.targets.offline import ReadTargets, read_targets
from services.dispatcher.targets.wired import read_shelf
from services.ingest.settings import SourcesFile
from services.ingest.tryout.inspection import Inspected, inspected
from services.segmenter.policy.whole import Policy
from services.segmenter.themes.themes import finder
from shared import identifiers
from shared.errors import ConfigError
from shared.http.auth import AccessConfig
from shared.settings import Loaded, Secrets, Settings, load_yaml

_T = TypeVar("_T")


@dataclass
class Folder:
    """What a folder holds; None for a file that cannot be read, whose reason is in `told`."""

    files: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    sources: tuple[Loaded[SourcesFile], list[Inspected]] | None = None
    policy: Loaded[Policy] | None = None
    playbook: Loaded[Playbook] | None = None
    targets: ReadTargets | None = None

    def read(self, path: Path, how: Callable[[Path], _T]) -> _T | None:
        """Read one file; its mistakes are told."""
        self.files.append(str(path))
        try:
            return how(path)
        except ConfigError as error:
            self.told += of_error("mistake", error, str(path))
            return None


def read_folder(settings: Settings, secrets: Secrets) -> Folder:
    """Read all files, and hold the playbook against the targets as the dispatcher does."""
    found, config = Folder(), settings.config
    rules = identifiers.rules(settings.default_region, settings.plus_addresses)
    found.sources = found.read(
        config / "sources.yaml", lambda path: inspected(path, secrets, rules)
    )
    if found.sources is not None:
        found.told += _of_sources(*found.sources)
    found.policy = found.read(config / "policy.yaml", _policy)
    found.playbook = found.read(config / "playbook.yaml", lambda path: load_yaml(path, Playbook))
    found.targets = found.read(config / "targets.yaml", lambda p: read_targets(p, secrets))
    if found.targets is not None:
        file = str(found.targets.loaded.path)
        found.told += of_error("mistake", "\n".join(found.targets.mistakes), file)
        found.told += of_error("warning", "\n".join(found.targets.lacking), file)
    access = found.read(config / "access.yaml", lambda path: load_yaml(path, AccessConfig))
    if access is not None:
        found.told += _unset_tokens(access, secrets)
    if (config / "templates").is_dir():
        found.read(config / "templates", read_shelf)
    found.told += _of_process(settings, secrets)
    if found.playbook is not None and found.targets is not None and not found.targets.mistakes:
        try:
            check_plays(found.playbook, found.targets.targets)
        except ConfigError as error:
            found.told += of_error("mistake", error, str(found.playbook.path))
    # A template is read for the folder and again for the target that sends it.
    found.told = list(dict.fromkeys(found.told))
    return found


def _policy(path: Path) -> Loaded[Policy]:
    loaded = load_yaml(path, Policy)
    finder(loaded.value)
    return loaded


def _of_sources(loaded: Loaded[SourcesFile], sources: list[Inspected]) -> Iterator[Told]:
    """Tell what `nps source check` tells."""
    for one in sources:
        levels: list[tuple[Level, list[tuple[tuple[int | str, ...], str]]]] = [
            ("mistake", one.problems),
            ("warning", one.doubts),
        ]
        for level, problems in levels:
            for key, fix in problems:
                yield at(level, loaded, ("sources", one.name, *key), fix)
        for reference in one.unset:
            place = ("sources", one.name, "secrets")
            yield at("warning", loaded, place, f"secret {reference} is not set here")


def _unset_tokens(loaded: Loaded[AccessConfig], secrets: Secrets) -> Iterator[Told]:
    for place, token in enumerate(loaded.value.tokens):
        try:
            secrets.get(token.token)
        except ConfigError as error:
            yield at("warning", loaded, ("tokens", place, "token"), str(error))


def _of_process(settings: Settings, secrets: Secrets) -> Iterator[Told]:
    try:
        secrets.get(settings.route_key)
    except ConfigError as error:
        yield Told("warning", "environment", None, f"NPS_ROUTE_KEY: {error}")
