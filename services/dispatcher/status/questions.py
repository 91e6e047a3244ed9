"""Asking what became of messages, for one lane: from the claim to the record.

A question changes nothing at the platform, so nothing is lost with one: what cannot be written down
is asked again after its lease. Its answers do not open the breaker and pause no message: an account
may send and not be allowed to look, and platforms limit their reports by themselves.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.dispatcher.calls.calls import Carrier, Verdict
from services.dispatcher.ledger.desk import Desk
from services.dispatcher.metrics import Metrics
from services.dispatcher.status import inquiries
from services.dispatcher.status.inquiries import ClaimedInquiry
from services.dispatcher.status.inquiry import judge_inquiry
from shared.database import away_as_dependency
from shared.errors import DependencyAway

_log = structlog.get_logger(__name__)

#: How long nothing is asked after the platform refused the account, or asked for less without
#: saying how long. Nobody waits for these answers.
_REFUSED: Final = timedelta(minutes=30)
_SLOWER: Final = timedelta(minutes=1)


class Questions:
    """The questions of one lane."""

    def __init__(self, desk: Desk, carrier: Carrier, metrics: Metrics) -> None:
        self._desk = desk
        self._target = desk.rules.name
        self._carrier = carrier
        self._metrics = metrics

    async def ask(
        self, claimed: ClaimedInquiry, budget: timedelta, clock: Callable[[], datetime]
    ) -> None:
        """Ask one, and write down what was heard. Raises nothing but bugs."""
        heard = await self._carrier.inquire(claimed.call, budget=budget, now=clock())
        now = clock()
        after = judge_inquiry(
            claimed.call.delivery_id, heard, asked=claimed.asked, until=claimed.until, now=now
        )
        quiet = quiet_until(heard.verdict, now)
        moved = False
        try:
            with away_as_dependency():
                async with self._desk.engine.begin() as connection:
                    moved = await inquiries.done(connection, claimed, heard, after, now)
                    if quiet is not None:
                        await inquiries.keep_quiet(connection, self._target, quiet)
        except DependencyAway as error:
            _log.debug("dispatcher.status_not_written", target=self._target, reason=str(error))
        self._metrics.attempts.labels(self._target, "status", heard.verdict.outcome).inc()
        if moved and heard.message is not None:
            self._metrics.found.labels(self._target, heard.message).inc()
        if heard.verdict.outcome == "disable_target":
            _log.warning(
                "dispatcher.status_refused", target=self._target, reason=heard.verdict.reason
            )
        _log.info(
            "dispatcher.status_asked",
            delivery_id=str(claimed.call.delivery_id),
            target=self._target,
            asked=claimed.asked,
            outcome=heard.verdict.outcome,
            message=heard.message if moved else None,
            ended=after.due is None,
            reason=after.reason,
        )


def quiet_until(verdict: Verdict, now: datetime) -> datetime | None:
    """Tell until when the whole target is asked nothing more; None: it may go on. Pure."""
    if verdict.outcome == "disable_target":
        return now + (verdict.wait or _REFUSED)
    if verdict.outcome == "throttle":
        return now + (verdict.wait or _SLOWER)
    return None
