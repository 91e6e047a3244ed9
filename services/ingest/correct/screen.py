"""What the commands that correct read and write alike: moments, and why a row failed."""

from rich.text import Text

from services.ingest.correct.ago import moment
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


def why(path: object, rule: object) -> Text:
    """Write where and why a message was not understood, on a line of its own below its row."""
    text = f"  {path}: {rule}" if path else f"  {rule or ''}"
    return Text(text.rstrip(), style="dim")
