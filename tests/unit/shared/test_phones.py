"""Telephone numbers: what people write becomes one number, and nothing else becomes any."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import phones


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        pytest.param("+33612345678", None, id="E.164"),
        pytest.param("+33 6 12 34 56 78", None, id="blanks"),
        pytest.param("+33\u00a06\u202f12.34-56 78", None, id="separators"),
        pytest.param("+33 (0)6 12 34 56 78", None, id="with the 0 dialled at home"),
        pytest.param("+330612345678", None, id="with the 0 and nothing around it"),
        pytest.param("00 33 6 12 34 56 78", None, id="00, no region"),
        pytest.param("00 33 6 12 34 56 78", "FR", id="00, dialled in France"),
        pytest.param("011 33 6 12 34 56 78", "US", id="011, dialled in the USA"),
        pytest.param("06 12 34 56 78", "FR", id="national"),
        pytest.param("06.12.34.56.78", "FR", id="national with dots"),
        pytest.param("(0)6 12 34 56 78", "FR", id="national with the 0 in brackets"),
        pytest.param("06 12 34 56 78 poste 12", "FR", id="extension in French"),
        pytest.param("+33 6 12 34 56 78 ext. 12", None, id="extension in English"),
        pytest.param("tel:+33612345678;ext=12", None, id="as a link"),
        pytest.param("\uff0b\uff13\uff13612345678", None, id="full-width digits"),
        pytest.param(" +33612345678 ", "BE", id="an international one keeps its country"),
    ],
)
def test_one_number_is_written_one_way(raw: str, region: str | None) -> None:
    """However she writes it, it is hers."""
    assert phones.e164(raw, region) == "+33612345678"


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        pytest.param("06 12 34 56 78", None, id="national without a region"),
        pytest.param("06 12 34 56", "FR", id="too short for its country"),
        pytest.param("+33 6 12 34 56 78 90", None, id="too long for its country"),
        pytest.param("+12", None, id="far too short"),
        pytest.param("+1234567890123456", None, id="far too long"),
        pytest.param("+999 12 34 56 78", None, id="no country has this code"),
        pytest.param("+33six", None, id="letters"),
        pytest.param("call me on 06 12 34 56 78", "FR", id="a number in a sentence"),
        pytest.param("06 12 34 56 78 / 06 87 65 43 21", "FR", id="two numbers"),
        pytest.param("112", "FR", id="an emergency number"),
        pytest.param("2026-11-20", "FR", id="a date"),
        pytest.param("", "FR", id="nothing"),
        pytest.param("+" + "3" * 1_000_000, "FR", id="a flood"),
    ],
)
def test_what_is_no_possible_number_is_none(raw: str, region: str | None) -> None:
    """A number of another length reaches nobody, and one without its country joins strangers."""
    assert phones.e164(raw, region) is None


def test_a_number_in_a_range_not_yet_known_is_taken() -> None:
    """Possible is enough: ranges are opened every month, and her number must not be lost."""
    unknown = phonenumbers.parse("+1 555 012 3456")

    assert not phonenumbers.is_valid_number(unknown)
    assert phones.e164("+1 555 012 3456", None) == "+15550123456"


_CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


@given(_CODES, st.from_regex(r"[0-9]{5,12}", fullmatch=True))
def test_the_short_way_writes_what_the_library_would(code: int, national: str) -> None:
    """What nearly every machine sends is not read anew, and comes out the same."""
    value = f"+{code}{national}"
    if phones.is_plain(value):
        number = phonenumbers.parse(value)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == value
        assert phonenumbers.is_possible_number(number)


@given(_CODES, st.from_regex(r"0?[0-9]{5,12}", fullmatch=True))
def test_a_number_read_again_is_the_same(code: int, national: str) -> None:
    """Also where a country's prefix may be read out of the number a second time."""
    once = phones.e164(f"+{code} {national}", None)
    assert once is None or phones.e164(once, None) == once
