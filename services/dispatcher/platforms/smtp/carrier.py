"""A mail account ready to be called: writes one message of a delivery and hands it over.

In: `ActionCall`, a budget. Out: a `Verdict`, always within the budget. No quick repeats: a server
that hesitates greylists, and is asked again by the ledger's own schedule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.dispatcher.calls import (
    SHADOWED,
    ActionCall,
    Deletion,
    Idempotency,
    ProfilePush,
    Verdict,
)
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.fields import written
from services.dispatcher.platforms.smtp.account import STOPPABLE
from services.dispatcher.platforms.smtp.conversation import Envelope, Line, hand_over
from services.dispatcher.platforms.smtp.letter import (
    Letter,
    Signer,
    mailable,
    message_id,
    unsubscribe_url,
    write_letter,
)
from services.dispatcher.platforms.smtp.shelf import Shelf, Unwritable
from services.dispatcher.platforms.wired import Wired

#: Not worth beginning a conversation with less: it takes ten round trips.
_LEAST = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a target writes with: its preset, its templates, how it names values."""

    preset: Wired
    shelf: Shelf
    names: Names


class SmtpCarrier:
    """One mail account. Implements `calls.Carrier`. In `shadow` letters are written and kept."""

    def __init__(
        self,
        name: str,
        line: Line,
        desk: Desk,
        *,
        idempotency: Idempotency,
        clock: Callable[[], datetime],
        shadow: bool = False,
    ) -> None:
        self.name = name
        self.action_idempotency = idempotency
        self._line = line
        self._desk = desk
        self._clock = clock
        self._shadow = shadow

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: datetime) -> Verdict:
        """Refuse: a mail server keeps no profiles."""
        del push, budget, now
        return Verdict("reject", "a mail server keeps no profiles for us")

    async def erase(self, deletion: Deletion, *, budget: timedelta, now: datetime) -> Verdict:
        """Refuse: what the server's operator logs is asked for there."""
        del deletion, budget, now
        return Verdict("reject", "a mail server takes no deletion from us")

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Send one message; `in_doubt` when it left and the server did not answer."""
        envelope = self._refused(call) or self._envelope(call, now)
        if isinstance(envelope, Verdict):
            return envelope
        if self._clock() >= call.deadline:
            return Verdict("retry", "the deadline came before the call")
        if budget < _LEAST:
            return Verdict("retry", "no time left for this call")
        if self._shadow:
            return SHADOWED
        limits = self._desk.preset.limits
        left_s = min(budget.total_seconds(), limits.connect_s + limits.answer_s)
        verdict = await hand_over(self._line, envelope, left_s=left_s)
        if verdict.outcome != "accepted":
            return verdict
        named = message_id(self._line.account, call.delivery_id)
        return Verdict("accepted", verdict.reason, reference=named)

    def _refused(self, call: ActionCall) -> Verdict | None:
        """Say what this target cannot carry at all."""
        act = self._desk.preset.act
        if call.contact_class not in act.classes:
            return Verdict("reject", f"this target does not carry the class {call.contact_class}")
        if call.channel not in act.channels:
            return Verdict("reject", f"this target does not serve the channel {call.channel}")
        if call.contact_class in STOPPABLE and not self._line.account.can_stop:
            return Verdict("park", "nobody could stop it: set vars.unsubscribe_url or _mail")
        return None

    def _envelope(self, call: ActionCall, now: datetime) -> Envelope | Verdict:
        """Write the message, or say why it cannot be written for her."""
        address = next((one.value for one in call.identifiers if one.kind == "email"), None)
        if address is None:
            return Verdict("reject", "the customer has no email for the channel email")
        try:
            to = mailable(address)
        except Unwritable as error:
            return Verdict("reject", str(error))
        try:
            return Envelope(to, write_letter(self._line.account, self._letter(call, to, now)))
        except Unwritable as error:
            return Verdict("park", str(error))

    def _letter(self, call: ActionCall, to: str, now: datetime) -> Letter:
        """Fill in the template. Raises `Unwritable`."""
        shelf, names = self._desk.shelf, self._desk.names
        template = names.templates.get(call.template, call.template)
        language = call.attributes.get("language")
        sheet = shelf.find(template, language if isinstance(language, str) else None)
        if sheet is None:
            raise Unwritable(f"there is no template {template}")
        context = call.context
        return Letter(
            written=shelf.write(sheet, self._values(call)),
            delivery_id=call.delivery_id,
            to=to,
            signer=Signer(_text(context.get("signed_by")), _text(context.get("reply_to"))),
            now=now,
            stoppable=call.contact_class in STOPPABLE,
        )

    def _values(self, call: ActionCall) -> dict[str, Any]:
        """Give every name that a template may use; what is not known is not there."""
        account = self._line.account
        said: dict[str, Any] = {
            **written(call.attributes, self._desk.names.message, self._desk.preset.formats),
            **call.context,
            "brand": account.brand,
            "delivery_id": str(call.delivery_id),
            "action": call.action,
            "variant": call.variant,
        }
        url = unsubscribe_url(account, call.delivery_id)
        if call.contact_class in STOPPABLE and url:
            said["unsubscribe_url"] = url
        return {name: value for name, value in said.items() if value not in (None, "")}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
