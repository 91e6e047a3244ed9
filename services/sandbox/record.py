"""The sandbox's memory: the last calls, the keys that took effect, the switches, who is watching.

One process, one event loop: every change is made without awaiting, so none is half seen.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.sandbox.entries import (
    Call,
    Counters,
    Entry,
    ErasureCall,
    ProfileCall,
    Which,
    receive,
)
from services.sandbox.journal import Journal
from services.sandbox.switches import ACCOUNTS, Account, Switch, Switches, all_ok, take, turn

#: Enough to scroll through; what is older stays only as a key.
LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class View:
    """What a watcher is shown: entries newest first, and the state beside them.

    A new `generation` means that the record was cleared; `version` grows with every change.
    """

    generation: int
    version: int
    entries: Sequence[Entry]
    switches: Switches
    counters: Mapping[Account, Counters]


class Record:
    """Receives calls and shows them. `journal` makes entries and keys outlive the process."""

    def __init__(self, journal: Journal, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._clock = clock
        self._switches = all_ok()
        self._changed = asyncio.Event()
        self._generation = 0
        #: Grows with every change.
        self.version = 0
        self._forget()
        for entry in journal.load(whole=LONGEST):
            self._remember(entry)

    def receive(self, account: Account, call: Call, key: str | None) -> tuple[Entry, Switch]:
        """Take one call: decide, write down, remember, tell. Returns the switch that held, too."""
        switch, self._switches = take(self._switches, account, call.KIND)
        entry = self._receive(account, call, key, switch)
        self._announce()
        return entry, switch

    def receive_batch(
        self, account: Account, calls: Sequence[ProfileCall]
    ) -> tuple[list[Entry], Switch]:
        """Take the profiles of one request: each is shown, and the switch counts one call."""
        switch, self._switches = take(self._switches, account, ProfileCall.KIND)
        entries = [self._receive(account, call, None, switch, batch=len(calls)) for call in calls]
        self._announce()
        return entries, switch

    def _receive(
        self,
        account: Account,
        call: Call,
        key: str | None,
        switch: Switch,
        *,
        batch: int | None = None,
    ) -> Entry:
        entry = receive(
            account,
            call,
            key=key,
            switch=switch,
            known_keys=self._keys[account],
            number=self._number + 1,
            at=self._clock(),
            batch=batch,
        )
        if isinstance(call, ErasureCall) and entry.effect:
            self._erase(account, call)
        # Before the answer: a kill between the two must not make the sandbox forget an effect.
        self._journal.append(entry)
        self._remember(entry)
        return entry

    def turn(self, account: Which, switch: Switch) -> None:
        """Turn a switch."""
        self._switches = turn(self._switches, account, switch)
        self._announce()

    def clear(self) -> None:
        """Forget entries and keys; the switches stay as they are."""
        self._journal.clear()
        self._forget()
        self._generation += 1
        self._announce()

    def view(self, *, account: Which = "all", after: int = 0, limit: int = LONGEST) -> View:
        """Show the newest entries with a number above `after`."""
        entries: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.number <= after or len(entries) == limit:
                break
            if account in ("all", entry.account):
                entries.append(entry)
        return View(self._generation, self.version, entries, self._switches, self._counters)

    async def changed(self, since: int, within: float) -> None:
        """Return when `version` is no longer `since`, or after `within` seconds."""
        if self.version == since:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), within)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _erase(self, account: Account, call: ErasureCall) -> None:
        """Empty what one account got about her; numbers and keys stay."""
        for place, entry in enumerate(tuple(self._entries)):
            if entry.account == account and call.concerns(entry):
                self._entries[place] = entry.model_copy(update={"call": {}})
        self._journal.erase(account, call)
        # A page that shows them loads everything anew.
        self._generation += 1

    def _forget(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LONGEST)
        self._keys: dict[Account, set[str]] = {account: set() for account in ACCOUNTS}
        self._counters: dict[Account, Counters] = dict.fromkeys(ACCOUNTS, Counters())
        self._number = 0

    def _remember(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._number = max(self._number, entry.number)
        self._counters[entry.account] = self._counters[entry.account].add(entry)
        if entry.kind == "action" and entry.effect and entry.key is not None:
            self._keys[entry.account].add(entry.key)

    def _announce(self) -> None:
        # A new event for the next change, so that each watcher wakes once for each.
        self.version += 1
        self._changed, changed = asyncio.Event(), self._changed
        changed.set()
