"""A telephone number as people write it → E.164. Pure.

In: a text, and the region whose national formats are understood. Out: `+` and digits, or None for
what is no number by the rules of its country. Promise: what comes out, put in again, stays.

Countries' rules are those of the `phonenumbers` library. A number must be *possible* (as many
digits as its country gives out), not *valid* (in a range known to be in use): ranges are opened
every month, and a library some months old must not lose a customer's number.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata, ValidationResult

#: Twice what the longest number with its extension and a blank after each digit needs.
_LONGEST_RAW: Final = 64
#: A number and nothing else: in "call me, 8 to 12" no digits are to be found.
_NUMBER: Final = re.compile(
    r"(?:tel:)?([+0-9(][+0-9() .\-/\u2010-\u2015]*)"
    r"(?:,? *(?:;ext=|ext\.?|extn\.?|x|poste|#) *[0-9]{1,7})?",
    re.IGNORECASE,
)
_E164: Final = re.compile(r"\+[1-9][0-9]{7,14}")
_SEPARATORS: Final = str.maketrans("", "", " .-()\u00a0\u202f")

REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)


def e164(raw: str, region: str | None) -> str | None:
    """Write a number in E.164; `region` (two capital letters) is where national ones are dialled.

    An extension is dropped: it names a desk, not a line. None for anything else.
    """
    if len(raw) > _LONGEST_RAW:
        return None
    # What a machine sends is in E.164 mostly, and then a twentieth of the cost.
    value = raw.translate(_SEPARATORS)
    if _E164.fullmatch(value) and is_plain(value):
        return value
    return _read(unicodedata.normalize("NFKC", raw).strip(), region)


def is_plain(value: str) -> bool:
    """Tell whether the library would write this (`+` and digits) just so; False: ask it.

    It would where the digits are as many as the country gives out, and do not begin with what is
    dialled before a number within the country, such as the 0 in +33 (0)6.
    """
    for digits in (1, 2, 3):
        country = _country(value[1 : 1 + digits])
        if country is not None:
            lengths, prefix = country
            national = value[1 + digits :]
            return len(national) in lengths and not (prefix and prefix.match(national))
    return False


@lru_cache(maxsize=1024)
def _country(code: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """Find the lengths and the prefix of a calling code; None: no country has it."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    if regions is None:
        return None
    metadata = (
        PhoneMetadata.metadata_for_nongeo_region(int(code))
        if regions[0] == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
        else PhoneMetadata.metadata_for_region(regions[0])
    )
    if metadata is None or metadata.general_desc is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    lengths = frozenset(metadata.general_desc.possible_length)
    return lengths, re.compile(prefix) if prefix else None


#: The same few people write for a while: a response, its completion, a report about its message.
@lru_cache(maxsize=4096)
def _read(text: str, region: str | None) -> str | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    value = match[1]
    if region is None and value.startswith("00"):
        # The prefix that the ITU recommends; no national number begins with it.
        value = f"+{value[2:]}"
    for _ in range(2):
        found = _parsed(value, region)
        if found is None or is_plain(found):
            return found
        # Written in E.164 it may be read otherwise again (a prefix said twice): once more settles.
        value = found
    return found if _parsed(value, region) == found else None


def _parsed(value: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written if _E164.fullmatch(written) else None
