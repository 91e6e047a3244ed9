"""The files of one target in its folder: a row for each delivery, once, on the disk.

In: a delivery's id and line, a day. Out: what became of it. Under one lock for all processes: the
note of which file a row goes to comes first, then the row, each synced; so a kill between them is
seen by whoever comes next. A file that a person took away is never begun again under its name, and
what was to stand in it is not written a second time.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from errno import ENOSPC
from itertools import count
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from services.dispatcher.platforms.file.rows import Style, customer_of, delivery_of

#: `written`: now · `there`: it was before · `gone`: noted for a file that was taken away since.
Added = tuple[Literal["written", "there", "gone"], str]
#: Notes outlive every deadline of a play by far.
_NOTES_KEPT: Final = timedelta(days=400)
_BETWEEN_LOOKS_S: Final = 0.01
_MODE: Final = 0o600


class Busy(OSError):
    """Another process holds the folder for too long."""


class Torn(OSError):
    """A row may stand in its file, or not: the disk failed in the middle."""


class Folder:
    """One target's files. Its methods block: call them in a thread."""

    def __init__(self, place: Path, stem: str, style: Style) -> None:
        self._place = place
        self._style = style
        self._stem = stem
        self._ours = re.compile(rf"{re.escape(stem)}-(\d{{4}}-\d\d-\d\d)(-\d+)?\.csv")
        self._notes = place / f".{stem}.notes"
        # Ids and names of files only, read on from where we were: all of it is asked each time.
        self._noted: dict[str, str] = {}
        self._read: tuple[int, int] = (0, 0)

    def add(self, delivery_id: UUID, line: bytes, day: date, *, within_s: float) -> Added:
        """Write a row unless it is there. Raises `OSError`; `Torn` if it may stand there."""
        name = str(delivery_id)
        with self.alone(within_s):
            self._read_on()
            noted = self._noted.get(name)
            if noted is not None:
                if not (self._place / noted).exists():
                    return "gone", noted
                self._mend(noted)
                if any(delivery_of(row) == name for row in self._rows(noted)):
                    return "there", noted
            if noted is None or not self._has_our_header(noted):
                noted = self._todays(day)
                self._note(name, noted)
            self._mend(noted)
            self._append(noted, line)
            return "written", noted

    def remove(self, customer_id: UUID, *, within_s: float) -> tuple[int, int]:
        """Take a customer's rows out; returns rows removed, files looked at."""
        hers, removed, looked = str(customer_id), 0, 0
        with self.alone(within_s):
            for left in self._place.glob(f".{self._stem}-*.tmp"):
                left.unlink()
            for name in self._present():
                looked += 1
                self._mend(name)
                header, *rows = self._lines(name)
                kept = [row for row in rows if customer_of(row) != hers]
                if len(kept) < len(rows):
                    self._replace(name, b"".join([header, *kept]))
                    removed += len(rows) - len(kept)
        return removed, looked

    @contextmanager
    def alone(self, within_s: float) -> Iterator[None]:
        """Hold the folder alone, of all processes; raises `Busy` when it is not free in time."""
        until = time.monotonic() + within_s
        handle = os.open(self._place / f".{self._stem}.lock", os.O_CREAT | os.O_RDWR, _MODE)
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise Busy("another process holds the folder") from None
                    time.sleep(_BETWEEN_LOOKS_S)
            yield
        finally:
            os.close(handle)

    def _read_on(self) -> None:
        """Read what was noted since we last looked, by whichever process."""
        try:
            handle = os.open(self._notes, os.O_RDONLY)
        except FileNotFoundError:
            self._noted, self._read = {}, (0, 0)
            return
        with os.fdopen(handle, "rb") as notes:
            inode = os.fstat(notes.fileno()).st_ino
            if inode != self._read[0]:
                self._noted, self._read = {}, (inode, 0)
            notes.seek(self._read[1])
            new = notes.read()
        # A torn last line was written before its row: nobody was told of it.
        whole = new[: new.rfind(b"\n") + 1]
        for line in whole.decode("ascii", errors="replace").splitlines():
            name, _, file = line.partition(" ")
            self._noted[name] = file
        self._read = (inode, self._read[1] + len(whole))

    def _note(self, name: str, file: str) -> None:
        """Note where a row goes to, before it is written."""
        handle = os.open(self._notes, os.O_CREAT | os.O_RDWR, _MODE)
        with os.fdopen(handle, "r+b") as notes:
            notes.truncate(self._read[1])
            notes.seek(self._read[1])
            notes.write(f"{name} {file}\n".encode("ascii"))
            notes.flush()
            os.fsync(notes.fileno())
            self._read = (os.fstat(notes.fileno()).st_ino, notes.tell())
        self._noted[name] = file

    def _todays(self, day: date) -> str:
        """Name the file of a day, begun if need be: one with our columns, never a taken name."""
        for n in count(1):
            name = f"{self._stem}-{day.isoformat()}{'' if n == 1 else f'-{n}'}.csv"
            if (self._place / name).exists():
                if self._has_our_header(name):
                    return name
            elif name not in self._noted.values():
                self._forget_old_notes(day)
                self._replace(name, self._style.header)
                return name
        raise AssertionError("counting does not end")

    def _forget_old_notes(self, day: date) -> None:
        """Drop the notes of files from long ago, once for each file that is begun."""
        oldest = (day - _NOTES_KEPT).isoformat()
        kept = {n: f for n, f in self._noted.items() if self._day_of(f) >= oldest}
        if len(kept) < len(self._noted):
            text = "".join(f"{n} {f}\n" for n, f in kept.items()).encode("ascii")
            self._replace(self._notes.name, text)
            self._noted = kept
            self._read = (self._notes.stat().st_ino, len(text))

    def _day_of(self, file: str) -> str:
        found = self._ours.fullmatch(file)
        return found[1] if found else ""

    def _present(self) -> Sequence[str]:
        return sorted(one.name for one in self._place.iterdir() if self._ours.fullmatch(one.name))

    def _has_our_header(self, name: str) -> bool:
        with (self._place / name).open("rb") as file:
            return file.read(len(self._style.header)) == self._style.header

    def _lines(self, name: str) -> list[bytes]:
        return (self._place / name).read_bytes().splitlines(keepends=True)

    def _rows(self, name: str) -> list[bytes]:
        return self._lines(name)[1:]

    def _mend(self, name: str) -> None:
        """Cut off half a row that a kill or a full disk left at the end."""
        with (self._place / name).open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            # Read as a whole only when it must be: a list of a day is read for each of its rows.
            if size and file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
                os.fsync(file.fileno())

    def _append(self, name: str, line: bytes) -> None:
        """Put a row at the end, in one write; raises `Torn` if that half happened."""
        handle = os.open(self._place / name, os.O_WRONLY | os.O_APPEND)
        try:
            size = os.fstat(handle).st_size
            try:
                _all(handle, line)
            except OSError as error:
                try:
                    os.ftruncate(handle, size)
                    os.fsync(handle)
                except OSError:
                    raise Torn(error.errno, "the disk failed in the middle") from None
                raise
        finally:
            os.close(handle)

    def _replace(self, name: str, content: bytes) -> None:
        """Write a file as a whole: it is there complete, or as it was."""
        made = self._place / f".{name.lstrip('.')}.tmp"
        handle = os.open(made, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, _MODE)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), _MODE)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            made.replace(self._place / name)
        except BaseException:
            with suppress(OSError):
                made.unlink()
            raise
        folder = os.open(self._place, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _all(handle: int, line: bytes) -> None:
    """Write a line as a whole and see it to the disk; raises `OSError` otherwise."""
    if os.write(handle, line) < len(line):
        raise OSError(ENOSPC, "the disk took a part only")
    os.fsync(handle)
