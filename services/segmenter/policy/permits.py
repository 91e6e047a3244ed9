"""Section `permits`: which class of contact may use which channels, and on which basis."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from shared.events.vocabulary import Channel, ContactClass, Purpose
from shared.settings import Strict


class PermitRule(Strict):
    """Under which basis a class of contact may use which channels.

    `consent`: `granted` needs a yes, `not_refused` bears the unknown, `requested` needs the
    customer to have asked, `none` asks nobody. `purpose` is the statement looked at.
    """

    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    basis: Annotated[str, Field(min_length=1)]
    consent: Literal["granted", "not_refused", "requested", "none"]
    purpose: Purpose | None = None

    @model_validator(mode="after")
    def _names_its_purpose(self) -> "PermitRule":
        if self.consent != "none" and self.purpose is None:
            raise ValueError("name the purpose whose consent is looked at (or consent: none)")
        return self


def _every_class(permits: dict[ContactClass, PermitRule]) -> dict[ContactClass, PermitRule]:
    missing = [name for name in get_args(ContactClass) if name not in permits]
    if missing:
        raise ValueError(f"add {', '.join(missing)}: a class without a permit reaches nobody")
    return permits


Permits = Annotated[dict[ContactClass, PermitRule], AfterValidator(_every_class)]
