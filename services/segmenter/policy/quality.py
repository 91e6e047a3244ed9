"""Section `quality`: what is counted as wrong with the customer base."""

from typing import Annotated

from pydantic import Field

from services.segmenter.policy.words import Name
from shared.settings import Strict


class Quality(Strict):
    """Which attributes hold what, and when a consent is old."""

    stale_consent_days: Annotated[int, Field(ge=1, le=3660, strict=True)] = 730
    #: Attributes that hold a telephone number.
    phone_attributes: tuple[Name, ...] = ("phone", "mobile")
    #: The attribute that holds the postal code of her address.
    postal_code_attribute: Name = "postal_code"
