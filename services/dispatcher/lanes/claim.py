"""Claiming due work for one target, under leases.

A row in `calls` is a call in flight: its key (customer, target) lets one through at most, across
replicas; its token makes every later write conditional. Leases run by the database's clock, all
other times are the caller's. A claim waits for nobody: what is locked is left for the next round.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.alerts import alert_store, digest_store
from services.dispatcher.alerts.alerting import CORRECTS, ready, saying
from services.dispatcher.brakes import brakes, rate_store
from services.dispatcher.brakes.breaker import KINDS, Kind
from services.dispatcher.brakes.rates import AtOnce, Rate, least
from services.dispatcher.calls.calls import Correction
from services.dispatcher.delivery import Delivery
from services.dispatcher.gates.gates import gate
from services.dispatcher.lanes.batches import grouped, most_rows
from services.dispatcher.lanes.finish import take_back
from services.dispatcher.lanes.scenes import gather
from services.dispatcher.ledger import deletions, ledger, pushes
from services.dispatcher.ledger.desk import (
    Claim,
    ClaimedDeletion,
    ClaimedDelivery,
    ClaimedPush,
    Desk,
)
from services.dispatcher.ledger.recipients import read_identifiers
from services.dispatcher.ledger.store import recipient
from services.dispatcher.slots.book import contact_of
from services.dispatcher.status import inquiries

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
# Her row is held, so that a merge either sees this call in flight or comes before it.
_DUE_PUSHES: Final = f"""
    WITH due AS MATERIALIZED (
        SELECT p.customer_id, p.wanted, p.wanted_hash, p.wanted_version, p.attempts, p.due
        FROM pushes p
        WHERE p.target = :target AND p.state = 'due' AND p.due <= :now
            AND (SELECT r.version FROM recipients r WHERE r.customer_id = p.customer_id
                 AND (:sandbox OR NOT r.test)) > 0
            AND {_FREE.format("p")}
        ORDER BY p.due, p.customer_id LIMIT :most FOR UPDATE OF p SKIP LOCKED
    )
    SELECT due.*, r.state->'identifiers' AS identifiers{{about}}
    FROM due JOIN recipients r ON r.customer_id = due.customer_id
    FOR KEY SHARE OF r SKIP LOCKED
"""  # noqa: S608
_PUSHES = text(_DUE_PUSHES.format(about=""))
# Each word of her state is unpacked from all of it, so only who asks for these pays for them.
_TRACED_PUSHES = text(
    _DUE_PUSHES.format(
        about=", CAST(r.state->>'cause' AS uuid) AS cause,"
        " CAST(r.state->>'decision_id' AS uuid) AS decision_id"
    )
)
# One whose profile push is about to go is not looked at: its turn comes right after the push. Both
# queues have the same order, so these are not many. It is, once it has waited long enough (since
# `waited`): pushes may be kept back longer, by a rate or a breaker of their own. `taken`: customers
# found by an earlier look.
_DELIVERIES = text(f"""
    WITH due AS MATERIALIZED (
        SELECT {ledger.COLUMNS} FROM deliveries d
        WHERE d.target = :target AND d.state IN ('planned', 'waiting') AND d.due <= :now
            AND NOT d.customer_id = ANY(CAST(:taken AS uuid[]))
            AND {_FREE.format("d")}
            AND (
                SELECT count(*) FILTER (
                    WHERE p.state = 'sending' OR p.state = 'due' AND p.due <= :now
                        AND NOT (d.send_at <= :waited AND p.wanted_at <= :waited)
                )
                FROM pushes p JOIN recipients r ON r.customer_id = p.customer_id
                WHERE p.customer_id = d.customer_id AND p.target = :target AND r.version > 0
            ) = 0
        ORDER BY d.due, d.customer_id LIMIT :most FOR UPDATE OF d SKIP LOCKED
    )
    SELECT due.*, r.version, r.group_key, r.test, CAST(r.state AS text) AS recipient_state,
        r.merged_into, r.erased_at
    FROM due JOIN recipients r ON r.customer_id = due.customer_id
    FOR UPDATE OF r SKIP LOCKED
""")  # noqa: S608
#: No kind of call has a number of its own.
EACH: Final = AtOnce()
NO_END: Final = 1 << 30
#: How many times the rows that a claim has calls for its looks read. Past the last of them stand
#: the backlogs of some hundred customers with some dozens each, all due before everybody else.
_LOOKS: Final = (1, 8, 64)
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


async def claim(
    desk: Desk,
    free: int,
    now: datetime,
    *,
    at_once: AtOnce = EACH,
    pushes_first: bool = True,
    questions: int = 0,
) -> Claim:
    """Take back lapsed leases, then take at most `free` calls, deletions first: they are few.

    No gate is asked for a deletion: it needs no fresh state, and no hour is too quiet for it.
    Whether pushes or deliveries are asked first should alternate: no backlog of one kind may
    starve the other. (One customer's action always comes after her push.) `at_once`: how many of
    these calls may be of one kind, deletions being pushes. At most `questions` what became of
    messages come last, of what is left; none finds out whether a target works again.
    """
    brake = await brakes.read(desk, now)
    name = desk.rules.name
    lost = await take_back(desk.engine, name, desk.idempotency, now) if brake.lapsed else ()
    if brake.holds(now):
        return Claim(lost=lost, paused=brake.hold.state(now) == "account")
    if brake.drain is not None and brake.idle:
        await brakes.drained(desk, now)
    # Of an account one call finds out, whatever its kind.
    most = free if brake.hold.paused_until is None else 1
    rates = brake.rates(desk.rules.rates)
    probing = frozenset(kind for kind in KINDS if brake.hold.probes(kind))
    found = Claim(lost=lost, probing=probing, next_due=brake.next_due)
    due = {"deletion": brake.deletions, "push": brake.pushes, "delivery": brake.deliveries}
    rest_of_them = ("push", "delivery") if pushes_first else ("delivery", "push")
    for kind in ("deletion", *rest_of_them):
        of: Kind = "act" if kind == "delivery" else "push"
        rest = min(most - found.calls, _room(found, of, at_once))
        if rest <= 0 or not due[kind] or brake.closed(of, now):
            continue
        async with desk.engine.begin() as connection:
            windows = await rate_store.grant(connection, name, rates, of, now)
            granted = least(windows, rest, now)
            if granted == 0:
                found = replace(found, left=True)
                continue
            before, seen = found.calls, found.seen
            if kind == "deletion":
                found = replace(
                    found, deletions=await _claim_deletions(connection, desk, granted, now)
                )
            elif kind == "push":
                # Whether a target works again is asked with one push.
                batch = 1 if "push" in probing else desk.rules.batch
                taken = await _claim_pushes(connection, desk, granted, batch, now)
                found = replace(found, pushes=taken)
            else:
                sent, turned, put_off = await _claim_deliveries(connection, desk, granted, now)
                found = replace(found, deliveries=sent, turned=turned, put_off=put_off)
            await rate_store.spend(connection, name, windows, found.calls - before)
            if found.seen == seen:
                found = replace(found, left=True)
    if brake.inquiries and "act" not in probing:
        return await _claim_inquiries(desk, rates, found, min(questions, most - found.calls), now)
    return found


def _room(found: Claim, kind: Kind, at_once: AtOnce) -> int:
    """Tell how many more calls of a kind this claim may take by what the kind has to itself."""
    most = at_once.act if kind == "act" else at_once.push
    if kind in found.probing:
        most = 1 if most is None else min(most, 1)
    if most is None:
        return NO_END
    pushes = len(found.deletions) + len(found.pushes)
    return most - (len(found.deliveries) if kind == "act" else pushes)


async def _claim_inquiries(
    desk: Desk, rates: Sequence[Rate], found: Claim, most: int, now: datetime
) -> Claim:
    """Add questions to a claim: nobody waits for their answers, so they never make it hurry."""
    if most <= 0:
        return found
    async with desk.engine.begin() as connection:
        name = desk.rules.name
        windows = await rate_store.grant(connection, name, rates, "status", now)
        granted = least(windows, most, now)
        if granted == 0:
            return found
        asked = await inquiries.claim(connection, name, granted, desk.lease, now)
        await rate_store.spend(connection, name, windows, len(asked))
    return replace(found, inquiries=asked)


async def _call(
    connection: AsyncConnection, desk: Desk, wanted: dict[UUID, UUID | None]
) -> dict[UUID, UUID]:
    """Open calls (customer → delivery, or None); returns customer → token of those open."""
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


async def _claim_deletions(
    connection: AsyncConnection, desk: Desk, most: int, now: datetime
) -> tuple[ClaimedDeletion, ...]:
    name = desk.rules.name
    rows = {row.customer_id: row for row in await deletions.due(connection, name, most, now)}
    tokens = await _call(connection, desk, dict.fromkeys(rows))
    return await deletions.sending(connection, name, rows, tokens)


async def _claim_pushes(
    connection: AsyncConnection, desk: Desk, calls: int, batch: int, now: datetime
) -> tuple[tuple[ClaimedPush, ...], ...]:
    """Take pushes for so many calls, `batch` in each: every customer still has a call of her own.

    Rates count calls, as platforms count requests, whatever is in them.
    """
    name = desk.rules.name
    await connection.execute(_WALK)
    most = most_rows(calls, batch)
    values = {"target": name, "sandbox": desk.rules.sandbox, "now": now, "most": most}
    found = await connection.execute(_TRACED_PUSHES if desk.traced else _PUSHES, values)
    due = [(row.attempts + 1, row) for row in sorted(found, key=lambda found: found.due)]
    groups = grouped(due, batch, calls)
    tokens = await _call(connection, desk, {row.customer_id: None for g in groups for row in g})
    if tokens:
        await connection.execute(_SENDING, {"target": name, "customers": list(tokens)})
    claimed = (
        tuple(_claimed_push(r, desk, tokens[r.customer_id]) for r in g if r.customer_id in tokens)
        for g in groups
    )
    return tuple(group for group in claimed if group)


def _claimed_push(row: Any, desk: Desk, token: UUID) -> ClaimedPush:
    wanted = pushes.Wanted(
        customer_id=row.customer_id,
        target=desk.rules.name,
        version=row.wanted_version,
        attributes=row.wanted,
        hash=row.wanted_hash,
    )
    claimed = ClaimedPush(token, wanted, read_identifiers(row.identifiers), row.attempts + 1)
    if desk.traced:
        return replace(claimed, cause=row.cause, decision_id=row.decision_id)
    return claimed


async def _first_of_each(
    connection: AsyncConnection, desk: Desk, most: int, now: datetime
) -> list[Any]:
    """Return the oldest due delivery of each of at most so many customers: her next one follows.

    Who has many due ones fills the first look with them alone: then another looks past all that is
    hers, further with each, so that nobody waits for the end of her backlog.
    """
    found: dict[UUID, Any] = {}
    for wider in _LOOKS:
        values = {"most": most * wider, "taken": list(found), "now": now}
        values |= {"target": desk.rules.name, "waited": now - desk.playbook.profile_wait}
        rows = sorted(await connection.execute(_DELIVERIES, values), key=lambda row: row.due)
        fresh = {row.customer_id: row for row in reversed(rows)}
        found.update(fresh)
        if len(found) >= most or len(fresh) == len(rows):
            break
    return sorted(found.values(), key=lambda row: row.due)[:most]


async def _claim_deliveries(
    connection: AsyncConnection, desk: Desk, most: int, now: datetime
) -> tuple[tuple[ClaimedDelivery, ...], tuple[Delivery, ...], int]:
    await connection.execute(_WALK)
    rows = await _first_of_each(connection, desk, most, now)
    due = {row.customer_id: ledger.delivery(row) for row in rows}
    recipients = {row.customer_id: recipient(row, row.recipient_state) for row in rows}
    if not due:
        return (), (), 0
    scenes = await gather(connection, desk, recipients, now)
    followed = await alert_store.followed(
        connection, [delivery.id for delivery in due.values() if CORRECTS in delivery.context]
    )
    going: dict[UUID, Delivery] = {}
    corrects: dict[UUID, Correction] = {}
    refusals: list[Delivery] = []
    for customer, delivery in due.items():
        if not scenes.knows(recipients[customer]):
            continue
        refused = gate(delivery, scenes.of(recipients[customer]))
        if refused is None and delivery.id in followed:
            found_first = ready(delivery, followed[delivery.id], now)
            if isinstance(found_first, Correction):
                corrects[customer] = found_first
            else:
                refused = found_first
        if refused is None:
            going[customer] = sending = _sending(delivery, now)
            # The next one of the same group must see this one.
            scenes.book.add(contact_of(sending))
        else:
            refusals.append(refused)
    said = {
        delivery.id: saying(recipients[customer].attributes, desk.rules)
        for customer, delivery in going.items()
        if not delivery.customer_facing
    }
    begun = [due[customer] for customer in going]
    readers = None if desk.rules.shadow else desk.rules.alerts
    for told in await digest_store.take(connection, readers, begun, said, now):
        scenes.book.drop(going.pop(told.customer_id))
        refusals.append(told)
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
        sending = replace(delivery, change=delivery.change + 1)
        claimed.append(ClaimedDelivery(token, sending, state, corrects.get(customer)))
    sent = {c.delivery.id for c in claimed}
    told_now = {one: told for one, told in said.items() if one in sent}
    await alert_store.tell(connection, told_now, now)
    return tuple(claimed), tuple(turned), len(put_off)


def _says_the_same(before: Delivery, after: Delivery) -> bool:
    """Looked at every few seconds, a delivery that waits on must not grow a history of it."""
    return (before.state, before.reason) == (after.state, after.reason)


def _sending(delivery: Delivery, now: datetime) -> Delivery:
    """Count the attempt, and let its slot count from now.

    That holds for a repeat, too, whose first attempt may have reached her: what comes after both
    has the later one in every window that has the earlier one.
    """
    attempt = delivery.attempts + 1
    return replace(
        delivery,
        state="sending",
        reason=f"attempt {attempt}",
        until=None,
        due=None,
        attempts=attempt,
        attempted_at=now,
        moment=now,
    )
