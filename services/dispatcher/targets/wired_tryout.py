"""Trying a mail or list target: the message or the row that a play's action would make.

In: a target's settings, an action. Out: the same `Shown` as of a request, or why the target would
not take it. Reads the templates; nothing is connected to, no secret is asked for.
"""

from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from services.dispatcher.calls.calls import ActionCall, ProfilePush, Verdict
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.file.rows import line_of
from services.dispatcher.platforms.rehearse import Shown
from services.dispatcher.platforms.smtp.account import make_smtp_account, unsigned
from services.dispatcher.platforms.smtp.writing import Desk, Envelope, envelope_of
from services.dispatcher.platforms.wired import Wired
from services.dispatcher.targets.settings import TargetSettings, resolve_vars
from services.dispatcher.targets.wired import read_shelf, style_of
from shared.settings import Secrets


def show_wired(
    preset: Wired,
    settings: TargetSettings,
    secrets: Secrets,
    asked: ProfilePush | ActionCall,
    *,
    beside: Path,
    now: datetime,
) -> Verdict | tuple[Shown, ...]:
    """Write what would leave; a verdict where it would not be taken. Raises `ConfigError`."""
    if isinstance(asked, ProfilePush):
        return Verdict("reject", "this target keeps no profiles for us")
    hidden = {
        name: "hidden" if given and preset.vars[name].secret else given
        for name, given in settings.vars.items()
    }
    known = resolve_vars(preset, settings.model_copy(update={"vars": hidden}), secrets)
    names = Names(message=settings.message, templates=settings.templates)
    if preset.wire == "file":
        style = style_of(known, names)
        line = line_of(preset, names, style, asked, now)
        if isinstance(line, Verdict):
            return line
        where = f"{known['folder']}/{known['file']}-<day>.csv"
        text = (style.header + line).decode("utf-8-sig").replace("\r\n", "\n")
        return (Shown("row", "always", "APPEND", where, body=text),)
    account = make_smtp_account(known, allow_plain=settings.allow_http, sign=unsigned)
    desk = Desk(preset, read_shelf(beside / known["templates"]), names)
    made = envelope_of(desk, account, asked, now)
    if isinstance(made, Verdict):
        return made
    where = f"smtp://{account.host}:{account.port} ({account.security})"
    return tuple(_parts(where, made))


def _parts(where: str, envelope: Envelope) -> Iterator[Shown]:
    """Show a message as its reader's program takes it apart."""
    message = message_from_bytes(envelope.content, policy=default)
    if not isinstance(message, EmailMessage):
        raise TypeError("the policy makes no other messages")
    headers = tuple((name, str(value).strip()) for name, value in message.items())
    yield Shown("message", "always", "MAIL", where, headers=headers)
    for part in message.iter_parts():
        kind = part.get_content_type()
        yield Shown("part", "in it", "PART", kind, body=part.get_content().replace("\r\n", "\n"))
