"""Claiming due work for one target, under leases, and recording how each call ended.

A row in `calls` is a call in flight: its key (customer, target) lets one through at most, across
replicas; its token makes every later write conditional. Leases run by the database's clock, all
other times are the caller's. A claim waits for nobody: what is locked is left for the next round.
"""

from collections.abc import Collection, Sequence
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
from services.dispatcher.planning import Book, contact_of
from services.dispatcher.playbook import Playbook
from services.dispatcher.recipients import PushState, Recipient, State, read_state

# A claim must walk the partial index in order of `due` and stop at the limit, whatever the backlog.
# The planner, which cannot know that nearly every row passes, would rather sort all of them (108 ms
# instead of 3 at 3 000 rows): it is told not to, and scalar subqueries cannot become joins.
_WALK = text(
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)"
)
_FREE = """
    (SELECT count(*) FROM calls c WHERE c.target = :target AND c.customer_id = {0}.customer_id) = 0
    AND (SELECT count(*) FROM calls c
         WHERE c.target = :target AND c.merged_into = {0}.customer_id) = 0
"""
_PUSHES = text(f"""
    WITH due AS MATERIALIZED (
        SELECT p.customer_id, p.wanted, p.wanted_hash, p.wanted_version, p.attempts
        FROM pushes p
        WHERE p.target = :target AND p.state = 'due' AND p.due <= :now
            AND (SELECT r.version FROM recipients r WHERE r.customer_id = p.customer_id) > 0
            AND {_FREE.format("p")}
        ORDER BY p.due, p.customer_id LIMIT :most FOR UPDATE OF p SKIP LOCKED
    )
    SELECT due.*, r.state FROM due JOIN recipients r ON r.customer_id = due.customer_id
""")  # noqa: S608
# One whose profile push is about to go is not looked at: its turn comes right after the push. Both
# queues have the same order, so these are not many.
_DELIVERIES = text(f"""
    WITH due AS MATERIALIZED (
        SELECT {ledger.COLUMNS} FROM deliveries d
        WHERE d.target = :target AND d.state IN ('planned', 'waiting') AND d.due <= :now
            AND {_FREE.format("d")}
            AND (
                SELECT count(*) FILTER (
                    WHERE p.state = 'sending' OR p.state = 'due' AND p.due <= :now
                )
                FROM pushes p JOIN recipients r ON r.customer_id = p.customer_id
                WHERE p.customer_id = d.customer_id AND p.target = :target AND r.version > 0
            ) = 0
        ORDER BY d.due, d.customer_id LIMIT :most FOR UPDATE OF d SKIP LOCKED
    )
    SELECT due.*, r.version, r.group_key, r.state AS recipient_state, r.merged_into
    FROM due JOIN recipients r ON r.customer_id = due.customer_id
    FOR UPDATE OF r SKIP LOCKED
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
_END = text("DELETE FROM calls WHERE token = ANY(CAST(:tokens AS uuid[])) RETURNING token")
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


async def claim(desk: Desk, free: int, now: datetime, *, pushes_first: bool = True) -> Claim:
    """Take back lapsed leases, then take at most `free` calls.

    Whether pushes or deliveries are asked first should alternate: no backlog of one kind may
    starve the other. (One customer's action always comes after her push.)
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
    found = Claim(lost=lost, probing=probing)
    for kind in ("push", "delivery") if pushes_first else ("delivery", "push"):
        rest = most - len(found.pushes) - len(found.deliveries)
        if rest > 0:
            async with desk.engine.begin() as connection:
                if kind == "push":
                    taken = await _claim_pushes(connection, desk, rest, now)
                    found = replace(found, pushes=taken)
                else:
                    sent, turned, put_off = await _claim_deliveries(connection, desk, rest, now)
                    found = replace(found, deliveries=sent, turned=turned, put_off=put_off)
    return found


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
    await connection.execute(_WALK)
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
    await connection.execute(_WALK)
    found = await connection.execute(_DELIVERIES, {"target": name, "now": now, "most": most})
    recipients: dict[UUID, Recipient] = {}
    due: dict[UUID, Delivery] = {}
    for row in sorted(found, key=lambda found: found.due):
        if row.customer_id not in due:  # one call per customer: her next one follows this one
            due[row.customer_id] = ledger.delivery(row)
            recipients[row.customer_id] = _recipient(row)
    if not due:
        return (), (), 0
    scenes = await _gather(connection, desk, recipients, now)
    going: dict[UUID, Delivery] = {}
    refusals: list[Delivery] = []
    for customer, delivery in due.items():
        if not scenes.knows(recipients[customer]):
            continue
        refused = gate(delivery, scenes.of(recipients[customer]))
        if refused is None:
            going[customer] = sending = _sending(delivery, now)
            # The next one of the same group must see this one.
            scenes.book.add(contact_of(sending))
        else:
            refusals.append(refused)
    tokens = await _call(connection, desk, {c: delivery.id for c, delivery in going.items()})
    turned = [after for after in refusals if not _says_the_same(due[after.customer_id], after)]
    put_off = [after for after in refusals if _says_the_same(due[after.customer_id], after)]
    await ledger.put_off(connection, put_off)
    await ledger.move(
        connection, [*turned, *(going[customer] for customer in tokens)], by="lane", now=now
    )
    claimed = []
    for customer, token in tokens.items():
        state, delivery = recipients[customer].state, going[customer]
        assert state is not None  # noqa: S101 - a gate asks for it
        claimed.append(ClaimedDelivery(token, replace(delivery, change=delivery.change + 1), state))
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


@dataclass(frozen=True, slots=True)
class _Scenes:
    """What the gates look at, for customers whose rows are locked."""

    desk: Desk
    now: datetime
    book: Book
    groups: set[str]
    pushes: dict[UUID, PushState]
    stale: str | None

    def knows(self, recipient: Recipient) -> bool:
        """Tell whether her group's contacts are ours to count; else it is for the next round."""
        return not _counts_group(recipient) or recipient.group in self.groups

    def of(self, recipient: Recipient) -> Scene:
        """Return what the gates look at for one customer, as it is by now."""
        return Scene(
            now=self.now,
            recipient=recipient,
            taken=self.book.taken(recipient.customer_id, recipient.group),
            push=self.pushes.get(recipient.customer_id, PushState()),
            stale=self.stale,
            rules=self.desk.rules,
            playbook=self.desk.playbook,
            idempotency=self.desk.idempotency,
        )


def _counts_group(recipient: Recipient) -> bool:
    state = recipient.state
    return bool(
        recipient.group and state and any(budget.scope == "group" for budget in state.budgets)
    )


async def _gather(
    connection: AsyncConnection, desk: Desk, recipients: dict[UUID, Recipient], now: datetime
) -> _Scenes:
    wanted = {r.group for r in recipients.values() if r.group and _counts_group(r)}
    groups = await store.lock_free_groups(connection, wanted)
    book = Book(members=await store.members(connection, groups))
    customers = set(recipients).union(*book.members.values())
    for contact in await ledger.contacts(connection, customers):
        book.add(contact)
    reaches = await progress.read(connection)
    return _Scenes(
        desk=desk,
        now=now,
        book=book,
        groups=groups,
        pushes=await pushes.states(connection, desk.rules.name, recipients),
        stale=progress.stale(reaches, now, desk.playbook.max_staleness),
    )


async def finish(
    desk: Desk,
    pushed: Sequence[tuple[ClaimedPush, PushNext, datetime]],
    acted: Sequence[tuple[ClaimedDelivery, Delivery]],
    now: datetime,
) -> tuple[dict[UUID, float], set[UUID]]:
    """Record how calls ended, in one transaction; what lost its lease is left out.

    Returns the seconds that each recorded push took since it was wanted, by customer, and the ids
    of the recorded deliveries.
    """
    tokens = [claimed.token for claimed, _, _ in pushed] + [claimed.token for claimed, _ in acted]
    async with desk.engine.begin() as connection:
        ours = set((await connection.scalars(_END, {"tokens": tokens})).all())
        seconds = await pushes.done(
            connection, [(c.wanted, after, at) for c, after, at in pushed if c.token in ours]
        )
        after = [after for claimed, after in acted if claimed.token in ours]
        return seconds, await ledger.move(connection, after, by="lane", now=now)


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
