"""What a play may hand out or try: codes of a pool, review sites, arms of an experiment.

Strict values of `playbook.yaml`, whose comments are the reference of every key.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from services.dispatcher.playbook.durations import Duration
from services.dispatcher.playbook.variants import Name, Variants
from shared.settings import Strict

#: The arm that gets the play's own variants, and the one that gets nothing.
OWN: Final = "own"
HOLD_OUT: Final = "hold-out"
#: How the reason of a delivery begins that waits for a code; then comes the pool.
NO_CODE: Final = "no code left in coupon pool "


class Arm(Strict):
    """Other templates than the play's own, for a share of the customers."""

    share: Annotated[float, Field(gt=0, lt=1)]
    variants: Variants


class Experiment(Strict):
    """What measures a play: a share that gets nothing, and shares that get other templates.

    Who is in which arm is drawn once per customer and play, and kept.
    """

    hold_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    arms: dict[Name, Arm] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _leaves_some(self) -> "Experiment":
        if self.hold_out + sum(arm.share for arm in self.arms.values()) >= 1:
            raise ValueError("hold_out and the shares leave nobody for the play's own variants")
        if not self.hold_out and not self.arms:
            raise ValueError("an experiment needs a hold_out or an arm; else leave it out")
        if taken := {OWN, HOLD_OUT} & self.arms.keys():
            raise ValueError(f"'{sorted(taken)[0]}' names another arm already: choose another name")
        return self


class CouponPool(Strict):
    """Where codes of one kind come from, and how many may be given in a rolling period."""

    most: Annotated[int, Field(gt=0)]
    period: Duration


def without_code(pool: str) -> str:
    """Say why a delivery is parked that needs a code of a pool; it ends by itself."""
    return f"{NO_CODE}{pool}: it goes out once codes are imported, or its period allows more"


class ReviewSite(Strict):
    """A site on which customers are asked for a review, and whom it allows to be asked."""

    audience: Literal["promoters", "everyone"]
    gating_forbidden: bool = False

    @model_validator(mode="after")
    def _allowed(self) -> "ReviewSite":
        if self.gating_forbidden and self.audience == "promoters":
            raise ValueError(
                "this site forbids asking only the satisfied: write audience: everyone"
            )
        return self
