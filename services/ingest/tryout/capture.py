"""One captured HTTP request as text, such as a request bin shows it: request line, headers, body.

In: its bytes. Out: the `Inbound` that the server would have made of it, or ValueError. Pure.
"""

import re
from collections.abc import Sequence
from typing import Final

from services.ingest.receive.inbound import Inbound, SentHeaders

_LINE: Final = re.compile(r"([A-Z]+) (\S+)(?: HTTP/[0-9.]+)?")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_PREFIX: Final = "/v1/webhooks/"


def captured(content: bytes, more: Sequence[tuple[str, str]] = ()) -> Inbound:
    """Read a whole request; `more` are headers beside its own.

    Raises ValueError naming the line that does not read.
    """
    head, body = _parted(content)
    lines = head.decode("latin-1").splitlines()
    match = _LINE.fullmatch(lines[0].strip()) if lines else None
    if match is None:
        raise ValueError("line 1: expected a request line such as POST /hook HTTP/1.1")
    headers = [_header(number, line) for number, line in enumerate(lines[1:], start=2)]
    length = next((value for name, value in headers if name == "content-length"), "")
    if length.isascii() and length.isdigit() and int(length) < len(body):
        # An editor ends a file with a line break that was never sent.
        body = body[: int(length)] if not body[int(length) :].strip() else body
    return inbound(body, [*headers, *more], method=match[1], target=match[2])


def header(text: str) -> tuple[str, str]:
    """Read one header, `Name: value`. Raises ValueError."""
    match = _HEADER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text.partition(':')[0][:60]!r}: expected a header as Name: value")
    return match[1].lower(), match[2]


def inbound(
    body: bytes,
    headers: Sequence[tuple[str, str]],
    *,
    method: str = "POST",
    target: str = "",
    client: str = "",
) -> Inbound:
    """Make a request of its parts; `target` is a whole address, or a path with its query."""
    path, _, query = target.partition("?")
    host = next((value for name, value in headers if name == "host"), "")
    _, _, below = path.partition(_PREFIX)
    return Inbound(
        body=body,
        headers=SentHeaders(
            [
                (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
                for name, value in headers
            ]
        ),
        method=method,
        url=f"https://{host}{target}" if target.startswith("/") and host else target,
        rest=below.partition("/")[2],
        query=query.encode("latin-1", "replace"),
        client=client,
    )


def _parted(content: bytes) -> tuple[bytes, bytes]:
    found = re.search(rb"\r?\n\r?\n", content)
    return (content[: found.start()], content[found.end() :]) if found else (content, b"")


def _header(number: int, line: str) -> tuple[str, str]:
    try:
        return header(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None
