"""Public holidays by country and region, as the library `holidays` knows them. Pure.

A year of one country is worked out once: some milliseconds at its first day asked for.
"""

from datetime import date
from functools import lru_cache

import holidays


@lru_cache(maxsize=64)
def _supported() -> dict[str, list[str]]:
    return holidays.list_supported_countries(include_aliases=False)


def known(country: str, subdivision: str | None = None) -> bool:
    """Tell whether the library knows a country (two letters), and this part of it where named."""
    parts = _supported().get(country)
    return parts is not None and (subdivision is None or subdivision in parts)


@lru_cache(maxsize=512)
def _of_year(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    days = holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False)
    return frozenset(days)


def is_holiday(country: str, subdivision: str | None, day: date) -> bool:
    """Tell whether a day is a public holiday there; only for what is `known`."""
    return day in _of_year(country, subdivision, day.year)
