"""Claiming due work for one target, under leases, and recording how each call ended.

A row in `calls` is a call in flight: its key (customer, target) lets one through at most, across
replicas; its token makes every later write conditional. Leases run by the database's clock, all
other times are the caller's. A claim waits for nobody: what is locked is left for the next round.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher import ledger, progress, pushes, store
from services.dispatcher.calls import Idempotency, Verdict
from services.dispatcher.delivery import Delivery, TargetRules
from services.dispatcher.gates import Scene, gate
from services.dispatcher.judge import PushNext, judge
from services.dispatcher.planning import Book
from services.dispatcher.playbook import Playbook
from services.dispatcher.recipients import PushState, Recipient, State, read_state

_FREE = """
    NOT EXISTS (SELECT 1 FROM calls c WHERE c.target = :target AND c.customer_id = {0}.customer_id)
    AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.target = :target AND c.merged_into = {0}.customer_id)
"""  # noqa: E501
_PUSHES = text(f"""
    SELECT p.customer_id, p.wanted, p.wanted_hash, p.wanted_version, p.attempts, r.state
    FROM pushes p JOIN recipients r ON r.customer_id = p.customer_id
    WHERE p.target = :target AND p.state = 'due' AND p.due <= :now AND r.state IS NOT NULL
        AND {_FREE.format("p")}
    ORDER BY p.due LIMIT :most FOR UPDATE OF p SKIP LOCKED
""")  # noqa: S608
_DELIVERIES = text(f"""
    SELECT {ledger.COLUMNS}, r.version, r.group_key, r.state AS recipient_state, r.merged_into
    FROM deliveries d JOIN recipients r ON r.customer_id = d.customer_id
    WHERE d.target = :target AND d.state IN ('planned', 'waiting') AND d.due <= :now
        AND {_FREE.format("d")}
    ORDER BY d.due LIMIT :most FOR UPDATE OF r, d SKIP LOCKED
""")  # noqa: S608
_CALL = text("""
    INSERT INTO calls (customer_id, target, token, lease_until, delivery_id)
    SELECT customer, :target, token, now() + CAST(:lease AS interval), delivery
    FROM unnest(CAST(:customers AS uuid[]), CAST(:tokens AS uuid[]), CAST(:deliveries AS uuid[]))
        AS x(customer, token, delivery)
    ORDER BY customer ON CONFLICT DO NOTHING RETURNING customer_id, token
""")
_SENDING = text("""
    UPDATE pushes SET state = 'sending', attempts = attempts + 1, reached_hash = NULL
    WHERE target = :target AND customer_id = ANY(CAST(:customers AS uuid[]))
""")
_END = text("DELETE FROM calls WHERE token = :token RETURNING token")
_LAPSED = text("""
    DELETE FROM calls WHERE token IN (
        SELECT token FROM calls WHERE target = :target AND lease_until < now()
        ORDER BY token LIMIT 100 FOR UPDATE SKIP LOCKED
    ) RETURNING customer_id, delivery_id
""")
_TARGET = text("""
    SELECT paused_until, slow_until, EXISTS (
        SELECT 1 FROM calls WHERE target = :target AND lease_until < now()
    ) AS lapsed
    FROM targets WHERE name = :target
""")
_PAUSE = text("""
    UPDATE targets SET paused_until = :until, reason = :reason WHERE name = :target
""")
_SLOW = text("UPDATE targets SET slow_until = :until, reason = :reason WHERE name = :target")
_RESUME = text("""
    UPDATE targets SET paused_until = NULL, slow_until = NULL, reason = NULL WHERE name = :target
""")
_ADD_TARGETS = text("""
    INSERT INTO targets (name) SELECT unnest(CAST(:names AS text[])) ON CONFLICT (name) DO UPDATE
        SET paused_until = NULL, slow_until = NULL, reason = NULL
""")


@dataclass(frozen=True, slots=True)
class Desk:
    """What claiming for one target needs to know."""

    engine: AsyncEngine
    rules: TargetRules
    playbook: Playbook
    idempotency: Idempotency
    lease: timedelta


@dataclass(frozen=True, slots=True)
class ClaimedPush:
    """A profile push that is ours until its lease ends. `attempt` counts from 1."""

    token: UUID
    wanted: pushes.Wanted
    state: State
    attempt: int


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that is ours until its lease ends, in state `sending`, attempt counted."""

    token: UUID
    delivery: Delivery
    state: State


@dataclass(frozen=True, slots=True)
class Claim:
    """What one round brought.

    `turned`: deliveries that a gate kept from being sent; `put_off`: how many wait on for the same
    reason; `lost`: deliveries whose worker was lost during the call.
    """

    pushes: tuple[ClaimedPush, ...] = ()
    deliveries: tuple[ClaimedDelivery, ...] = ()
    turned: tuple[Delivery, ...] = ()
    put_off: int = 0
    lost: tuple[Delivery, ...] = ()
    paused: bool = False
    probing: bool = False


async def add_targets(engine: AsyncEngine, names: Collection[str]) -> None:
    """Have a row for each target. A start ends a pause: credentials may have been corrected."""
    async with engine.begin() as connection:
        await connection.execute(_ADD_TARGETS, {"names": sorted(names)})


async def claim(desk: Desk, free: int, now: datetime) -> Claim:
    """Take back lapsed leases, then take at most `free` calls: pushes first, actions wait for them.

    Pushes and deliveries are claimed in a transaction each: a claim that held a push while it
    waited for a group's lock could meet a handler that wants them the other way round.
    """
    async with desk.engine.begin() as connection:
        target = (await connection.execute(_TARGET, {"target": desk.rules.name})).one()
    lost = await take_back(desk, now) if target.lapsed else ()
    if target.paused_until and now < target.paused_until:
        return Claim(lost=lost, paused=True)
    if target.slow_until and now < target.slow_until:
        return Claim(lost=lost)
    # After a pause one call goes ahead and shows whether the target works again.
    probing = target.paused_until is not None
    most = 1 if probing else free
    async with desk.engine.begin() as connection:
        taken = await _claim_pushes(connection, desk, most, now)
    rest = most - len(taken)
    if rest == 0:
        return Claim(taken, lost=lost, probing=probing)
    async with desk.engine.begin() as connection:
        sent, turned, put_off = await _claim_deliveries(connection, desk, rest, now)
    return Claim(taken, sent, turned, put_off, lost, probing=probing)


async def _call(
    connection: AsyncConnection, desk: Desk, wanted: dict[UUID, UUID | None]
) -> dict[UUID, UUID]:
    """Open calls (customer → delivery, None for a push); returns customer → token of those open."""
    if not wanted:
        return {}
    rows = await connection.execute(
        _CALL,
        {
            "target": desk.rules.name,
            "lease": desk.lease,
            "customers": list(wanted),
            "tokens": [uuid4() for _ in wanted],
            "deliveries": list(wanted.values()),
        },
    )
    return {row.customer_id: row.token for row in rows}


async def _claim_pushes(
    connection: AsyncConnection, desk: Desk, most: int, now: datetime
) -> tuple[ClaimedPush, ...]:
    name = desk.rules.name
    found = await connection.execute(_PUSHES, {"target": name, "now": now, "most": most})
    rows = {row.customer_id: row for row in found}
    tokens = await _call(connection, desk, dict.fromkeys(rows))
    if tokens:
        await connection.execute(_SENDING, {"target": name, "customers": list(tokens)})
    return tuple(_claimed_push(rows[customer], name, token) for customer, token in tokens.items())


def _claimed_push(row: Any, target: str, token: UUID) -> ClaimedPush:
    state = read_state(row.state)
    assert state is not None  # noqa: S101 - the query asks for it
    wanted = pushes.Wanted(
        customer_id=row.customer_id,
        target=target,
        version=row.wanted_version,
        attributes=row.wanted,
        hash=row.wanted_hash,
    )
    return ClaimedPush(token, wanted, state, row.attempts + 1)


async def _claim_deliveries(
    connection: AsyncConnection, desk: Desk, most: int, now: datetime
) -> tuple[tuple[ClaimedDelivery, ...], tuple[Delivery, ...], int]:
    name = desk.rules.name
    rows = await connection.execute(_DELIVERIES, {"target": name, "now": now, "most": most})
    recipients: dict[UUID, Recipient] = {}
    due: dict[UUID, Delivery] = {}
    for row in rows:
        if row.customer_id not in due:  # one call per customer: her next one follows this one
            due[row.customer_id] = ledger.delivery(row)
            recipients[row.customer_id] = _recipient(row)
    if not due:
        return (), (), 0
    scenes = await _scenes(connection, desk, recipients, now)
    judged = {customer: gate(delivery, scenes[customer]) for customer, delivery in due.items()}
    going = {customer: due[customer] for customer, refused in judged.items() if refused is None}
    tokens = await _call(connection, desk, {c: delivery.id for c, delivery in going.items()})
    refusals = [refused for refused in judged.values() if refused is not None]
    turned = [after for after in refusals if not _says_the_same(due[after.customer_id], after)]
    put_off = [after for after in refusals if _says_the_same(due[after.customer_id], after)]
    await ledger.put_off(connection, put_off)
    sending = [_sending(going[customer], now) for customer in tokens]
    await ledger.move(connection, [*turned, *sending], by="lane", now=now)
    claimed = [
        ClaimedDelivery(tokens[d.customer_id], replace(d, change=d.change + 1), state)
        for d in sending
        if (state := recipients[d.customer_id].state) is not None
    ]
    return tuple(claimed), tuple(turned), len(put_off)


def _says_the_same(before: Delivery, after: Delivery) -> bool:
    """Looked at every few seconds, a delivery that waits on must not grow a history of it."""
    return (before.state, before.reason) == (after.state, after.reason)


def _sending(delivery: Delivery, now: datetime) -> Delivery:
    """Count the attempt. A repeat keeps its slot where the first attempt may have reached her."""
    attempt = delivery.attempts + 1
    return replace(
        delivery.to("sending", f"attempt {attempt}"),
        attempts=attempt,
        attempted_at=now,
        moment=now if delivery.unanswered_since is None else delivery.moment,
    )


def _recipient(row: Any) -> Recipient:
    return Recipient(
        customer_id=row.customer_id,
        version=row.version,
        group=row.group_key,
        state=read_state(row.recipient_state),
        merged_into=row.merged_into,
    )


async def _scenes(
    connection: AsyncConnection, desk: Desk, recipients: dict[UUID, Recipient], now: datetime
) -> dict[UUID, Scene]:
    """Gather what the gates look at, for customers whose rows are locked."""
    counted = {
        r.group
        for r in recipients.values()
        if r.group and r.state and any(b.scope == "group" for b in r.state.budgets)
    }
    groups = {group for group in counted if group}
    await store.lock_groups(connection, groups)
    book = Book(members=await store.members(connection, groups))
    customers = set(recipients).union(*book.members.values())
    for contact in await ledger.contacts(connection, customers):
        book.add(contact)
    states = await pushes.states(connection, desk.rules.name, recipients)
    reaches = await progress.read(connection)
    stale = progress.stale(reaches, now, desk.playbook.max_staleness)
    return {
        customer: Scene(
            now=now,
            recipient=recipient,
            taken=book.taken(customer, recipient.group),
            push=states.get(customer, PushState()),
            stale=stale,
            rules=desk.rules,
            playbook=desk.playbook,
            idempotency=desk.idempotency,
        )
        for customer, recipient in recipients.items()
    }


async def finish_delivery(desk: Desk, token: UUID, after: Delivery, now: datetime) -> bool:
    """Record a delivery's next state; False if the lease was lost and another has judged it."""
    async with desk.engine.begin() as connection:
        if await connection.scalar(_END, {"token": token}) is None:
            return False
        return bool(await ledger.move(connection, [after], by="lane", now=now))


async def finish_push(
    desk: Desk, claimed: ClaimedPush, after: PushNext, now: datetime
) -> float | None:
    """Record the end of a push; returns the seconds from wanting it, None if it was not ours."""
    async with desk.engine.begin() as connection:
        if await connection.scalar(_END, {"token": claimed.token}) is None:
            return None
        return await pushes.done(connection, claimed.wanted, after, now)


async def take_back(desk: Desk, now: datetime) -> tuple[Delivery, ...]:
    """End lapsed leases: a call whose worker was lost is a call without an answer."""
    lost = Verdict("in_doubt", "no answer: the worker was lost during the call")
    async with desk.engine.begin() as connection:
        name = desk.rules.name
        rows = (await connection.execute(_LAPSED, {"target": name})).all()
        if not rows:
            return ()
        pushed = [row.customer_id for row in rows if row.delivery_id is None]
        await pushes.lapsed(connection, name, pushed, now)
        ids = [row.delivery_id for row in rows if row.delivery_id is not None]
        after = [
            judge(delivery, lost, desk.idempotency, now)
            for delivery in await ledger.read(connection, ids)
            if delivery.state == "sending"
        ]
        await ledger.move(connection, after, by="lease", now=now)
        return tuple(after)


async def pause(desk: Desk, reason: str, until: datetime) -> None:
    """Stop calling a target whose account is wrong; after `until` one call tries again."""
    async with desk.engine.begin() as connection:
        values = {"target": desk.rules.name, "until": until, "reason": reason}
        await connection.execute(_PAUSE, values)


async def slow(desk: Desk, reason: str, until: datetime) -> None:
    """Claim nothing for a target before `until`: it asked for less."""
    async with desk.engine.begin() as connection:
        values = {"target": desk.rules.name, "until": until, "reason": reason}
        await connection.execute(_SLOW, values)


async def resume(desk: Desk) -> None:
    """End a pause after a call that worked."""
    async with desk.engine.begin() as connection:
        await connection.execute(_RESUME, {"target": desk.rules.name})
