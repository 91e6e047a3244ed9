"""Telling operators at once of what may have been sent and may not: it waits for one of them."""

from collections.abc import Iterable

import structlog

from services.dispatcher.delivery import Delivery

_log = structlog.get_logger(__name__)


def alert_doubts(deliveries: Iterable[Delivery]) -> None:
    """Write a warning for each delivery that is in doubt now; of the others nothing."""
    for delivery in deliveries:
        if delivery.state == "in_doubt":
            _log.warning(
                "dispatcher.in_doubt",
                delivery_id=str(delivery.id),
                play=delivery.play,
                target=delivery.target,
                reason=delivery.reason,
            )
