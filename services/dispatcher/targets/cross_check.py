"""The playbook against the targets: a play asks only for what its target can do.

In: the playbook as it was read, the enabled targets. Out: every mistake with line and fix, before
the first customer.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from services.dispatcher.platforms.deals import event_for
from services.dispatcher.platforms.preset import Preset
from services.dispatcher.platforms.wired import Wired
from services.dispatcher.playbook.plays import Do, Play, Playbook
from services.dispatcher.playbook.routing import Door
from services.dispatcher.targets.settings import TargetSettings, alerts_of
from services.dispatcher.targets.wired import Stock
from shared.errors import ConfigError
from shared.settings import Loaded


class Able(Protocol):
    """What a play must know of a target: an open one has it, and one that is only read."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def preset(self) -> Preset | Wired: ...  # noqa: D102
    @property
    def settings(self) -> TargetSettings: ...  # noqa: D102
    @property
    def stock(self) -> Stock | None: ...  # noqa: D102


def check_plays(playbook: Loaded[Playbook], targets: Mapping[str, Able]) -> None:
    """Raise `ConfigError` (all mistakes, one a line) if a target is not there or not able."""
    mistakes = [
        playbook.told(("plays", place, "do", key), f"play {play.name}: {fix}")
        for place, play in enumerate(playbook.value.plays)
        for key, fix in _mistakes(play, targets)
    ]
    mistakes += [
        playbook.told(("digests", name), f"digest {name}: {fix}")
        for name, route in playbook.value.digests.items()
        for door in route.doors()
        for fix in _unread(door, targets)
    ]
    mistakes += [
        playbook.told(("figure_alerts", name), f"figure alert {name}: {fix}")
        for name, route in playbook.value.figure_alerts.items()
        for door in route.doors()
        for fix in _unread(door, targets)
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _mistakes(play: Play, targets: Mapping[str, Able]) -> Iterator[tuple[str, str]]:
    """Yield the key that is wrong, and what to do."""
    do = play.do
    own = list(_at(do, do.target, targets))
    yield from own
    for arm in play.experiment.arms.values() if play.experiment and not own else ():
        yield from _at(do.model_copy(update={"variants": arm.variants}), do.target, targets)
    for door in do.route.doors() if do.route else ():
        for _, fix in _at(do, door.target, targets):
            yield "route", fix
        found = targets.get(door.target)
        if door.room and found and "room" not in found.preset.used_by_actions:
            yield "route", f"'{door.target}' has no rooms: name a target for each instead"


def _unread(door: Door, targets: Mapping[str, Able]) -> Iterator[str]:
    """Yield what stands against leaving figures at a door."""
    found = targets.get(door.target)
    if found is None:
        known = ", ".join(targets) or "none"
        yield (
            f"'{door.target}' is no enabled target of targets.yaml ({known}): add or enable it, "
            "or name another"
        )
    elif alerts_of(found.preset, found.settings) is None:
        yield f"no colleague reads '{door.target}': give it `alerts`, or name a chat or a helpdesk"
    elif door.room and "room" not in found.preset.used_by_actions:
        yield f"'{door.target}' has no rooms: name a target for each instead"


def _at(do: Do, name: str, targets: Mapping[str, Able]) -> Iterator[tuple[str, str]]:
    """Yield what stands against doing it at one target."""
    if name not in targets:
        known = ", ".join(targets) or "none"
        yield (
            "target",
            (
                f"'{name}' is no enabled target of targets.yaml ({known}): "
                "add or enable it, or name another"
            ),
        )
        return
    target = targets[name]
    act = target.preset.act
    if act is None:
        fix = f"'{target.name}' takes profiles only, no actions: name another target"
        yield "target", fix
        return
    if act.classes is not None and do.contact_class not in act.classes:
        yield (
            "target",
            (
                f"'{target.name}' does not carry the class {do.contact_class} "
                f"(only {', '.join(act.classes)}): name another target"
            ),
        )
    unserved = [c for c in do.channels if act.channels is not None and c not in act.channels]
    if unserved:
        yield (
            "channels",
            (
                f"'{target.name}' does not serve {', '.join(unserved)} "
                f"(only {', '.join(act.channels or ())}): remove it, or name another target"
            ),
        )
    if target.stock is not None:
        yield from target.stock.mistakes(do)
    unnumbered = _unnumbered(do, target) if target.preset.numbers_templates else []
    if unnumbered:
        yield (
            "variants",
            (
                f"'{target.name}' knows templates by number, and has none for "
                f"{', '.join(unnumbered)}: add targets.{target.name}.templates.{unnumbered[0]} "
                'to targets.yaml, such as "7"'
            ),
        )
    if "event" not in target.preset.used_by_actions:
        return
    events = target.settings.events
    unnamed = [v for v in do.variants if event_for(events, do.action, v) is None]
    if unnamed:
        yield (
            "action",
            (
                f"'{target.name}' has no event for {do.action} ({', '.join(unnamed)}): "
                f"add targets.{target.name}.events.{do.action} to targets.yaml"
            ),
        )


def _unnumbered(do: Do, target: Able) -> list[str]:
    """Name the templates of a play that the target gives no number."""
    known = target.settings.templates
    named = dict.fromkeys(one for by in do.variants.values() for one in by.values())
    return [one for one in named if not known.get(one, one).isdecimal()]
