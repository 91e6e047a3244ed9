"""A CSV or JSONL file, row by row, as an operator exported it somewhere.

In: a path, its encoding. Out: rows with their numbers; a row that cannot be read comes with the
reason instead of fields. Raises `ConfigError` for a file that is none of this at all.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from shared.errors import ConfigError

Format = Literal["csv", "jsonl"]
DELIMITERS: Final = (",", ";", "\t", "|")
#: A comment of ten pages is 30 KB; a field beyond this is a quotation mark that was never closed.
_LONGEST_FIELD: Final = 1 << 20
_HEAD: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `number` counts from 0, `line` is where it ends in the file, from 1.

    `raw` is what stood there: the fields of a CSV row, or the one line. `problem` says why there
    are no `fields`.
    """

    number: int
    line: int
    fields: Any
    raw: Sequence[str]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RowsFile:
    """A file that was looked at: how it is written, and the names of its columns (CSV)."""

    path: Path
    format: Format
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    sha256: str

    def rows(self) -> Iterator[Row]:
        """Read all rows. Raises `ConfigError` where the encoding or a quotation is broken."""
        with _opened(self.path, self.encoding) as file:
            try:
                yield from self._csv(file) if self.format == "csv" else _jsonl(file)
            except UnicodeDecodeError:
                raise _undecodable(self.path, self.encoding) from None
            except csv.Error as error:
                raise ConfigError(f"{self.path}: {error}: look for an unclosed quote") from None

    def _csv(self, file: TextIO) -> Iterator[Row]:
        reader = _reader(file, self.delimiter)
        next(reader, None)
        number = 0
        for raw in reader:
            if not any(field.strip() for field in raw):
                continue
            if len(raw) > len(self.columns):
                yield Row(number, reader.line_num, None, raw, "more fields than the header names")
            else:
                fields = dict(zip(self.columns, raw, strict=False))
                yield Row(number, reader.line_num, fields, raw)
            number += 1


def look_at(path: Path, *, encoding: str = "utf-8", format_: Format | None = None) -> RowsFile:
    """Find how a file is written. Raises `ConfigError`."""
    format_ = format_ or _format_of(path)
    try:
        digest = _hash_of(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if encoding.lower().replace("_", "-") == "utf-8":
        encoding = "utf-8-sig"  # a byte order mark, as spreadsheets write, is no part of a name
    delimiter, columns = _header(path, encoding) if format_ == "csv" else ("", ())
    return RowsFile(path, format_, encoding, delimiter, columns, digest)


def sniffed(head: str) -> str:
    """Tell the delimiter of a CSV file by its first record: the one that stands there most."""
    counts = dict.fromkeys(DELIMITERS, 0)
    quoted = False
    for character in head:
        if character == '"':
            quoted = not quoted
        elif character == "\n" and not quoted:
            break
        elif character in counts and not quoted:
            counts[character] += 1
    return max(counts, key=lambda one: counts[one])


def _header(path: Path, encoding: str) -> tuple[str, tuple[str, ...]]:
    with _opened(path, encoding) as file:
        try:
            delimiter = sniffed(file.read(_HEAD))
            file.seek(0)
            columns: list[str] = next(_reader(file, delimiter), [])
        except UnicodeDecodeError:
            raise _undecodable(path, encoding) from None
        except csv.Error as error:
            raise ConfigError(f"{path}: {error}: look for an unclosed quote") from None
    names = [column.strip() for column in columns]
    if not any(names):
        raise ConfigError(f"{path}: the first row must name the columns")
    for name in names:
        if name and names.count(name) > 1:
            raise ConfigError(f"{path}: two columns are called {name!r}: rename one")
    return delimiter, tuple(names)


def _reader(file: TextIO, delimiter: str) -> Any:
    csv.field_size_limit(_LONGEST_FIELD)
    return csv.reader(file, delimiter=delimiter, strict=True)


def _jsonl(file: TextIO) -> Iterator[Row]:
    number = 0
    for line, text in enumerate(file, 1):
        raw = text.strip()
        if not raw:
            continue
        fields, problem = None, None
        try:
            fields = json.loads(raw, parse_constant=_refuse)
        except (ValueError, RecursionError):
            problem = "not JSON"
        if problem is None and not isinstance(fields, dict):
            fields, problem = None, "not an object of named fields"
        yield Row(number, line, fields, (raw,), problem)
        number += 1


def _refuse(word: str) -> object:
    raise ValueError(word)


def _opened(path: Path, encoding: str) -> TextIO:
    try:
        return path.open(encoding=encoding, newline="")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except LookupError:
        raise ConfigError("--encoding: unknown: give utf-8, latin-1, cp1252 or utf-16") from None


def _format_of(path: Path) -> Format:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt"):
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    raise ConfigError(f"{path}: name it .csv or .jsonl, or give --format")


def _undecodable(path: Path, encoding: str) -> ConfigError:
    word = encoding.removesuffix("-sig")
    return ConfigError(f"{path}: not {word}: give --encoding latin-1 (or cp1252, utf-16)")


def _hash_of(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
