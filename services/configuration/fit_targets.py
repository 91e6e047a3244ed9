"""The targets against what decisions tell, and against what platforms are known to grant.

In: the enabled targets, the attributes that the other files bring. Out: attributes that would never
arrive, rates that the platform would refuse.
"""

from collections.abc import Mapping

from services.configuration.known import Found, Known, Place, nobody_maps, none_such
from services.dispatcher.brakes.rates import Rate
from services.dispatcher.ledger.attributes import CANONICAL, OWN
from services.dispatcher.targets.offline import ReadTarget


def written(targets: Mapping[str, ReadTarget], known: Known) -> Found:
    """Yield attributes that no decision has, and rates above what the platform is known to take."""
    for name, target in targets.items():
        settings = target.settings
        for part in ("attributes", "message"):
            for ours in getattr(settings, part):
                place: Place = ("targets", name, part, ours)
                if ours.startswith(OWN):
                    own = ours.removeprefix(OWN)
                    if own not in known.attributes:
                        yield "warning", place, nobody_maps(own)
                elif ours not in CANONICAL:
                    own = f"; one of your own is written {OWN}{ours}"
                    yield "misfit", place, none_such("attribute", ours, CANONICAL) + own
        for place_of, window in enumerate(settings.windows or ()):
            for granted in target.preset.limits.windows:
                if _faster(window, granted):
                    what = (
                        f"{window.most} in {window.per_s} s where the platform is known to grant "
                        f"{granted.most}: be sure that this account has more"
                    )
                    yield "warning", ("targets", name, "windows", place_of), what


def _faster(asked: Rate, granted: Rate) -> bool:
    """Tell whether a rate is above another for the same calls in the same time."""
    same = "all" in (granted.of, asked.of) or granted.of == asked.of
    return same and granted.per_s == asked.per_s and asked.most > granted.most
