"""What the commands that correct write alike: why a row failed."""

from rich.text import Text


def why(path: object, rule: object) -> Text:
    """Write where and why a message was not understood, on a line of its own below its row."""
    text = f"  {path}: {rule}" if path else f"  {rule or ''}"
    return Text(text.rstrip(), style="dim")
