"""A delivery as a message and whom it goes to. Pure.

In: an `ActionCall`, the account, the target's templates and names. Out: an `Envelope`, or the
`Verdict` where this message cannot be written.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.dispatcher.calls.calls import ActionCall, Verdict
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.fields import written
from services.dispatcher.platforms.smtp.account import Account
from services.dispatcher.platforms.smtp.letter import (
    Letter,
    Signer,
    mailable,
    unsubscribe_url,
    write_letter,
)
from services.dispatcher.platforms.smtp.shelf import Shelf, Unwritable
from services.dispatcher.platforms.wired import Wired
from shared.stop_links import STOPPABLE, Stop


@dataclass(frozen=True, slots=True)
class Desk:
    """What a target writes with: its preset, its templates, how it names values."""

    preset: Wired
    shelf: Shelf
    names: Names


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whom the server is told of, and the message's bytes."""

    to: str
    content: bytes


def envelope_of(
    desk: Desk, account: Account, call: ActionCall, now: datetime
) -> Envelope | Verdict:
    """Write the message of a delivery, or say why it cannot be written for her."""
    refused = _refused(desk, account, call)
    if refused is not None:
        return refused
    address = next((one.value for one in call.identifiers if one.kind == "email"), None)
    if address is None:
        return Verdict("reject", "the customer has no email for the channel email")
    try:
        to = mailable(address)
    except Unwritable as error:
        return Verdict("reject", str(error))
    try:
        return Envelope(to, write_letter(account, _letter(desk, account, call, to, now)))
    except Unwritable as error:
        return Verdict("park", str(error))


def _refused(desk: Desk, account: Account, call: ActionCall) -> Verdict | None:
    """Say what this target cannot carry at all."""
    act = desk.preset.act
    if call.contact_class not in act.classes:
        return Verdict("reject", f"this target does not carry the class {call.contact_class}")
    if call.channel not in act.channels:
        return Verdict("reject", f"this target does not serve the channel {call.channel}")
    if call.contact_class in STOPPABLE and not account.can_stop:
        return Verdict("park", "nobody could stop it: set vars.unsubscribe_url or _mail")
    return None


def _letter(desk: Desk, account: Account, call: ActionCall, to: str, now: datetime) -> Letter:
    """Fill in the template. Raises `Unwritable`."""
    template = desk.names.templates.get(call.template, call.template)
    language = call.attributes.get("language")
    sheet = desk.shelf.find(template, language if isinstance(language, str) else None)
    if sheet is None:
        raise Unwritable(f"there is no template {template}")
    context = call.context
    return Letter(
        written=desk.shelf.write(sheet, _values(desk, account, call)),
        delivery_id=call.delivery_id,
        to=to,
        signer=Signer(_text(context.get("signed_by")), _text(context.get("reply_to"))),
        now=now,
        stop=_stop(call),
    )


def _values(desk: Desk, account: Account, call: ActionCall) -> dict[str, Any]:
    """Give every name that a template may use; what is not known is not there."""
    said: dict[str, Any] = {
        **written(call.attributes, desk.names.message, desk.preset.formats),
        **call.context,
        "brand": account.brand,
        "delivery_id": str(call.delivery_id),
        "action": call.action,
        "variant": call.variant,
    }
    stop = _stop(call)
    if stop is not None:
        said["unsubscribe_url"] = unsubscribe_url(account, stop)
    return {name: value for name, value in said.items() if value not in (None, "")}


def _stop(call: ActionCall) -> Stop | None:
    """Say what its reader may stop; messages of service, and asked for, cannot be stopped."""
    found = next((one for one in STOPPABLE if one == call.contact_class), None)
    return None if found is None else Stop(call.delivery_id, found)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
