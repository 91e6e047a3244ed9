"""A delivery as one line of a CSV file (RFC 4180). Pure.

In: columns, an action. Out: a line of text. What a spreadsheet would run is text: a value that
begins like a formula gets an apostrophe before it. A line break in a value becomes a space, so that
a row is a line, and half a row is seen as such.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.dispatcher.calls.calls import ActionCall, Verdict
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.fields import written
from services.dispatcher.platforms.wired import Wired
from shared.times import iso

#: Always there, in this order, before the target's own. The first two say whose row it is.
FIXED: Final = (
    "delivery_id",
    "customer_id",
    "written_at",
    "do_before",
    "channel",
    "action",
    "variant",
    "template",
    "external_id",
    "phone",
)
#: The play's own variables in one column: which there are differs from play to play.
LAST: Final = "notes"
DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_BREAKS: Final = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029\t]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: What begins with + and is none the less no formula; spreadsheets would make a number of it, but
#: callers' software needs it as it is. Only digits follow.
_PHONE: Final = re.compile(r"\+[0-9]{5,20}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True)
class Style:
    """How files of a target are written."""

    columns: tuple[str, ...]
    delimiter: str
    bom: bool

    @property
    def header(self) -> bytes:
        """The first line of a file."""
        return (b"\xef\xbb\xbf" if self.bom else b"") + write_line(self.columns, self.delimiter)


def columns(fields: Sequence[str]) -> tuple[str, ...]:
    """List all columns; those of the target come between ours."""
    return (*FIXED, *fields, LAST)


def line_of(
    preset: Wired, names: Names, style: Style, call: ActionCall, now: datetime
) -> bytes | Verdict:
    """Write the line of a delivery, or say why this target cannot carry it."""
    said = written(call.attributes, names.message, preset.formats)
    return _refused(preset, call) or row(style, call, said, now)


def _refused(preset: Wired, call: ActionCall) -> Verdict | None:
    """Say what this target cannot carry at all."""
    act = preset.act
    if call.contact_class not in act.classes:
        return Verdict("reject", f"this target does not carry the class {call.contact_class}")
    if call.channel not in act.channels:
        return Verdict("reject", f"this target does not serve the channel {call.channel}")
    needed = act.channels[call.channel]
    if needed is not None and all(one.kind != needed for one in call.identifiers):
        return Verdict("reject", f"the customer has no {needed} for the channel {call.channel}")
    return None


def row(style: Style, call: ActionCall, said: Mapping[str, Any], now: datetime) -> bytes:
    """Write the line of a delivery. `said`: the target's own columns with their values."""
    known = {one.kind: one.value for one in reversed(call.identifiers)}
    own = {
        "delivery_id": str(call.delivery_id),
        "customer_id": str(call.customer_id),
        "written_at": iso(now),
        "do_before": iso(call.deadline),
        "channel": call.channel,
        "action": call.action,
        "variant": call.variant,
        "template": call.template,
        "external_id": known.get("external_id", ""),
        # Who posts a letter needs no number to call.
        "phone": known.get("phone", "") if call.channel == "call" else "",
        LAST: "; ".join(f"{k.replace('_', ' ')}: {v}" for k, v in call.context.items() if v),
    }
    values = {**said, **own}
    return write_line([harmless(values.get(name)) for name in style.columns], style.delimiter)


def harmless(value: object) -> str:
    """Write a value as text that no spreadsheet runs."""
    text = "" if value is None else str(value)
    plain = _CONTROL.sub("", _BREAKS.sub(" ", text)).strip()
    # Asked of what came, too: a tab or a break at its front is how a formula hides.
    risky = text.startswith(_FORMULA) or plain.startswith(_FORMULA)
    if risky and not _PHONE.fullmatch(plain) and not _NUMBER.fullmatch(plain):
        return f"'{plain}"
    return plain


def write_line(values: Sequence[str], delimiter: str) -> bytes:
    """Write one line; every value is quoted, so that nothing ends a field but its quote."""
    quoted = ('"' + value.replace('"', '""') + '"' for value in values)
    return (delimiter.join(quoted) + "\r\n").encode("utf-8", errors="replace")


def delivery_of(line: bytes) -> str:
    """Read whose row a line is."""
    return line[1:37].decode("ascii", errors="replace")


def customer_of(line: bytes) -> str:
    """Read which customer a line is about: both ids have a fixed length."""
    return line[40:76].decode("ascii", errors="replace")
