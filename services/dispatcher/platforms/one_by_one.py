"""Several pushes for a carrier that has no request for several: one after the other. No I/O."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.dispatcher.calls.calls import Carrier, ProfilePush, Verdict


class OneByOne:
    """To be inherited by carriers; lanes give them no batches, so the budget is that of one."""

    async def push_profiles(
        self: Carrier, pushes: Sequence[ProfilePush], *, budget: timedelta, now: datetime
    ) -> list[Verdict]:
        """Push each alone; returns one verdict per push, in their order."""
        return [await self.push_profile(push, budget=budget, now=now) for push in pushes]
