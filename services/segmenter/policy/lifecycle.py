"""Section `lifecycle`: what a customer is to the house where its systems do not say so."""

from typing import Annotated

from pydantic import Field, model_validator

from shared.settings import Strict

_Days = Annotated[int, Field(ge=1, le=3660, strict=True)]


class LifecyclePolicy(Strict):
    """How long an order keeps her active, then sleeping; how long a word warms a prospect."""

    active_days: _Days = 365
    sleeping_days: _Days = 730
    hot_days: _Days = 30

    @model_validator(mode="after")
    def _in_order(self) -> "LifecyclePolicy":
        if self.sleeping_days <= self.active_days:
            raise ValueError(
                "sleeping_days must be above active_days: both count from the last order"
            )
        return self
