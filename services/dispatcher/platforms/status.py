"""What a platform is asked about a message it took, and how its answer is read. Pure.

In: a part of a preset's YAML, one good answer. Out: the stage that the message reached, when, and
whether that was the last word. An answer that says nothing we know says nothing: we ask again.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final, Literal

import httpx
from pydantic import Field, model_validator

from services.dispatcher.calls.calls import Heard, Inquiry, Verdict
from services.dispatcher.platforms.operation import Request
from services.dispatcher.platforms.pick import Path, parse, pick
from services.dispatcher.status.inquiry import rank
from shared.settings import Strict

#: Names that the request may use: nothing of hers.
STATUS: Final = frozenset({"reference", "delivery_id", "delivery_hex", "message_id", "sent_at"})
#: What the one step is called where `classify` speaks of it.
STEP: Final = "status"

Texts = Annotated[tuple[str, ...], Field()]


class Sign(Strict):
    """What shows that a message has come so far."""

    when: dict[Path, Texts] = Field(
        min_length=1, description="where to look → texts, one of which is there; []: anything"
    )
    message: Literal["sent", "failed", "delivered", "opened", "bounced", "unsubscribed"]
    at: Path | None = Field(
        None, description="when it was: ISO 8601, an HTTP date or seconds since 1970; null: unsaid"
    )
    last: bool = Field(False, description="nothing more will come: it is asked no more")


class Status(Strict):
    """The call that tells what became of a message: a GET, by the platform's name of it."""

    request: Request
    items: Path | None = Field(
        None, description="a list whose every item is read; null: the answer is one"
    )
    signs: tuple[Sign, ...] = Field(
        min_length=1, description="every one that is seen counts; the farthest stage wins"
    )

    @model_validator(mode="after")
    def _changes_nothing(self) -> "Status":
        if self.request.method != "GET":
            raise ValueError("status: a question is a GET")
        if self.request.url not in (None, "reference"):
            raise ValueError("status: url is `reference`, the link that the action returned")
        return self


def read(status: Status, inquiry: Inquiry, response: httpx.Response, now: datetime) -> Heard:
    """Read a good answer: the farthest of the stages it shows."""
    body = parse(response.content)
    found = body if status.items is None else pick(body, status.items)
    items = found if status.items is not None and isinstance(found, list) else [found]
    seen = [(sign, item) for item in items for sign in status.signs if _shows(sign, item)]
    said = Verdict("ok", f"HTTP {response.status_code}")
    if not seen:
        return Heard(said)
    # The first item that shows it: which one does not matter, only that it is always the same.
    sign, item = max(seen, key=lambda one: rank(one[0].message))
    last = any(other.last for other, _ in seen)
    told = None if sign.at is None else _moment(pick(item, sign.at))
    # A clock that differs from ours must not tell of a time before the sending, or to come.
    at = None if told is None else min(max(told, inquiry.accepted_at), now)
    return Heard(said, sign.message, at, last)


def _shows(sign: Sign, item: Any) -> bool:
    return all(_is_there(pick(item, path), texts) for path, texts in sign.when.items())


def _is_there(found: object, texts: tuple[str, ...]) -> bool:
    if isinstance(found, dict | list):
        return False
    return found is not None and (not texts or str(found) in texts)


def _moment(told: object) -> datetime | None:
    """Read a platform's moment; None if it is none. Without a zone it is UTC."""
    try:
        if isinstance(told, int | float):
            return datetime.fromtimestamp(told, UTC)
        if not isinstance(told, str):
            return None
        found = datetime.fromisoformat(told) if "-" in told[:8] else parsedate_to_datetime(told)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
