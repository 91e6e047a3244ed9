"""A file on its way to a running instance: in batches, from where it stopped, refusals noted.

In: a file that was looked at, a source, where its data comes from. Out: what became of its rows.
What was refused stands in a file beside it, to be corrected and imported by itself.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from services.ingest.history.file import Row, RowsFile
from shared.instance import Refused, Server

_MOST_ROWS: Final = 500
#: Half of what a body may hold by default; an installation may allow less.
_MOST_BYTES: Final = 512 << 10
#: What the server says of a body because of one row in it.
_UNREADABLE: Final = {
    400: "holds what no message may: a number, a text or a depth out of all bounds",
    413: "larger than `body_bytes` of the server",
}
_MARKS: Final = ("refused_row", "refused_path", "refused_rule")


@dataclass
class Tally:
    """What became of a file's rows in this run; `before` were told by an earlier one."""

    before: int = 0
    told: int = 0
    refused: int = 0
    erased: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)


class Importing:
    """One run. `moved` is told how many rows are done."""

    def __init__(
        self,
        at: Server,
        file: RowsFile,
        source: str,
        provenance: str,
        *,
        dry_run: bool,
        moved: Callable[[int], None],
    ) -> None:
        self._at = at
        self._file = file
        self._said = {"source": source, "provenance": provenance}
        self._dry_run = dry_run
        self._moved = moved
        self.tally = Tally()

    def run(self, rows_total: int) -> Tally:
        """Tell all rows not yet told. Raises what `Server` raises; the next run goes on there."""
        path, first = "/v1/imports/trial", 0
        if not self._dry_run:
            begun = self._at.post(
                "/v1/imports",
                {**self._said, "sha256": self._file.sha256, "rows_total": rows_total},
            )
            path, first = f"/v1/imports/{begun['id']}/rows", begun["next_row"]
        self.tally.before = first
        self._moved(first)
        with Refusals(self._file, begun=first > 0) as refusals:
            for batch in _batches(self._file.rows(), first):
                self._tell(path, batch, refusals)
        return self.tally

    def _tell(self, path: str, batch: Sequence[Row], refusals: "Refusals") -> None:
        content: dict[str, Any] = {
            "from": batch[0].number,
            "rows": [row.fields for row in batch],
        }
        if self._dry_run:
            content |= self._said
        try:
            answer = self._at.post(path, content)
        except Refused as error:
            if error.status not in _UNREADABLE:
                raise
            self._in_parts(path, batch, refusals, _UNREADABLE[error.status])
            return
        by_number = {row.number: row for row in batch}
        for refused in answer["refused"]:
            row = by_number[refused["row"]]
            rule = row.problem or refused["rule"]
            refusals.note(row, refused["path"], rule)
            self.tally.rules[refused["path"], rule] += 1
        self.tally.told += answer["told"]
        self.tally.erased += answer["erased"]
        self.tally.ignored.update(answer["ignored"])
        self.tally.refused += len(answer["refused"])
        self._moved(batch[-1].number + 1)

    def _in_parts(
        self, path: str, batch: Sequence[Row], refusals: "Refusals", problem: str
    ) -> None:
        """Send less at once; a row that cannot be sent at all is refused, and its number kept."""
        if len(batch) > 1:
            half = len(batch) // 2
            self._tell(path, batch[:half], refusals)
            self._tell(path, batch[half:], refusals)
            return
        (row,) = batch
        if row.fields is not None:
            self._tell(path, [Row(row.number, row.line, None, row.raw, problem)], refusals)


class Refusals:
    """The file of refused rows, made when there is a first one: `<name>.refused.csv` or `.jsonl`.

    `begun`: an earlier run may have noted some, which stay.
    """

    def __init__(self, file: RowsFile, *, begun: bool) -> None:
        self._file = file
        self._begun = begun
        self._to: TextIO | None = None
        self.path = refused_path(file)

    def __enter__(self) -> "Refusals":
        if not self._begun:
            self.path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._to is not None:
            self._to.close()

    def note(self, row: Row, path: str, rule: str) -> None:
        """Write one refused row with its number as people count: from 1, the header not one."""
        if self._to is None:
            fresh = not self.path.exists()
            self._to = self.path.open("a", encoding="utf-8", newline="")
            if fresh and self._file.format == "csv":
                self._writer.writerow([*self._file.columns, *_MARKS])
        marks = (row.number + 1, path, rule)
        if self._file.format == "csv":
            width = len(self._file.columns)
            fields = [*row.raw[:width], *[""] * (width - len(row.raw))]
            self._writer.writerow([*fields, *marks])
        else:
            kept = row.fields if isinstance(row.fields, Mapping) else {"refused_text": row.raw[0]}
            marked = {**kept, **dict(zip(_MARKS, marks, strict=True))}
            self._to.write(json.dumps(marked) + "\n")
        self._to.flush()

    @property
    def _writer(self) -> Any:
        assert self._to is not None  # noqa: S101 - opened by `note`
        return csv.writer(self._to, delimiter=self._file.delimiter, lineterminator="\n")


def refused_path(file: RowsFile) -> Path:
    """Name the file of refused rows."""
    return file.path.with_name(f"{file.path.stem}.refused.{file.format}")


def _batches(rows: Iterator[Row], first: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        if row.number < first:
            continue
        length = sum(map(len, row.raw)) + 20 * len(row.raw)
        if batch and (len(batch) == _MOST_ROWS or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch
