"""Section `digests`: what each owner is told of a week."""

from collections.abc import Iterator
from datetime import time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from services.segmenter.policy.words import ClockTime, Name, Zone, once
from shared.settings import Strict

_Text = Annotated[str, Field(min_length=1, max_length=512)]
#: As `by` of the figures takes it, without what is in front.
_Attribute = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class OwnerDigest(Strict):
    """Tell each value of the attribute `owner` what the last week from Monday to Sunday brought.

    Without `owner` there is one digest of all customers. `survey`, `source`: only these answers
    (null: all). It is due on `weekday` at `at` by the owner's clock: `zones` by owner, else `zone`
    (null: `zones.default`). `comments`: so many of the answers with words are named.
    """

    name: Name
    owner: _Attribute | None = None
    survey: _Text | None = None
    source: _Text | None = None
    weekday: Weekday = "monday"
    at: ClockTime = time(8)
    zone: Zone | None = None
    zones: Annotated[dict[_Text, Zone], Field(max_length=1000)] = Field(default_factory=dict)
    comments: Annotated[int, Field(ge=0, le=20, strict=True)] = 10

    def clocks(self, default: Zone) -> Iterator[Zone]:
        """List the zones in which owners of this digest may be, each once."""
        yield from sorted({self.zone or default, *self.zones.values()})

    def clock_of(self, owner: str | None, default: Zone) -> Zone:
        """Tell by which clock an owner lives; names are compared without their case."""
        known = {name.strip().casefold(): zone for name, zone in self.zones.items()}
        return known.get((owner or "").strip().casefold(), self.zone or default)


def _digests(digests: tuple[OwnerDigest, ...]) -> tuple[OwnerDigest, ...]:
    once("digest", [digest.name for digest in digests])
    return digests


OwnerDigests = Annotated[tuple[OwnerDigest, ...], AfterValidator(_digests)]
