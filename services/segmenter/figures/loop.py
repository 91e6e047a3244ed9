"""The loop with those who complained: contacted, resolved, recovered. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.segmenter.figures.distribution import band_of
from services.segmenter.policy.bands import Bands

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Contacts:
    """Detractor answers, those followed by a contact in time, and how long that took (hours)."""

    detractors: int
    contacted: int
    median_hours: float | None
    p90_hours: float | None

    @property
    def share(self) -> float | None:
        """The part that was contacted, in percent."""
        return 100 * self.contacted / self.detractors if self.detractors else None


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases opened, those that are resolved now, and how long that took (hours)."""

    opened: int
    resolved: int
    median_hours: float | None

    @property
    def share(self) -> float | None:
        """The part that is resolved, in percent."""
        return 100 * self.resolved / self.opened if self.opened else None


@dataclass(frozen=True, slots=True)
class Recovery:
    """Detractor answers whose case was resolved, and what they answered after it.

    `silent` had their time and did not answer; `pending` have time left and count nowhere yet.
    """

    recovered: int = 0
    still_detractor: int = 0
    silent: int = 0
    pending: int = 0

    @property
    def share(self) -> float | None:
        """The part that recovered, in percent, with the silent counted as not recovered."""
        due = self.recovered + self.still_detractor + self.silent
        return 100 * self.recovered / due if due else None


def hours(seconds: float | None) -> float | None:
    """Turn seconds into hours."""
    return None if seconds is None else seconds / _HOUR_S


def recovery(found: Iterable[tuple[int | None, bool, int]], bands: Bands) -> Recovery:
    """Fold (score after, whether there is time left, how many); None after: no answer yet."""
    sums = {"recovered": 0, "still_detractor": 0, "silent": 0, "pending": 0}
    for score, open_still, n in found:
        if score is not None:
            detractor = band_of(score, bands) == "detractor"
            sums["still_detractor" if detractor else "recovered"] += n
        else:
            sums["pending" if open_still else "silent"] += n
    return Recovery(**sums)
