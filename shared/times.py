"""Moments as text and back: UTC, microseconds, `Z`."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """Write an aware moment as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def utc_now() -> datetime:
    """Tell the time: the clock that `__main__` hands to every shell; pure code never calls it."""
    return datetime.now(UTC)
