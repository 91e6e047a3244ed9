"""What carriers have in common that hand over messages and keep nobody's profile. No I/O."""

from collections.abc import Callable
from datetime import datetime, timedelta

from services.dispatcher.calls.calls import SHADOWED, ActionCall, Idempotency, ProfilePush, Verdict
from services.dispatcher.platforms.one_by_one import OneByOne


class NoProfiles(OneByOne):
    """To be inherited by carriers; `what` names such a thing in the refusal of a profile."""

    def __init__(
        self,
        name: str,
        what: str,
        *,
        idempotency: Idempotency,
        clock: Callable[[], datetime],
        shadow: bool,
    ) -> None:
        self.name = name
        self.action_idempotency = idempotency
        self._what = what
        self._clock = clock
        self._shadow = shadow

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: datetime) -> Verdict:
        """Refuse: there is nobody here to write to."""
        del push, budget, now
        return Verdict("reject", f"{self._what} keeps no profiles for us")

    def _held(self, call: ActionCall) -> Verdict | None:
        """Say why a message that is written stays here: it came too late, or all is rehearsed."""
        if self._clock() >= call.deadline:
            return Verdict("retry", "the deadline came before the call")
        return SHADOWED if self._shadow else None
