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


def _pattern(code: str) -> str:
    if not re.fullmatch(r"(?=.*[A-Z0-9])[A-Z0-9?]+", code):
        raise ValueError("write capital letters and digits, and ? for any one, such as 974??")
    return code


Country = Annotated[str, AfterValidator(_country)]
#: Of a country its postal codes, by pattern.
PostalCodes = dict[Annotated[str, AfterValidator(_pattern)], Zone]


def _postal_codes() -> dict[str, PostalCodes]:
    """Give the codes of France's overseas territories, which share its country code on a form.

    Codes: La Poste; zones: the IANA database's zone1970.tab. French Polynesia has three zones; most
    people live on Tahiti.
    """
    return {
        "FR": {
            "971??": "America/Guadeloupe",
            "972??": "America/Martinique",
            "973??": "America/Cayenne",
            "974??": "Indian/Reunion",
            "975??": "America/Miquelon",
            "976??": "Indian/Mayotte",
            "977??": "America/St_Barthelemy",
            "978??": "America/Marigot",
            "986??": "Pacific/Wallis",
            "987??": "Pacific/Tahiti",
            "988??": "Pacific/Noumea",
        }
    }


class Zones(Strict):
    """Where a customer's clock is when no attribute `zone` says so.

    `postal_codes`: where a country has more than one zone, by the code of her address.
    """

    default: Zone
    countries: dict[Country, Zone] = Field(default_factory=dict)
    postal_codes: dict[Country, PostalCodes] = Field(default_factory=_postal_codes)
    sources: dict[str, Zone] = Field(default_factory=dict)
