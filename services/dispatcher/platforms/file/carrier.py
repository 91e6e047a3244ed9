"""A folder of lists ready to be called: one row for each delivery.

In: `ActionCall` or `Deletion`, a budget. Out: a `Verdict`. The disk is asked in a thread, for it
may be slow or far away; what it has not said within the budget is in doubt until the next look.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.dispatcher.calls.calls import ActionCall, Deletion, Idempotency, Verdict
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.file.folder import Busy, Folder, Torn
from services.dispatcher.platforms.file.rows import Style, line_of
from services.dispatcher.platforms.no_profiles import NoProfiles
from services.dispatcher.platforms.wired import Wired

#: What remains of a budget once the lock is held.
_FOR_THE_DISK: Final = timedelta(seconds=5)


class FileCarrier(NoProfiles):
    """One folder of lists. Implements `calls.Carrier`. In `shadow` no row is added."""

    def __init__(
        self,
        name: str,
        folder: Folder,
        *,
        preset: Wired,
        style: Style,
        names: Names,
        zone: ZoneInfo,
        idempotency: Idempotency,
        clock: Callable[[], datetime],
        shadow: bool = False,
    ) -> None:
        super().__init__(name, "a list", idempotency=idempotency, clock=clock, shadow=shadow)
        self._folder = folder
        self._preset = preset
        self._style = style
        self._names = names
        self._zone = zone

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Write the delivery's row, unless it is there."""
        line = line_of(self._preset, self._names, self._style, call, now)
        if isinstance(line, Verdict):
            return line
        held = self._held(call)
        if held is not None:
            return held
        day = now.astimezone(self._zone).date()
        try:
            async with asyncio.timeout(budget.total_seconds()):
                done, file = await asyncio.to_thread(
                    self._folder.add, call.delivery_id, line, day, within_s=_lock_s(budget)
                )
        except OSError as error:
            return _failed(error)
        if done == "gone":
            return Verdict(
                "park", f"{file} was taken away before its row was confirmed: look there"
            )
        return Verdict("accepted", f"{done} in {file}", reference=file)

    async def erase(self, deletion: Deletion, *, budget: timedelta, now: datetime) -> Verdict:
        """Take her rows out of the files that are still here."""
        del now
        try:
            async with asyncio.timeout(budget.total_seconds()):
                rows, files = await asyncio.to_thread(
                    self._folder.remove, deletion.customer_id, within_s=_lock_s(budget)
                )
        except OSError as error:
            # Looking again is harmless, so no doubt is left.
            return Verdict("retry", _failed(error).reason)
        return Verdict(
            "ok", f"{rows} rows removed from {files} files; ask who has taken files away before"
        )


def _lock_s(budget: timedelta) -> float:
    return max(0.0, (budget - _FOR_THE_DISK).total_seconds())


def _failed(error: OSError) -> Verdict:
    """Say what a disk that refuses means; no path is told."""
    match error:
        case TimeoutError():
            return Verdict("in_doubt", "the disk did not answer in time")
        case Torn():
            return Verdict("in_doubt", "the disk failed in the middle of a row")
        case Busy():
            return Verdict("retry", "another process holds the folder")
    return Verdict("retry", f"the disk refuses: {error.strerror or 'no reason given'}")
