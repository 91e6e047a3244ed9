"""Targets with a wire of their own (mail, files): their settings checked and made callable.

In: a part of `targets.yaml`, secrets, the folder of the file. Out: a carrier, and the templates
that plays must find; or `ConfigError` with the fix.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from os import W_OK, X_OK, access
from pathlib import Path
from zoneinfo import ZoneInfo

from services.dispatcher.calls.calls import Carrier, Idempotency
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.file.carrier import FileCarrier
from services.dispatcher.platforms.file.folder import Folder
from services.dispatcher.platforms.file.rows import DELIMITERS, Style, columns
from services.dispatcher.platforms.smtp.account import Account, Sign, make_smtp_account
from services.dispatcher.platforms.smtp.carrier import SmtpCarrier
from services.dispatcher.platforms.smtp.conversation import Line
from services.dispatcher.platforms.smtp.shelf import GIVEN, Shelf
from services.dispatcher.platforms.smtp.writing import Desk
from services.dispatcher.platforms.wired import Wired, load_wired
from services.dispatcher.playbook.plays import Do
from services.dispatcher.targets.settings import TargetSettings, check_names, idempotency
from shared.errors import ConfigError
from shared.stop_links import STOPPABLE


@dataclass(frozen=True, slots=True)
class Stock:
    """What a mail target has for plays: templates, and the values that they may use."""

    shelf: Shelf
    account: Account
    names: Names

    def mistakes(self, do: Do) -> list[tuple[str, str]]:
        """List the keys of a play that are wrong for this target, with the fix."""
        wrong = []
        if do.contact_class in STOPPABLE and not self.account.can_stop:
            fix = f"class {do.contact_class} needs vars.unsubscribe_url or unsubscribe_mail"
            wrong.append(("class", fix))
        asked = {self.names.templates.get(t, t) for v in do.variants.values() for t in v.values()}
        missing = sorted(one for one in asked if not self.shelf.has(one))
        if missing:
            wrong.append(("variants", f"no template {', '.join(missing)}: write it, or map it"))
        known = GIVEN | {w.field for w in self.names.message.values()} | do.context.keys()
        if do.coupon is not None:
            known |= {"coupon"}
        if do.signed_by is not None:
            known |= {"signed_by", "signed_by_role", "reply_to"}
        if not self.account.unsubscribe_url or do.contact_class not in STOPPABLE:
            known -= {"unsubscribe_url"}
        for template in sorted(asked):
            unknown = sorted(self.shelf.needs(template) - known)
            if unknown:
                fix = f"template {template} needs {', '.join(unknown)}: add to context or message"
                wrong.append(("variants", fix))
        return wrong


@dataclass(frozen=True, slots=True)
class Opened:
    """A target that is ready, and its templates if it writes messages itself."""

    carrier: Carrier
    stock: Stock | None = None


def check_wired(settings: TargetSettings) -> Wired:
    """Check one target of `wired_names()`, without secrets. Raises `ConfigError`."""
    preset = load_wired(settings.preset)
    check_names(preset, settings)
    if settings.attributes:
        raise ConfigError("attributes: it keeps no profiles: use `message`, remove these")
    if settings.events:
        raise ConfigError("events: it has none, templates are named by the play: remove these")
    if preset.wire == "file":
        own = columns([written.field for written in settings.message.values()])
        twice = sorted({name for name in own if own.count(name) > 1})
        if twice:
            raise ConfigError(f"message: {', '.join(twice)} is a column of ours: choose another")
    return preset


def open_wired(
    name: str,
    preset: Wired,
    settings: TargetSettings,
    known: Mapping[str, str],
    *,
    beside: Path,
    clock: Callable[[], datetime],
    sign: Sign,
) -> Opened:
    """Make a checked target callable; `known` are its vars, `beside` the folder of the file.

    `sign` makes the tokens of links to unsubscribe that lead to us.
    """
    names = Names(message=settings.message, templates=settings.templates)
    repeats = idempotency(preset, settings)
    if preset.wire == "file":
        lists = _file(
            name, preset, known, names, repeats=repeats, clock=clock, shadow=settings.shadow
        )
        return Opened(lists)
    account = make_smtp_account(known, allow_plain=settings.allow_http, sign=sign)
    shelf = read_shelf(beside / known["templates"])
    line = Line(
        account=account,
        allow_private=settings.allow_private,
        connect_s=preset.limits.connect_s,
        tls=ssl.create_default_context(),
    )
    carrier = SmtpCarrier(
        name,
        line,
        Desk(preset, shelf, names),
        idempotency=repeats,
        clock=clock,
        shadow=settings.shadow,
    )
    return Opened(carrier, Stock(shelf, account, names))


def read_shelf(folder: Path) -> Shelf:
    """Read all templates of a folder. Raises `ConfigError`."""
    try:
        files = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.j2")}
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{folder}: a template is not UTF-8: save it in that encoding") from None
    if not files:
        raise ConfigError(f"{folder}: no templates (*.j2) there: correct vars.templates")
    return Shelf(files, str(folder))


def style_of(known: Mapping[str, str], names: Names) -> Style:
    """Say how the files of a list target are written."""
    return Style(
        columns=columns([written.field for written in names.message.values()]),
        delimiter=DELIMITERS[known["delimiter"]],
        bom=known["bom"] == "yes",
    )


def _file(
    name: str,
    preset: Wired,
    known: Mapping[str, str],
    names: Names,
    *,
    repeats: Idempotency,
    clock: Callable[[], datetime],
    shadow: bool,
) -> FileCarrier:
    place = Path(known["folder"])
    if not place.is_dir() or not access(place, W_OK | X_OK):
        raise ConfigError(f"vars.folder: {place} is no folder that we may write to: make it")
    try:
        zone = ZoneInfo(known["zone"])
    except (KeyError, OSError, ValueError):
        raise ConfigError("vars.zone: no such time zone: write it as Europe/Paris") from None
    style = style_of(known, names)
    return FileCarrier(
        name,
        Folder(place, known["file"], style),
        preset=preset,
        style=style,
        names=names,
        zone=zone,
        idempotency=repeats,
        clock=clock,
        shadow=shadow,
    )
