"""When a platform is asked again what became of a message, and which word of it counts. Pure.

In: what came of the last question, how often it was asked, the time. Out: when to ask next, or that
it is over, with the reason. Pauses widen, as most of what happens to a message happens soon.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.calls.calls import Heard
from shared.events.ids import name_id
from shared.events.outcomes import MessageState

#: A later stage wins over an earlier one, in whatever order they are heard of. What failed may yet
#: arrive by a retry of the platform's own, so everything that she saw is stronger.
ORDER: Final[tuple[MessageState, ...]] = (
    "none", "sent", "failed", "delivered", "opened", "bounced", "unsubscribed",
)  # fmt: skip
#: Pauses before the first question and after each; the last one repeats. In three days that makes
#: nine questions: a bounce is known in a minute or is a mailbox that gave up after days.
PAUSES: Final = tuple(
    timedelta(seconds=s) for s in (60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
)
#: Mail servers try for up to five days, most give up after three; SMS are known within hours.
OVER: Final = timedelta(days=3)
#: A pause is spread by this share to both sides, so that what was sent together is not asked so.
_JITTER: Final = 0.2


@dataclass(frozen=True, slots=True)
class StatusRule:
    """That a target is asked what became of messages, and for how long after the sending."""

    over: timedelta = OVER


@dataclass(frozen=True, slots=True)
class InquiryNext:
    """When to ask next (`due` None: never), and why so."""

    due: datetime | None
    reason: str


def rank(message: MessageState) -> int:
    """Tell how far along a stage is."""
    return ORDER.index(message)


def pause_after(delivery_id: UUID, asked: int) -> timedelta:
    """Return the pause after so many questions; the same for the same delivery and number."""
    base = PAUSES[min(asked, len(PAUSES) - 1)]
    share = name_id("inquiry", delivery_id, asked).int % 10_000 / 10_000
    return base * (1 - _JITTER + 2 * _JITTER * share)


def judge_inquiry(
    delivery_id: UUID, heard: Heard, *, asked: int, until: datetime, now: datetime
) -> InquiryNext:
    """Return what is to be done after the question of that number (from 1)."""
    verdict = heard.verdict
    match verdict.outcome:
        case "ok" | "accepted":
            if heard.last:
                return InquiryNext(None, f"the platform's last word: {heard.message}")
            reason = verdict.reason if heard.message else f"{verdict.reason}: nothing new"
        case "retry" | "throttle" | "in_doubt" | "disable_target":
            reason = verdict.reason
        case "reject" | "park" | "suppressed" | "shadow":
            return InquiryNext(None, verdict.reason)
    if now >= until:
        return InquiryNext(None, f"asked for long enough: {reason}")
    wait = max(pause_after(delivery_id, asked), verdict.wait or timedelta(0))
    return InquiryNext(min(now + wait, until), reason)
