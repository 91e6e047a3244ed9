"""What most carriers do the same way: several pushes one after the other, no questions. No I/O."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.dispatcher.calls.calls import Carrier, Heard, Inquiry, ProfilePush, Verdict


class OneByOne:
    """To be inherited by carriers; lanes give them no batches, so the budget is that of one."""

    async def push_profiles(
        self: Carrier, pushes: Sequence[ProfilePush], *, budget: timedelta, now: datetime
    ) -> list[Verdict]:
        """Push each alone; returns one verdict per push, in their order."""
        return [await self.push_profile(push, budget=budget, now=now) for push in pushes]

    async def inquire(self, inquiry: Inquiry, *, budget: timedelta, now: datetime) -> Heard:
        """Say that nobody can be asked what became of a message."""
        del inquiry, budget, now
        return Heard(Verdict("reject", "this target is not asked what became of messages"))
