"""The campaign platforms of this installation: `targets.yaml` read, checked and made callable.

In: the file, secrets by reference. Out: `Targets`: carriers and settings by name, or `ConfigError`
naming file, target and fix. A target that is not enabled is checked as far as can be without its
secrets, and left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from re import fullmatch
from typing import Final

import httpx

from services.dispatcher.calls.calls import Carrier
from services.dispatcher.platforms.carrier import PlatformCarrier
from services.dispatcher.platforms.deals import Account
from services.dispatcher.platforms.preset import Preset
from services.dispatcher.platforms.shadow import ShadowCarrier
from services.dispatcher.platforms.smtp.account import Sign
from services.dispatcher.platforms.wired import Wired, wired_names
from services.dispatcher.targets.settings import (
    TargetsConfig,
    TargetSettings,
    check,
    idempotency,
    make_account,
    names_of,
    resolve_vars,
)
from services.dispatcher.targets.wired import Stock, check_wired, open_wired
from shared.errors import ConfigError
from shared.http.outward import Outward
from shared.settings import ROUTE_KEY, Loaded, Secrets, load_yaml
from shared.stop_links import StopLinks
from shared.traces.calls import TracedTransport
from shared.traces.traces import Traces

#: Bytes. The fields of a grown account, described with all their options, pass 1 MiB.
_MOST_ANSWERED: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """An enabled target: what the playbook may name, and how to call it."""

    name: str
    preset: Preset | Wired
    settings: TargetSettings
    carrier: Carrier
    concurrency: int
    #: The templates of a target that writes messages itself.
    stock: Stock | None = None


class Targets(Mapping[str, Target]):
    """The enabled targets by name. `version` names the text of the file they came from."""

    def __init__(self, targets: Mapping[str, Target], version: str, text: str) -> None:
        self._targets = dict(targets)
        self.version = version
        self.text = text

    def __getitem__(self, name: str) -> Target:
        return self._targets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    async def close(self) -> None:
        """Close all connections."""
        for target in self._targets.values():
            if isinstance(target.carrier, PlatformCarrier):
                await target.carrier.close()


def told_of_target(loaded: Loaded[TargetsConfig], name: str, error: ConfigError) -> list[str]:
    """Say what is wrong with one target, with the line of the key that the error begins with.

    A line about a template names its own place already.
    """
    told = []
    for line in str(error).splitlines():
        if ".j2" in line.partition(": ")[0]:
            told.append(line)
            continue
        place: tuple[str, ...] = ("targets", name)
        key, _, fix = line.partition(": ")
        part, _, inner = key.partition(".")
        if fix and part in TargetSettings.model_fields and fullmatch(r"\S*", inner):
            place, line = (*place, part, *([inner] if inner else [])), fix  # noqa: PLW2901
        told.append(loaded.told(place, line))
    return told


TransportFactory = Callable[[str, TargetSettings], httpx.AsyncBaseTransport]


async def open_targets(
    path: Path,
    secrets: Secrets,
    *,
    clock: Callable[[], datetime],
    transport_factory: TransportFactory | None = None,
    route_key: str = ROUTE_KEY,
    traces: Traces | None = None,
) -> Targets:
    """Make every enabled target of the file callable. Call inside the running loop; then `close`.

    `route_key` refers to the key that signs links to unsubscribe, where a target has some.
    `transport_factory` (target name, its settings → transport) replaces the connector, for tests.
    With `traces` every request of a call is told.
    """
    loaded = load_yaml(path, TargetsConfig)
    accounts: dict[str, Account] = {}
    opened: dict[str, Target] = {}
    mistakes: list[str] = []
    for name, settings in loaded.value.targets.items():
        try:
            if settings.preset in wired_names():
                wired = check_wired(settings)
                if settings.enabled:
                    known = resolve_vars(wired, settings, secrets)
                    made = open_wired(
                        name,
                        wired,
                        settings,
                        known,
                        beside=path.parent,
                        clock=clock,
                        sign=_sign(secrets, route_key, known.get("unsubscribe_url", "")),
                    )
                    concurrency = settings.concurrency or wired.limits.concurrency
                    opened[name] = Target(
                        name, wired, settings, made.carrier, concurrency, made.stock
                    )
                continue
            preset = check(settings)
            if settings.enabled:
                accounts[name] = make_account(preset, settings, secrets)
        except ConfigError as error:
            mistakes += told_of_target(loaded, name, error)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    for name, account in accounts.items():
        settings = loaded.value.targets[name]
        concurrency = settings.concurrency or account.preset.limits.concurrency
        if settings.shadow:
            names = names_of(account.preset, settings)
            kept = idempotency(account.preset, settings)
            shadow = ShadowCarrier(name, account, names, kept)
            opened[name] = Target(name, account.preset, settings, shadow, concurrency)
            continue
        transport = (
            transport_factory(name, settings)
            if transport_factory
            else Outward(
                connections=concurrency,
                allow_private=settings.allow_private,
                allow_http=settings.allow_http,
                max_answer=_MOST_ANSWERED,
            )
        )
        carrier = PlatformCarrier(
            name,
            account,
            names_of(account.preset, settings),
            transport=transport if traces is None else TracedTransport(transport, traces),
            idempotency=idempotency(account.preset, settings),
            clock=clock,
        )
        opened[name] = Target(name, account.preset, settings, carrier, concurrency)
    in_order = {name: opened[name] for name in loaded.value.targets if name in opened}
    return Targets(in_order, loaded.version, loaded.text)


def _sign(secrets: Secrets, route_key: str, url: str) -> Sign:
    """Sign links that lead to us; the key is asked for where there are some. Raises `ConfigError`.

    Ingest holds the same key, and so reads them.
    """
    key = secrets.get(route_key).encode() if "{{token}}" in url else b""
    return StopLinks(key).token
