"""The targets read without opening one: what a start would refuse, and what is not set here.

In: `targets.yaml`, secrets as far as they are set on this machine. Out: what plays may name, every
mistake with line and fix, and what only this machine lacks. Nothing is connected to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from re import fullmatch

from services.dispatcher.platforms.preset import Preset
from services.dispatcher.platforms.rehearse import Marks
from services.dispatcher.platforms.smtp.account import unsigned
from services.dispatcher.platforms.wired import Wired, wired_names
from services.dispatcher.targets.settings import (
    REFERENCE,
    TargetsConfig,
    TargetSettings,
    check,
    make_account,
    make_masked_account,
    resolve_vars,
)
from services.dispatcher.targets.targets import told_of_target
from services.dispatcher.targets.wired import Stock, check_wired, open_wired
from shared.errors import ConfigError
from shared.settings import Loaded, Secrets, load_yaml
from shared.times import utc_now


@dataclass(frozen=True, slots=True)
class ReadTarget:
    """An enabled target as plays see it."""

    name: str
    preset: Preset | Wired
    settings: TargetSettings
    stock: Stock | None = None


@dataclass(frozen=True, slots=True)
class ReadTargets:
    """The file, its enabled targets that are right, and what is told of the others."""

    loaded: Loaded[TargetsConfig]
    targets: Mapping[str, ReadTarget]
    mistakes: tuple[str, ...]
    #: What this machine lacks: a secret, a folder. `file:line: key: …`, as mistakes are.
    lacking: tuple[str, ...]


def read_targets(path: Path, secrets: Secrets) -> ReadTargets:
    """Check every target as a start does. Raises `ConfigError` where the file cannot be read."""
    loaded = load_yaml(path, TargetsConfig)
    targets: dict[str, ReadTarget] = {}
    mistakes: list[str] = []
    lacking: list[str] = []
    for name, settings in loaded.value.targets.items():
        try:
            preset = check_wired(settings) if settings.preset in wired_names() else check(settings)
            if not settings.enabled:
                continue
            unset = [f"vars.{var}: {one}" for var, one in _unset(preset, settings, secrets)]
            lacking += told_of_target(loaded, name, ConfigError("\n".join(unset)))
            stock = None
            if isinstance(preset, Wired):
                stock = _stock(name, preset, settings, secrets, beside=path.parent)
            elif unset:
                make_masked_account(preset, settings, secrets, Marks())
            else:
                make_account(preset, settings, secrets)
            targets[name] = ReadTarget(name, preset, settings, stock)
        except _Elsewhere as error:
            lacking += told_of_target(loaded, name, error)
            targets[name] = ReadTarget(name, preset, settings)
        except ConfigError as error:
            mistakes += told_of_target(loaded, name, error)
    return ReadTargets(loaded, targets, tuple(mistakes), tuple(lacking))


class _Elsewhere(ConfigError):
    """Wrong on this machine, and maybe not where the service runs."""


def _unset(
    preset: Preset | Wired, settings: TargetSettings, secrets: Secrets
) -> Iterator[tuple[str, str]]:
    """Yield each var whose reference leads to nothing here, and why."""
    for name, var in preset.vars.items():
        given = settings.vars.get(name) or var.default or ""
        if not fullmatch(REFERENCE, given):
            continue
        try:
            secrets.get(given)
        except ConfigError as error:
            yield name, str(error)


def _stock(
    name: str, preset: Wired, settings: TargetSettings, secrets: Secrets, *, beside: Path
) -> Stock | None:
    """Read what a target with a wire of its own has for plays; None: nothing, or not to be told.

    A secret that is not set here is stood in for; another value that is not set is told already.
    """
    unset = dict(_unset(preset, settings, secrets))
    if any(not preset.vars[var].secret for var in unset):
        return None
    stood_in = settings.model_copy(
        update={"vars": {**settings.vars, **dict.fromkeys(unset, "unset")}}
    )
    known = resolve_vars(preset, stood_in, secrets)
    try:
        return open_wired(
            name, preset, settings, known, beside=beside, clock=utc_now, sign=unsigned
        ).stock
    except ConfigError as error:
        if str(error).startswith("vars.folder: "):
            raise _Elsewhere(str(error)) from None
        raise
