"""A multipart form: its fields as a tree like that of any form, its files by name and size alone.

In: the body and its content type. Out: a map, or `Undecodable`. A file's content is never copied:
nothing here reads one, and a form that carries files costs no more than its texts. Pure.
"""

import logging
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.ingest.decode.forms import nested
from services.ingest.decode.limits import Undecodable

MAX_PARTS: Final = 200
#: Headers of one part, and bytes of one header line.
MAX_HEADERS: Final = 8
MAX_HEADER_BYTES: Final = 2_048
#: Parameters of one header: the parser's cost grows with the square of them.
MAX_PARAMETERS: Final = 16
#: Of the request's content type, which holds the boundary.
MAX_CONTENT_TYPE: Final = 512

#: The parser warns of every fault; we answer it, and a stranger must not fill the log.
_SILENT: Final = logging.Logger("multipart", logging.CRITICAL + 1)


def decode_multipart(body: bytes, content_type: str) -> dict[str, object]:
    """Read a form of parts. A file is a map of `name`, `type` and `size`. Raises `Undecodable`."""
    parts = _Parts()
    try:
        boundary = _boundary(content_type)
        # No line of a part may start like the boundary: more of them than parts are no content,
        # and each would cost the parser microseconds.
        if body.count(b"\r\n--" + boundary) > MAX_PARTS:
            raise Undecodable(f"multipart of more than {MAX_PARTS} parts")
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_name,
                "on_header_value": parts.header_value,
                "on_headers_finished": parts.headers_finished,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.whole,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )
        parser.logger = _SILENT
        parser.write(body)
    except (FormParserError, UnicodeError):
        raise Undecodable("not multipart as its content type says") from None
    return parts.tree()


def _boundary(content_type: str) -> bytes:
    if len(content_type) > MAX_CONTENT_TYPE:
        raise Undecodable(f"multipart with a content type of more than {MAX_CONTENT_TYPE} bytes")
    boundary = _options(content_type.encode("latin-1"))[1].get(b"boundary")
    if not boundary:
        raise Undecodable("multipart without its boundary in the content type")
    return boundary


def _options(header: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    if header.count(b";") > MAX_PARAMETERS:
        raise Undecodable(f"multipart with a header of more than {MAX_PARAMETERS} parameters")
    return parse_options_header(header)


class _Parts:
    """Gathers what the parser finds."""

    def __init__(self) -> None:
        self._fields: list[tuple[str, object]] = []
        self._count = 0
        self._ended = False
        self._headers: dict[bytes, bytes] = {}
        self._header = b""
        self._name = ""
        self._file: dict[str, object] | None = None
        self._size = 0
        self._text: list[bytes] = []

    def begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise Undecodable(f"multipart of more than {MAX_PARTS} parts")
        self._headers = {}
        self._file = None
        self._size = 0
        self._text = []

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = data[start:end].lower()

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._headers[self._header] = data[start:end]

    def headers_finished(self) -> None:
        kind, options = _options(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise Undecodable("multipart with a part that names no field")
        packing = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if packing not in (b"binary", b"8bit", b"7bit"):
            raise Undecodable("multipart with a part in base64 or quoted-printable")
        self._name = options[b"name"].decode()
        if b"filename" in options:
            sort, _ = _options(self._headers.get(b"content-type", b""))
            self._file = {"name": options[b"filename"].decode(), "type": sort.decode("latin-1")}

    def data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._file is None:
            self._text.append(data[start:end])

    def end(self) -> None:
        if self._file is None:
            self._fields.append((self._name, b"".join(self._text).decode()))
        else:
            self._fields.append((self._name, {**self._file, "size": self._size}))

    def whole(self) -> None:
        self._ended = True

    def tree(self) -> dict[str, object]:
        if not self._ended or not self._fields:
            raise Undecodable("multipart that ends too early, or has no part")
        return nested(self._fields)
