"""The playbook against the targets: a play asks only for what its target can do.

In: plays and the enabled targets. Out: every mistake with its fix, before the first customer.
"""

from collections.abc import Iterator, Mapping

from services.dispatcher.platforms.deals import event_for
from services.dispatcher.playbook import Play, Playbook
from services.dispatcher.targets import Target
from shared.errors import ConfigError


def check_plays(playbook: Playbook, targets: Mapping[str, Target], where: str) -> None:
    """Raise `ConfigError` (all mistakes, one a line, after `where`) if a target cannot do a play.

    A play whose target does not exist is not this check's business.
    """
    mistakes = [
        f"{where}: plays.{play.name}.do.{mistake}"
        for play in playbook.plays
        if play.do.target in targets
        for mistake in _mistakes(play, targets[play.do.target])
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _mistakes(play: Play, target: Target) -> Iterator[str]:
    do, act = play.do, target.preset.act
    if act.classes is not None and do.contact_class not in act.classes:
        yield (
            f"target: '{target.name}' does not carry the class {do.contact_class} "
            f"(only {', '.join(act.classes)}): name another target"
        )
    unserved = [c for c in do.channels if act.channels is not None and c not in act.channels]
    if unserved:
        yield (
            f"channels: '{target.name}' does not serve {', '.join(unserved)} "
            f"(only {', '.join(act.channels or ())}): remove it, or name another target"
        )
    if "event" not in target.preset.used_by_actions:
        return
    events = target.settings.events
    unnamed = [v for v in do.variants if event_for(events, do.action, v) is None]
    if unnamed:
        yield (
            f"action: '{target.name}' has no event for {do.action} ({', '.join(unnamed)}): "
            f"add targets.{target.name}.events.{do.action} to targets.yaml"
        )
