"""What is typed for an option of a command, read; a mistake names the option."""

from shared.ago import moment
from shared.errors import ConfigError
from shared.times import iso, utc_now


def time_of(text: str | None, option: str = "--since") -> str | None:
    """Read a moment as typed for an option. Raises `ConfigError`."""
    if text is None:
        return None
    try:
        return iso(moment(text, utc_now()))
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{option}: {error}") from None
