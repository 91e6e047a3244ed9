"""Moments as text and back: UTC, microseconds, `Z`."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """Write an aware moment as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    if moment.tzinfo is UTC:  # nearly always: every event has three
        return moment.isoformat(timespec="microseconds")[:-6] + "Z"
    # `strftime` takes ten times as long, and leaves years before 1000 without their zeros.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def utc_now() -> datetime:
    """Tell the time: the clock that `__main__` hands to every shell; pure code never calls it."""
    return datetime.now(UTC)
