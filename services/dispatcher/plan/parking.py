"""What is parked when it is planned, until a person releases it: surges and first trials. Pure.

In: the deliveries that one batch would let go, what their plays were granted lately. Out: those
that wait for a person, with the reason. It is asked at planning, and when deliveries that ended are
sent on by a filter: of those nobody has looked at each. Who releases one has, and no brake asks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from services.dispatcher.brakes.rates import Rate, Window
from services.dispatcher.delivery import Delivery, TargetRules
from services.dispatcher.playbook.plays import Play, Playbook
from shared.events.ids import content_hash

#: How the reasons begin, by which metrics and the sweep know them.
SURGE: Final = "surge brake: "
TRIAL: Final = "new or changed play: "


def definition(play: Play) -> str:
    """Name what a play says: when it acts and what it does, not how many wait for a look.

    Keys left out do not count, so a release that knows more of them changes no play.
    """
    said = play.model_dump(mode="json", exclude_defaults=True, exclude={"approve_first", "surge"})
    return content_hash(said)


def surge_of(play: Play, playbook: Playbook) -> Rate | None:
    """Return the rate past which a play's deliveries are parked, per target.

    The playbook's own holds for what reaches customers; alerts have none but one of their play.
    """
    surge = play.surge
    if surge is None and play.do.contact_class != "internal":
        surge = playbook.surge
    return None if surge is None else Rate(int(surge.per.total_seconds()), surge.most)


@dataclass(frozen=True, slots=True)
class Asked:
    """The deliveries of one play to one target that are about to go, in the order of planning."""

    play: Play
    target: str
    deliveries: tuple[Delivery, ...]


def asked(
    created: Iterable[Delivery], playbook: Playbook, targets: Mapping[str, TargetRules]
) -> list[Asked]:
    """Gather what brakes are asked about, in order of play and target, the order of locks.

    Nothing of a target that reaches nobody: a surge there harms nobody.
    """
    found: dict[tuple[str, str], list[Delivery]] = {}
    for delivery in created:
        if delivery.state in {"planned", "waiting"} and not _harmless(targets[delivery.target]):
            found.setdefault((delivery.play, delivery.target), []).append(delivery)
    return [
        Asked(play, target, tuple(deliveries))
        for (name, target), deliveries in sorted(found.items())
        if (play := playbook.named(name)) is not None
    ]


def _harmless(target: TargetRules) -> bool:
    return target.sandbox or target.shadow


def on_trial(one: Asked, waited: int) -> tuple[list[Delivery], tuple[Delivery, ...]]:
    """Park the first deliveries of a play as it is written now; returns them, and the rest."""
    left = max(0, one.play.approve_first - waited)
    reason = f"{TRIAL}the first {one.play.approve_first} wait; release after a look"
    return [d.to("parked", reason) for d in one.deliveries[:left]], one.deliveries[left:]


def in_surge(
    deliveries: tuple[Delivery, ...], window: Window, now: datetime
) -> tuple[list[Delivery], int]:
    """Park what is past the rate of its play; returns that, and how many go."""
    going = min(len(deliveries), window.left(now))
    rate = window.rate
    reason = f"{SURGE}more than {rate.most} in {rate.per_s} s of this play to this target"
    return [d.to("parked", reason) for d in deliveries[going:]], going


@dataclass
class Places:
    """What plays were granted: how many waited for a look, by play; windows, by play and target."""

    waited: dict[str, int] = field(default_factory=dict)
    windows: dict[tuple[str, str], Window] = field(default_factory=dict)

    def park(self, waiting: Sequence[Asked], now: datetime) -> list[Delivery]:
        """Count what goes; return what waits for a person. A play's targets share its first n."""
        parked: list[Delivery] = []
        for one in waiting:
            name, key = one.play.name, (one.play.name, one.target)
            found, rest = on_trial(one, self.waited.get(name, 0))
            parked += found
            self.waited[name] = self.waited.get(name, 0) + len(found)
            if key in self.windows:
                window = self.windows[key].at(now)
                found, going = in_surge(rest, window, now)
                parked += found
                self.windows[key] = replace(window, used=window.used + going)
        return parked
