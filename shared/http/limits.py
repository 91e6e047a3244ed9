"""What one connection may cost us, and the words with which it is refused. Pure.

In: numbers of bytes, seconds and connections. Out: `Limits`, and `Refusal`s as ready bytes.
"""

from dataclasses import dataclass, field
from http import HTTPStatus

import orjson


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, seconds and counts. The defaults are the product's; only tests need others."""

    #: Open connections of the process; each may hold up to 64 KiB of body that nobody read yet.
    connections: int = 4096
    #: Request line and headers together; proxies and frameworks commonly stop at 8 to 64 KiB.
    head_bytes: int = 32 * 1024
    url_bytes: int = 8 * 1024
    #: All bodies that are not whole yet, together: each is held by the app that collects it.
    unfinished_bytes: int = 128 * 1024 * 1024
    #: Header lines: what looks for one goes through all of them.
    headers: int = 200
    #: From the connection, or from the first byte after an answer, to the whole head.
    head_s: float = 10.0
    #: From the whole head to the whole body.
    body_s: float = 15.0
    #: Between an answer and the next request on the same connection. More than the 60 s for which
    #: nginx's ingress and Amazon's load balancer keep one by default: whoever sends must be the one
    #: who closes, or a webhook now and then meets a connection that is just going.
    idle_s: float = 75.0
    #: How long an answer may wait for a client that does not read it.
    write_s: float = 30.0
    #: How long and how much a client may go on sending after its refusal, so that it can read it:
    #: closing on unread bytes would reset the connection and take the answer away.
    linger_s: float = 2.0
    linger_bytes: int = 16 * 1024 * 1024
    #: Requests sent ahead of their answers. Hardly a client does it, and each costs 2 KB.
    pipelined: int = 32


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in place of the app's, after which the connection is closed."""

    status: HTTPStatus
    #: Also the label of the metric.
    code: str
    detail: str
    answer: bytes = field(init=False)

    def __post_init__(self) -> None:
        document = orjson.dumps(
            {
                "type": f"urn:nps:problem:{self.code}",
                "title": self.code.replace("-", " "),
                "status": self.status.value,
                "detail": self.detail,
            }
        )
        again = b"retry-after: 5\r\n" if self.status == HTTPStatus.SERVICE_UNAVAILABLE else b""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n"
            f"content-type: application/problem+json\r\ncontent-length: {len(document)}\r\n"
        )
        answer = head.encode() + again + b"connection: close\r\n\r\n" + document
        object.__setattr__(self, "answer", answer)


MALFORMED = Refusal(HTTPStatus.BAD_REQUEST, "malformed", "this is not an HTTP/1.1 request")
HEAD_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "send fewer or shorter headers"
)
URL_TOO_LONG = Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "url-too-long", "send a shorter URL")
HEAD_TOO_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "headers-too-slow", "send the headers at once")
BODY_TOO_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "too-slow", "send the whole body at once")
TOO_MANY_CONNECTIONS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "too-many-connections", "come again shortly"
)
TOO_MANY_BYTES = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-bytes",
    "come again shortly, and send the body at once",
)
TOO_MANY_PIPELINED = Refusal(
    HTTPStatus.BAD_REQUEST, "too-many-pipelined", "wait for answers before sending more"
)
REFUSALS = (
    MALFORMED,
    HEAD_TOO_LARGE,
    URL_TOO_LONG,
    HEAD_TOO_SLOW,
    BODY_TOO_SLOW,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_BYTES,
    TOO_MANY_PIPELINED,
)
