"""What no single service can see: sources, policy, playbook and targets side by side.

In: the files as they were read, and today. Out: what is told of them: a name in one that the other
does not have, so that a rule would never hold, an attribute never arrive, a survey have no clock.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

from services.configuration import fit_playbook, fit_policy, fit_targets
from services.configuration.known import Place, known_of
from services.configuration.told import Level, Told, at
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.targets.offline import ReadTargets
from services.ingest.settings import SourcesFile
from services.ingest.tryout.inspection import Inspected
from services.segmenter.policy.whole import Policy
from shared.settings import Loaded


def misfits(
    sources: tuple[Loaded[SourcesFile], list[Inspected]],
    policy: Loaded[Policy],
    playbook: Loaded[Playbook],
    targets: ReadTargets,
    today: date,
) -> list[Told]:
    """Hold all four files together."""
    known = known_of(sources[1], policy.value)
    plays = enumerate(playbook.value.plays)
    own = [
        found
        for place, play in plays
        for found in fit_playbook.conditions(place, play, policy.value, known)
    ]
    digests = [digest.name for digest in policy.value.digests]
    left = frozenset(playbook.value.digests)
    told = [alert.name for alert in policy.value.alerts if alert.tell]
    doors = frozenset(playbook.value.figure_alerts)
    parts: list[tuple[Loaded[Any], Iterable[tuple[Level, Place, str]]]] = [
        (sources[0], fit_policy.clockless(sources[1], policy.value)),
        (
            policy,
            [
                *fit_policy.watched(policy.value, known),
                *fit_policy.left_nowhere(digests, left),
                *fit_policy.told_nobody(policy.value, doors),
            ],
        ),
        (
            playbook,
            [
                *own,
                *fit_playbook.ended(playbook.value.calendars, today),
                *fit_playbook.untold(digests, left),
                *fit_playbook.not_told(told, doors),
            ],
        ),
        (targets.loaded, fit_targets.written(targets.targets, known)),
    ]
    return [
        at(level, loaded, place, what) for loaded, found in parts for level, place, what in found
    ]
