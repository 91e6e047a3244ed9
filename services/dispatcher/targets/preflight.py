"""Preflight: before anything is sent, and every few hours, is all there that a target needs?

In: the enabled targets. Out: a report per target, kept in a row for all replicas, a metric, a line
of the log where something is wrong or has changed. Nothing waits for it: readiness stays, only a
refused account pauses its target, as a refused call does.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.brakes.brakes import pause_target
from services.dispatcher.calls.calls import Verdict
from services.dispatcher.lanes.flights import BUDGET, PAUSE
from services.dispatcher.metrics import Metrics
from services.dispatcher.platforms.carrier import PlatformCarrier
from services.dispatcher.platforms.findings import (
    REASONS,
    Finding,
    Reason,
    Seen,
    Used,
    drifted,
    inspect,
    settled,
)
from services.dispatcher.platforms.pick import parse
from services.dispatcher.platforms.preset import Preset
from services.dispatcher.targets.targets import Target
from shared.audit.trail import Pen
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: A field removed at noon is known before the evening; a dozen requests a day cost nobody a limit.
_EVERY_S: Final = timedelta(hours=6).total_seconds()
#: After our own database was away.
_SOON_S: Final = 60.0

_READ = text("SELECT seen, findings FROM preflights WHERE target = :target FOR UPDATE")
_SAVE = text("""
    INSERT INTO preflights (target, at, findings, seen)
    VALUES (:target, :at, CAST(:findings AS jsonb), CAST(:seen AS jsonb))
    ON CONFLICT (target) DO UPDATE
        SET at = EXCLUDED.at, findings = EXCLUDED.findings, seen = EXCLUDED.seen
""")
_ALL = text("""
    SELECT target, at, findings FROM preflights WHERE target = ANY(CAST(:names AS text[]))
""")


@dataclass(frozen=True, slots=True)
class Report:
    """What one look found; `looked`: the preset knows how, and the target is not in shadow."""

    target: str
    at: datetime
    looked: bool
    findings: tuple[Finding, ...]


async def look(target: Target) -> Seen:
    """Ask all of a target's questions, one after the other; a refused account ends it."""
    preset, carrier = target.preset, target.carrier
    if not isinstance(preset, Preset) or not isinstance(carrier, PlatformCarrier):
        return Seen()
    used = _used(target)
    findings: list[Finding] = []
    fields: dict[str, str] = {}
    for inspection in preset.preflight:
        answer = await carrier.look(inspection, budget=BUDGET)
        if isinstance(answer, Verdict):
            findings.append(Finding(_reason(answer), f"{inspection.id}: {answer.reason}"))
            if answer.outcome == "disable_target":
                break
            continue
        seen = inspect(carrier.filled(inspection), parse(answer.content), used)
        findings += seen.findings
        fields |= seen.fields
    return Seen(tuple(findings), fields)


def _used(target: Target) -> Used:
    settings = target.settings
    return Used(
        settings.attributes if settings.push_profile else {},
        frozenset(settings.templates.values()),
        frozenset(settings.events.values()),
    )


def _reason(verdict: Verdict) -> Reason:
    match verdict.outcome:
        case "disable_target":
            return "credentials"
        case "retry" | "throttle" | "in_doubt":
            return "unreachable"
        case _:
            return "unreadable"


class Preflights:
    """Looks at targets, and keeps what was found."""

    def __init__(
        self,
        engine: AsyncEngine,
        targets: Mapping[str, Target],
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._targets = targets
        self._metrics = metrics
        self._clock = clock

    async def check(self, name: str, *, accept: Pen | None = None) -> Report:
        """Look at one target now; `accept`: somebody says that its fields are right as they are.

        Raises `DependencyAway`.
        """
        target = self._targets[name]
        preset, called = target.preset, isinstance(target.carrier, PlatformCarrier)
        looked = called and isinstance(preset, Preset) and bool(preset.preflight)
        seen = await look(target)
        report = await self._keep(target, looked, seen, accept=accept)
        self._tell(report)
        if any(finding.reason == "credentials" for finding in report.findings):
            reason = next(f.what for f in report.findings if f.reason == "credentials")
            with away_as_dependency():
                await pause_target(self._engine, name, reason, report.at + PAUSE)
        return report

    async def check_all(self) -> None:
        """Look at every target, all at once: a dead one delays no other. Raises as `check`."""
        checks = [self.check(name) for name in self._targets]
        for ended in await asyncio.gather(*checks, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def run(self, stopping: asyncio.Event) -> None:
        """Look at the start and every few hours until `stopping` is set."""
        while not stopping.is_set():
            try:
                await self.check_all()
            except DependencyAway as error:
                _log.debug("dispatcher.preflight_missed", reason=str(error))
                await pause(stopping, _SOON_S)
                continue
            await pause(stopping, _EVERY_S)

    async def _keep(
        self, target: Target, looked: bool, seen: Seen, *, accept: Pen | None
    ) -> Report:
        """Compare with what was right, and keep this look."""
        now, name = self._clock(), target.name
        used = {written.field for written in _used(target).attributes.values()}
        with away_as_dependency():
            async with self._engine.begin() as connection:
                row = (await connection.execute(_READ, {"target": name})).one_or_none()
                right: dict[str, str] = row.seen if row else {}
                told = [one["what"] for one in row.findings] if row else []
                if accept is not None:
                    right = {**right, **seen.fields}
                findings = (*seen.findings, *drifted(right, seen.fields, told, used))
                values = {
                    "target": name,
                    "at": now,
                    "findings": orjson.dumps([_row(one) for one in findings]).decode(),
                    "seen": orjson.dumps(settled(right, seen.fields)).decode(),
                }
                await connection.execute(_SAVE, values)
                if accept is not None:
                    fields = len(seen.fields)
                    await accept.note(connection, "target.fields_accepted", name, fields=fields)
        return Report(name, now, looked, findings)

    def _tell(self, report: Report) -> None:
        for reason in REASONS:
            count = sum(finding.reason == reason for finding in report.findings)
            self._metrics.preflight.labels(report.target, reason).set(count)
        if report.findings:
            _log.warning(
                "dispatcher.preflight_failed",
                target=report.target,
                reasons=sorted({finding.reason for finding in report.findings}),
                findings=[finding.what for finding in report.findings],
            )


def _row(finding: Finding) -> dict[str, Any]:
    return {"reason": finding.reason, "what": finding.what}


async def last(connection: AsyncConnection, names: list[str]) -> dict[str, dict[str, Any]]:
    """Read what the last look found, by target."""
    rows = await connection.execute(_ALL, {"names": names})
    return {row.target: {"at": row.at, "findings": row.findings} for row in rows}
