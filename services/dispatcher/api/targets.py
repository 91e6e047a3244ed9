"""How each target stands, and a person's word on it, over HTTP. No personal data anywhere."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.api.preflight import FindingShown
from services.dispatcher.api.target_path import NO_SUCH_TARGET, TargetName
from services.dispatcher.bell import Bell
from services.dispatcher.brakes import rate_store, tallies
from services.dispatcher.brakes.brakes import Hold, TargetState
from services.dispatcher.brakes.breaker import Kind, Tally
from services.dispatcher.brakes.holding import What, say
from services.dispatcher.brakes.rates import Counted, Rate, Window, rate_of
from services.dispatcher.delivery import TargetRules
from services.dispatcher.targets.preflight import last
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.settings import Strict

_ROWS = text("""
    SELECT g.name, g.paused_until, g.slow_until, g.reason, g.held, g.drain_per_s, g.drain_most,
        c.reason AS word, c.by, c.at, c.rate
    FROM targets g LEFT JOIN LATERAL (
        SELECT reason, by, at, rate FROM target_changes c
        WHERE c.target = g.name AND c.what <> 'redrive_profiles' ORDER BY number DESC LIMIT 1
    ) c ON true
    WHERE g.name = ANY(CAST(:names AS text[])) ORDER BY g.name
""")
_BREAKERS = text("SELECT target, kind, open_since, probe_at, reason FROM breakers")
_WAITING = text("""
    SELECT target, count(*) AS n, min(send_at) AS oldest FROM deliveries
    WHERE state IN ('planned', 'waiting', 'sending') GROUP BY target
""")
_ATTENTION = text("""
    SELECT target, state, count(*) AS n FROM deliveries
    WHERE state IN ('in_doubt', 'parked') GROUP BY target, state
""")
_PUSHES = text("""
    SELECT target, count(*) AS n, min(wanted_at) AS oldest FROM pushes
    WHERE state IN ('due', 'sending') GROUP BY target
""")
_REFUSED = text("""
    SELECT target, count(*) AS n FROM pushes
    WHERE state IN ('rejected', 'parked') GROUP BY target
""")
_CHANGES = text("""
    SELECT what, rate, profiles, reason, by, at FROM target_changes
    WHERE target = :target ORDER BY number DESC LIMIT 100
""")


class BreakerShown(BaseModel):
    """The calls of the breaker's time, over all replicas, and since when it is open.

    `reason` says why it is.
    """

    calls: int
    failed: int
    share: float
    open_since: AwareDatetime | None
    probe_at: AwareDatetime | None
    reason: str | None


class WindowShown(BaseModel):
    """A rate, and how many calls of it are left now."""

    of: Counted
    per_s: int
    most: int
    left: int


class LastLook(BaseModel):
    """What the last preflight found wrong; nothing: all was there."""

    at: AwareDatetime
    findings: list[FindingShown]


class TargetShown(BaseModel):
    """How a target stands; `reason`, `until` and `by` say why it is not called at full speed.

    `profiles_refused`: pushes that its platform refused; they wait for her next change, or a
    person's word. `breakers`: each kind of call has one, so that profiles and actions do not stop
    each other.
    """

    name: str
    state: TargetState
    reason: str | None
    until: AwareDatetime | None
    by: str | None
    since: AwareDatetime | None
    rate: str | None
    waiting: int
    pushes: int
    profiles_refused: int
    in_doubt: int
    parked: int
    oldest: AwareDatetime | None
    breakers: dict[Kind, BreakerShown]
    windows: list[WindowShown]
    preflight: LastLook | None


class TargetChange(BaseModel):
    """A person's word on a target (`drained`: a drain that ended by itself).

    `profiles`: how many refused profiles were pushed again at it.
    """

    what: str
    rate: str | None
    profiles: int | None
    reason: str
    by: str
    at: AwareDatetime


class TargetsShown(BaseModel):
    """All configured targets, by name."""

    targets: list[TargetShown]


class TargetWithChanges(BaseModel):
    """One target with what people said of it, newest first."""

    target: TargetShown
    changes: list[TargetChange]


def _rate(text: str) -> str:
    rate_of(text)
    return text


class Word(Strict):
    """Why a target is paused or called again; shown to all who look at it."""

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Drain(Word):
    """How fast what has gathered goes: `5/s`, `30/min`, `200/h`, over all replicas."""

    rate: Annotated[str, Field(max_length=12), AfterValidator(_rate)]


def build_target_router(
    engine: AsyncEngine,
    access: Access,
    targets: Mapping[str, TargetRules],
    bell: Bell,
    clock: Callable[[], datetime],
    *,
    trail: Trail,
) -> APIRouter:
    """Make the routes of targets."""
    router = APIRouter(prefix="/v1/targets", tags=["targets"], responses=GUARDED)
    read, operate = access.require("read"), access.require("operate")

    async def one(name: str) -> TargetWithChanges:
        async with engine.connect() as connection:
            (shown,) = await _shown(connection, {name: targets[name]}, clock())
            changes = await connection.execute(_CHANGES, {"target": name})
            return TargetWithChanges(
                target=shown,
                changes=[TargetChange.model_validate(dict(row._mapping)) for row in changes],
            )

    async def told(
        name: str, what: What, word: Word, token: Token, rate: Rate | None = None
    ) -> TargetWithChanges:
        _known(name, targets)
        with away_as_dependency():
            pen = trail.pen(token.name, clock())
            await say(engine, name, what, reason=word.reason, pen=pen, rate=rate)
            bell.ring(name)
            return await one(name)

    @router.get("", dependencies=[Depends(read)])
    async def list_targets() -> TargetsShown:
        """Tell how every configured target stands, what waits for it and why."""
        with away_as_dependency():
            async with engine.connect() as connection:
                return TargetsShown(targets=await _shown(connection, targets, clock()))

    @router.get("/{target}", dependencies=[Depends(read)], responses=NO_SUCH_TARGET)
    async def one_target(target: TargetName) -> TargetWithChanges:
        """Show one target with who paused, resumed or drained it, when and why."""
        _known(target, targets)
        with away_as_dependency():
            return await one(target)

    @router.post("/{target}/pause", responses=NO_SUCH_TARGET)
    async def pause_target(
        target: TargetName, word: Word, token: Annotated[Token, Depends(operate)]
    ) -> TargetWithChanges:
        """Begin no more calls until somebody says so; a start does not end it."""
        return await told(target, "pause", word, token)

    @router.post("/{target}/resume", responses=NO_SUCH_TARGET)
    async def resume_target(
        target: TargetName, word: Word, token: Annotated[Token, Depends(operate)]
    ) -> TargetWithChanges:
        """Call it again at full speed, whatever kept it: a person, its account, a breaker."""
        return await told(target, "resume", word, token)

    @router.post("/{target}/drain", responses=NO_SUCH_TARGET)
    async def drain_target(
        target: TargetName, word: Drain, token: Annotated[Token, Depends(operate)]
    ) -> TargetWithChanges:
        """Call it again no faster than `rate`, until nothing is due; then at full speed."""
        return await told(target, "drain", word, token, rate_of(word.rate))

    return router


def _known(name: str, targets: Mapping[str, TargetRules]) -> None:
    if name not in targets:
        raise Problem(404, "unknown-target", "no target of this name is configured")


async def _shown(
    connection: AsyncConnection, targets: Mapping[str, TargetRules], now: datetime
) -> list[TargetShown]:
    """Put together what the rows say of targets."""
    rows = (await connection.execute(_ROWS, {"names": sorted(targets)})).all()
    waiting = {row.target: row for row in await connection.execute(_WAITING)}
    pushes = {row.target: row for row in await connection.execute(_PUSHES)}
    refused = {row.target: row.n for row in await connection.execute(_REFUSED)}
    attention = {(r.target, r.state): r.n for r in await connection.execute(_ATTENTION)}
    windows = await rate_store.windows(connection, now)
    looks = await last(connection, sorted(targets))
    breakers: dict[str, dict[Kind, Any]] = {}
    for each in await connection.execute(_BREAKERS):
        breakers.setdefault(each.target, {})[each.kind] = each
    found = []
    for row in rows:
        name, rules = row.name, targets[row.name]
        lately = await tallies.read(connection, name, rules.breaker, now)
        open_rows = [each[name] for each in (waiting, pushes) if name in each]
        hers = breakers.get(name, {})
        broken = {kind: one.probe_at for kind, one in hers.items() if one.probe_at is not None}
        hold = Hold(row.paused_until, row.slow_until, row.held, broken)
        found.append(
            TargetShown(
                name=name,
                **_why(hold, row, [hers[kind] for kind in broken], now),
                waiting=waiting[name].n if name in waiting else 0,
                pushes=pushes[name].n if name in pushes else 0,
                profiles_refused=refused.get(name, 0),
                in_doubt=attention.get((name, "in_doubt"), 0),
                parked=attention.get((name, "parked"), 0),
                oldest=min((each.oldest for each in open_rows), default=None),
                breakers={kind: _breaker(lately[kind], one) for kind, one in hers.items()},
                windows=_windows(rules, row, windows.get(name, []), now),
                preflight=LastLook.model_validate(looks[name]) if name in looks else None,
            )
        )
    return found


def _breaker(lately: Tally, row: Any) -> BreakerShown:
    return BreakerShown(
        calls=lately.calls,
        failed=lately.failed,
        share=round(lately.share, 3),
        open_since=row.open_since,
        probe_at=row.probe_at,
        reason=row.reason,
    )


def _why(hold: Hold, row: Any, broken: list[Any], now: datetime) -> dict[str, Any]:
    """Say why a target is not called at full speed; `broken`: its breakers that are open."""
    state = hold.state(now)
    why: dict[str, Any] = dict.fromkeys(("reason", "until", "by", "since", "rate"))
    if state in {"paused", "draining"}:
        why |= {"reason": row.word, "by": row.by, "since": row.at, "rate": row.rate}
    elif state == "account":
        why |= {"reason": row.reason, "until": row.paused_until}
    elif state == "slowed":
        why |= {"reason": row.reason, "until": row.slow_until}
    elif broken:
        first = min(broken, key=lambda one: one.open_since)
        told = "; ".join(one.reason for one in broken)
        why |= {"reason": told, "until": first.probe_at, "since": first.open_since}
    elif state == "probing":
        why |= {"reason": row.reason, "until": row.paused_until}
    return {"state": state, **why}


def _windows(
    rules: TargetRules, row: Any, windows: list[Window], now: datetime
) -> list[WindowShown]:
    """Show the rates it is held to by what is left of each."""
    rates = list(rules.rates)
    if row.held == "draining":
        rates.append(Rate(row.drain_per_s, row.drain_most))
    known = {(window.rate.of, window.rate.per_s): window for window in windows}
    shown = []
    for rate in rates:
        window = known.get((rate.of, rate.per_s))
        left = rate.most
        if window is not None:
            left = Window(rate, window.started, window.used, window.before).left(now)
        shown.append(WindowShown(of=rate.of, per_s=rate.per_s, most=rate.most, left=left))
    return shown
