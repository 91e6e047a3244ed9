"""A sweep over a segmenter's tables that counts at once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.policy.whole import Policy
from services.segmenter.sweep.meters import SweepMetrics
from services.segmenter.sweep.sweeper import Sweep
from shared.identifiers import Rules
from tests.builders.facts import rulebook

FRANCE = Rules(region="FR")


def sweep(
    engine: AsyncEngine,
    clock: Callable[[], datetime],
    policy: Policy | None = None,
    *,
    most: int = 500,
    rules: Rules = FRANCE,
) -> Sweep:
    """A sweep that reads `most` customers a step, and counts data quality after every round."""
    return Sweep(
        engine,
        rulebook(policy),
        rules,
        clock=clock,
        metrics=SweepMetrics(CollectorRegistry()),
        most=most,
        summary_every=timedelta(0),
    )
