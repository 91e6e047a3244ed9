"""A mail account ready to be called: writes one message of a delivery and hands it over.

In: `ActionCall`, a budget. Out: a `Verdict`, always within the budget. No quick repeats: a server
that hesitates greylists, and is asked again by the ledger's own schedule.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from services.dispatcher.calls.calls import ActionCall, Deletion, Idempotency, Verdict
from services.dispatcher.platforms.no_profiles import NoProfiles
from services.dispatcher.platforms.smtp.conversation import Line, hand_over
from services.dispatcher.platforms.smtp.letter import message_id
from services.dispatcher.platforms.smtp.writing import Desk, envelope_of

#: Not worth beginning a conversation with less: it takes ten round trips.
_LEAST = timedelta(milliseconds=200)


class SmtpCarrier(NoProfiles):
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
        super().__init__(name, "a mail server", idempotency=idempotency, clock=clock, shadow=shadow)
        self._line = line
        self._desk = desk

    async def erase(self, deletion: Deletion, *, budget: timedelta, now: datetime) -> Verdict:
        """Refuse: what the server's operator logs is asked for there."""
        del deletion, budget, now
        return Verdict("reject", "a mail server takes no deletion from us")

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Send one message; `in_doubt` when it left and the server did not answer."""
        envelope = envelope_of(self._desk, self._line.account, call, now)
        if isinstance(envelope, Verdict):
            return envelope
        held = self._held(call)
        if held is not None:
            return held
        if budget < _LEAST:
            return Verdict("retry", "no time left for this call")
        limits = self._desk.preset.limits
        left_s = min(budget.total_seconds(), limits.connect_s + limits.answer_s)
        verdict = await hand_over(self._line, envelope, left_s=left_s)
        if verdict.outcome != "accepted":
            return verdict
        named = message_id(self._line.account, call.delivery_id)
        return Verdict("accepted", verdict.reason, reference=named)
