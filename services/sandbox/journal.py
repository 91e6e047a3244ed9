"""The sandbox's file: one JSON line for each call, so that a restart or kill forgets no key.

Without a file nothing is kept. On opening, what is older than the shown entries loses its content
(customer, e-mail, attributes) and keeps what keys and counters need.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from services.sandbox.entries import Entry, ErasureCall
from services.sandbox.switches import Account


class Journal:
    """Append-only while open; each line is handed to the operating system before `append` ends."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._open: IO[bytes] | None = None

    def load(self, *, whole: int) -> Sequence[Entry]:
        """Read what is known, oldest first, the newest `whole` of it with content; then open."""
        if self._file is None:
            return ()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        lines = self._file.read_bytes().splitlines() if self._file.exists() else []
        known = [entry for line in lines if (entry := _read(line)) is not None]
        older = max(0, len(known) - whole)
        entries = [e.model_copy(update={"call": {}}) for e in known[:older]] + known[older:]
        # Also mends a last line that a kill cut short: nothing is appended to half a line.
        self._rewrite(entries)
        return entries

    def append(self, entry: Entry) -> None:
        """Write one entry down: a kill of this process after it cannot lose the line."""
        if self._open is not None:
            self._open.write(_line(entry))

    def clear(self) -> None:
        """Forget everything."""
        if self._file is not None:
            self._rewrite(())

    def erase(self, account: Account, call: ErasureCall) -> None:
        """Empty every line of one account that is about a customer."""
        if self._file is None:
            return
        known = [_read(line) for line in self._file.read_bytes().splitlines()]
        self._rewrite(
            [
                entry.model_copy(update={"call": {}})
                if entry.account == account and call.concerns(entry)
                else entry
                for entry in known
                if entry is not None
            ]
        )

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _rewrite(self, entries: Sequence[Entry]) -> None:
        assert self._file is not None  # noqa: S101 - only called with a file
        self.close()
        new = self._file.with_name(f"{self._file.name}.new")
        # E-mail addresses are in it: for the owner's eyes only.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as stream:
            stream.writelines(_line(entry) for entry in entries)
        new.replace(self._file)
        self._open = self._file.open("ab", buffering=0)


def _line(entry: Entry) -> bytes:
    return entry.model_dump_json().encode() + b"\n"


def _read(line: bytes) -> Entry | None:
    try:
        return Entry.model_validate_json(line)
    except ValidationError:
        return None
