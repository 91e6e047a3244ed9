"""What to call next, and what an answer means for what waits. Pure; time and chance are arguments.

In: what waits per survey, how many calls are left, the status of an answer. Out: the next call
(one response, many together, or none now), and when what failed is tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from services.ingest.fetch.settings import Fetch

#: What an answer says. `refused`: our credentials or address are wrong, for every response alike;
#: `unacceptable`: the platform will never answer this call.
Verdict = Literal["read", "not_found", "refused", "slow_down", "failed", "unacceptable"]

#: A day's calls may be spent ahead of the day's pace by so large a part of them; then they are
#: scarce, and what waits is read together.
_AHEAD: Final = 0.2
#: Platforms index by their own clock: what was told of at 10:00:00 may be filed at 09:59:58.
_MARGIN: Final = timedelta(minutes=10)

_SLOW_DOWN: Final = timedelta(seconds=60)
#: First wait and longest one; each failure doubles it. A response that is not found is young and
#: soon there; what fails otherwise takes minutes; wrong credentials take a person.
_NOT_FOUND: Final = (timedelta(seconds=5), timedelta(minutes=2))
_FAILED: Final = (timedelta(seconds=30), timedelta(hours=1))
_FAILED_SOURCE: Final = (timedelta(seconds=2), timedelta(minutes=5))
_REFUSED: Final = (timedelta(minutes=1), timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is due of one survey. `alone`: of them, those that a reading together did not bring."""

    survey: str
    rows: int
    alone: int
    since: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Left:
    """How many calls may be made now, and how scarce those of today are."""

    now: int
    scarce: bool


@dataclass(frozen=True, slots=True)
class One:
    """Fetch so many responses, each by its own call; `only_alone`: no others."""

    most: int
    only_alone: bool


@dataclass(frozen=True, slots=True)
class Together:
    """Read all responses of a survey changed since then."""

    survey: str
    since: datetime


def left(settings: Fetch, *, used_minute: int, used_day: int, now: datetime, most: int) -> Left:
    """Tell what the platform's limits leave; `now` aware."""
    rate = settings.rate
    minute = max(rate.per_minute - used_minute, 0)
    if rate.per_day is None:
        return Left(min(minute, most), False)
    day = max(rate.per_day - used_day, 0)
    moment = now.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (moment - midnight) / timedelta(days=1)
    scarce = used_day > rate.per_day * (passed + _AHEAD)
    return Left(min(minute, day, most), scarce)


def next_call(
    waiting: Sequence[Waiting], settings: Fetch, remaining: Left, now: datetime
) -> One | Together | None:
    """Choose the next call; None: nothing is due, or nothing may be called now."""
    if not waiting or remaining.now == 0:
        return None
    bulk = settings.bulk
    if bulk is None:
        return One(remaining.now, False)
    every = timedelta(seconds=bulk.at_most_every_s)
    for one in sorted(waiting, key=lambda each: -each.rows):
        together = one.rows - one.alone
        wanted = together >= bulk.from_ or (together > 0 and remaining.scarce)
        if wanted and (one.read_at is None or one.read_at + every <= now):
            return Together(one.survey, one.since - _MARGIN)
    if not remaining.scarce:
        return One(remaining.now, False)
    return One(remaining.now, True) if any(one.alone for one in waiting) else None


def judge(status: int, *, asked_to_wait: bool) -> Verdict:
    """Tell what the status of an answer means; `asked_to_wait`: it has a `Retry-After`."""
    if 200 <= status < 300:
        return "read"
    if status in (404, 410):
        return "not_found"
    # A redirect is never followed: the address is wrong, and the secret stays with us.
    if status in (401, 403, 407) or 300 <= status < 400:
        return "refused"
    if status == 429 or (status == 503 and asked_to_wait):
        return "slow_down"
    if status >= 500 or status in (408, 425) or status < 200:
        return "failed"
    return "unacceptable"


def try_again(
    verdict: Verdict,
    settings: Fetch,
    *,
    attempts: int,
    received_at: datetime,
    now: datetime,
    wait: timedelta | None,
    chance: float,
) -> datetime | None:
    """Tell when a response is asked for again after `attempts` before this one; None: give up.

    `wait` is what the platform asked for, `chance` from 0 to 1.
    """
    if verdict == "unacceptable":
        return None
    patience = settings.not_found_for_s if verdict == "not_found" else settings.give_up_after_s
    if now - received_at >= timedelta(seconds=patience):
        return None
    if verdict == "slow_down":
        return now + (wait or _SLOW_DOWN) * (1 + chance)
    first, longest = _NOT_FOUND if verdict == "not_found" else _FAILED
    return now + _backed_off(first, longest, attempts, chance)


def pause(
    verdict: Verdict, *, failures: int, now: datetime, wait: timedelta | None, chance: float
) -> datetime | None:
    """Tell until when a source calls nobody, after `failures` answers of this kind in a row.

    The limit and the credentials are the account's, not one response's: without it every waiting
    response would ask, be refused, and use up the day.
    """
    if verdict == "slow_down":
        return now + (wait or _SLOW_DOWN) * (1 + chance / 10)
    if verdict == "refused":
        return now + _backed_off(*_REFUSED, failures, chance)
    if verdict == "failed":
        return now + _backed_off(*_FAILED_SOURCE, failures, chance)
    return None


def _backed_off(first: timedelta, longest: timedelta, times: int, chance: float) -> timedelta:
    # Beyond twenty doublings every wait is the longest.
    wait = min(first * float(2 ** min(times, 20)), longest)
    return wait * (0.75 + chance / 2)
