"""Section `zones`: where a customer's clock is."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from services.segmenter.policy.words import Zone
from shared.settings import Strict


def _country(code: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", code):
        raise ValueError("use the two capital letters of the country, such as FR")
    return code


class Zones(Strict):
    """Where a customer's clock is when no attribute `zone` says so."""

    default: Zone
    countries: dict[Annotated[str, AfterValidator(_country)], Zone] = Field(default_factory=dict)
    sources: dict[str, Zone] = Field(default_factory=dict)
