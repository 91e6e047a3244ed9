"""What people say of a target: pause it, call it again, drain what has gathered at a rate.

Each word is a row that says who, when and why. Calls that are out go on; nothing new begins.
"""

from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.brakes.rate_store import add_rates
from services.dispatcher.brakes.rates import Rate, said
from shared.audit.actions import Action
from shared.audit.trail import Pen

What = Literal["pause", "resume", "drain"]
_ACTIONS: Final[dict[What, Action]] = {
    "pause": "target.paused",
    "resume": "target.resumed",
    "drain": "target.drained",
}

_NOTE: Final = """
    INSERT INTO target_changes (target, what, rate, reason, by, at)
    SELECT name, :what, :rate, :reason, :by, :now FROM changed RETURNING target
"""
_PAUSE: Final = "held = 'paused', drain_per_s = NULL, drain_most = NULL"
# A person knows better than the last answers: what they led to ends. What the platform asked for
# (to come again later) still holds.
_RESUME: Final = """
    held = NULL, drain_per_s = NULL, drain_most = NULL, paused_until = NULL
"""
_CLOSED: Final = """, closed AS (
    UPDATE breakers SET counted_from = :now, open_since = NULL, probe_at = NULL, reason = NULL
    WHERE target = :target
)"""
_DRAIN: Final = "held = 'draining', drain_per_s = :per_s, drain_most = :most"
_STATEMENTS: Final = {
    what: text(f"""
        WITH changed AS (UPDATE targets SET {change} WHERE name = :target RETURNING name){more}
        {_NOTE}
    """)  # noqa: S608 - fixed texts
    for what, change, more in (
        ("pause", _PAUSE, ""),
        ("resume", _RESUME, _CLOSED),
        ("drain", _DRAIN, ""),
    )
}


async def say(
    engine: AsyncEngine,
    target: str,
    what: What,
    *,
    reason: str,
    pen: Pen,
    rate: Rate | None = None,
) -> bool:
    """Write a person's word; False: there is no such target. `rate` is a drain's."""
    if rate is not None:
        await add_rates(engine, {target: [rate]}, pen.at)
    values: dict[str, object] = {
        "target": target,
        "what": what,
        "rate": None if rate is None else said(rate),
        "reason": reason,
        "by": pen.actor,
        "now": pen.at,
    }
    if rate is not None:
        values |= {"per_s": rate.per_s, "most": rate.most}
    async with engine.begin() as connection:
        known = await connection.scalar(_STATEMENTS[what], values) is not None
        if known:
            more = {} if rate is None else {"rate": said(rate)}
            await pen.note(connection, _ACTIONS[what], target, **more)
        return known
