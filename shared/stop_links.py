"""What a link to unsubscribe says (RFC 8058): which delivery it stops, and that it is ours. Pure.

In: a key, a delivery with its class. Out: a token for a URL, or what a token says. Nothing personal
stands in it: a delivery's id means nothing outside. Nobody without the key makes one, and one that
was made is valid for ever, since a letter may lie in a mailbox for years.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final, Literal, get_args
from uuid import UUID

from shared.keyed import Keyed

#: What must be possible to stop by one click, by law or by the mailbox providers' rules.
Stoppable = Literal["marketing", "survey"]
#: By place, which is what a token says: new ones come last.
STOPPABLE: Final[tuple[Stoppable, ...]] = get_args(Stoppable)

#: The key serves other ends, too: what is signed here is valid nowhere else.
_PURPOSE: Final = b"one-click unsubscribe"
#: Guessing 2^128 is as hopeless as guessing twice as many, and a shorter link is rarely broken.
_SIGNATURE_BYTES: Final = 16
_SAID_BYTES: Final = 1 + 16
#: 33 bytes are 44 characters without padding: each token is written in one way only.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{44}")


@dataclass(frozen=True, slots=True)
class Stop:
    """What its holder may stop: messages like the one of this delivery."""

    delivery_id: UUID
    contact_class: Stoppable


class StopLinks:
    """Makes and reads tokens under one key."""

    def __init__(self, key: bytes) -> None:
        self._keyed = Keyed(Keyed(key).digest(_PURPOSE))

    def token(self, stop: Stop) -> str:
        """Write a token: always the same for the same delivery."""
        said = bytes([STOPPABLE.index(stop.contact_class)]) + stop.delivery_id.bytes
        return urlsafe_b64encode(said + self._signature(said)).decode()

    def read(self, token: str) -> Stop | None:
        """Say what a token stops; None: it is none of ours."""
        if not _TOKEN.fullmatch(token):
            return None
        raw = urlsafe_b64decode(token)
        said, signature = raw[:_SAID_BYTES], raw[_SAID_BYTES:]
        if not hmac.compare_digest(signature, self._signature(said)):
            return None
        # Signed by a later release: what it stops is not known here.
        if said[0] >= len(STOPPABLE):
            return None
        return Stop(UUID(bytes=said[1:]), STOPPABLE[said[0]])

    def _signature(self, said: bytes) -> bytes:
        return self._keyed.digest(said)[:_SIGNATURE_BYTES]
