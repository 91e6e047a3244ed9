"""Planning a batch of decisions: gather under locks, decide (pure), apply, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.alerts import alert_store
from services.dispatcher.alerts.alerting import corrected, retold
from services.dispatcher.consume import forgetting
from services.dispatcher.consume.creating import create, renew
from services.dispatcher.consume.ending import (
    end_what_is_asked_no_more,
    end_what_is_done,
    end_what_is_taken_back,
    end_what_no_longer_stands,
)
from services.dispatcher.consume.plans import Plans, Told, survivor
from services.dispatcher.ledger import deletions, ledger, pushes, store
from services.dispatcher.ledger.recipients import Recipient, decided
from services.dispatcher.plan import coupons, following, parking_store
from services.dispatcher.plan.casework import told_by
from services.dispatcher.plan.plan import Rulebook, plan
from services.dispatcher.playbook.conditions import matches
from services.dispatcher.slots.book import Book
from shared.events.decisions import CustomerDecided
from shared.events.ids import delivery_id


def decide(plans: Plans, told: Iterable[Told], rules: Rulebook, now: datetime) -> None:
    """Work decisions into `plans`, one after the other. Reads nothing else."""
    for item in told:
        decision = item.decision
        customer = survivor(plans.recipients, decision.customer_id)
        before = plans.recipients[customer]
        # A merged customer's own state says less than the survivor's, which follows the merge.
        after = decided(before, decision) if customer == decision.customer_id else before
        if after is not before:
            plans.recipients[customer] = after
            plans.changed.add(customer)
            plans.book.hear(customer, after.state.budgets if after.state else ())
            # First, for its reason: her permit may close with the request.
            end_what_is_asked_no_more(plans, customer, decision, rules)
            end_what_no_longer_stands(plans, after, rules)
        # Until the survivor's first state comes, the merged one's is all there is to count by.
        seen = after if after.state else decided(Recipient(customer), decision)
        if what := plans.followed.hear(decision, customer):
            end_what_is_done(plans, customer, what, rules)
        if told_by(decision):
            end_what_is_taken_back(plans, customer, decision, rules)
        for delivery in plan(
            decision,
            rules,
            plans.book.history(customer),
            customer_id=customer,
            event_id=item.event_id,
            now=now,
            known=plans.followed.known(decision, customer, seen),
        ):
            if delivery.id not in plans.existing:
                plans.existing.add(delivery.id)
                create(plans, delivery, seen, rules)
            else:
                renew(plans, delivery, seen, rules)
        if not decision.cause.late:
            _retell(plans, item, seen, rules)
            _correct(plans, item, seen, rules, now)


def _retell(plans: Plans, item: Told, recipient: Recipient, rules: Rulebook) -> None:
    """Have a digest that nobody has read yet say what is so now."""
    alerts = plans.alerts.get(item.decision.cause.id, [])
    for alert in retold(alerts, recipient.attributes, rules.targets):
        plans.retold[alert.delivery.id] = alert.told or {}
        alerts[:] = [alert if a.delivery.id == alert.delivery.id else a for a in alerts]


def _correct(
    plans: Plans, item: Told, recipient: Recipient, rules: Rulebook, now: datetime
) -> None:
    """Correct what was told of this cause and is wrong now."""
    alerts = plans.alerts.get(item.decision.cause.id, [])
    for alert in list(
        corrected(
            alerts,
            recipient.attributes,
            rules.targets,
            decision_id=item.decision.decision_id,
            event_id=item.event_id,
            max_age=rules.playbook.max_age_internal,
            now=now,
        )
    ):
        delivery = alert.delivery
        if delivery.state == "planned":
            plans.corrections[delivery.id] = alert
            create(plans, delivery, recipient, rules)
            alerts.append(replace(alert, delivery=plans.created[delivery.id]))
        else:
            made_here = delivery.id in plans.created
            (plans.created if made_here else plans.ended)[delivery.id] = delivery
            plans.book.drop(delivery)
            alerts[:] = [alert if a.delivery.id == delivery.id else a for a in alerts]


def _may_create(decision: CustomerDecided, rules: Rulebook) -> list[UUID]:
    return [
        delivery_id(decision.cause.id, play.name, play.do.action)
        for play in rules.playbook.plays
        if matches(play.when, decision)
    ]


def _groups(recipients: dict[UUID, Recipient], told: Iterable[Told]) -> set[str]:
    named = {item.decision.group for item in told if item.decision.group}
    return named | {r.group for r in recipients.values() if r.group}


async def gather(
    connection: AsyncConnection,
    recipients: dict[UUID, Recipient],
    told: Sequence[Told],
    rules: Rulebook,
) -> Plans:
    """Read what deciding needs. The recipients are locked; their groups are locked here."""
    groups = _groups(recipients, told)
    await store.lock_groups(connection, groups)
    by_group = await store.members(connection, groups)
    for item in told:
        customer, group = item.decision.customer_id, item.decision.group
        if group and recipients[customer].merged_into is None:
            by_group[group].add(customer)
    customers = set(recipients).union(*by_group.values())
    others = await store.foreign(connection, groups)
    book = Book(members=by_group, shadows=rules.shadows, foreign=others)
    for contact in await ledger.contacts(connection, customers):
        book.add(contact)
    planned = [one for item in told for one in _may_create(item.decision, rules)]
    existing = await ledger.existing(connection, planned)
    return Plans(
        recipients=recipients,
        book=book,
        pending=await ledger.pending(connection, recipients),
        existing=existing,
        unsent=await ledger.unsent(connection, existing),
        followed=await following.gather(connection, recipients, rules.playbook),
        alerts=await alert_store.about(connection, {item.decision.cause.id for item in told}),
    )


async def plan_decisions(
    engine: AsyncEngine, rules: Rulebook, told: Sequence[Told], now: datetime
) -> Plans | None:
    """Take state and plan, each decision once, in one transaction; None: all were known.

    Of her who is forgotten nothing is taken any more, however late it comes.
    """
    async with engine.begin() as connection:
        recipients = await store.lock(connection, {item.decision.customer_id for item in told})
        recipients = {one: r for one, r in recipients.items() if not r.erased}
        told = [item for item in told if item.decision.customer_id in recipients]
        by_id = {item.decision.decision_id: item for item in told}
        customers = {d: item.decision.customer_id for d, item in by_id.items()}
        answers = {
            d: item.decision.cause.id
            for d, item in by_id.items()
            if item.decision.cause.kind == "response"
        }
        fresh = await store.mark_planned(connection, customers, answers, now)
        news = [item for decision, item in by_id.items() if decision in fresh]
        if not news:
            return None
        plans = await gather(connection, recipients, news, rules)
        locked = _groups(recipients, news)
        decide(plans, news, rules, now)
        coded = await coupons.give(connection, plans.created.values(), rules, now)
        plans.created.update({delivery.id: delivery for delivery in coded})
        parked = await parking_store.park(connection, plans.created.values(), rules, now)
        # They keep the slot they were given: so whoever releases them breaks no budget.
        plans.created.update({delivery.id: delivery for delivery in parked})
        left = locked - _groups(plans.recipients, ())
        changed = [plans.recipients[customer] for customer in plans.changed]
        await store.save(connection, changed)
        await deletions.follow(connection, changed)
        await pushes.want(connection, pushes.wanted(changed, rules.targets.values()), now)
        new, again = plans.by_kind()
        await ledger.insert(connection, new, now)
        await ledger.renew(connection, again, now)
        decisions = {item.decision.decision_id: item.decision for item in news}
        await following.keep(
            connection,
            plans.followed,
            plans.created.values(),
            decisions,
            playbook=rules.playbook,
            now=now,
        )
        await ledger.move(connection, list(plans.ended.values()), by="decision", now=now)
        await alert_store.follow(connection, list(plans.corrections.values()), now)
        await alert_store.tell(connection, plans.retold, now)
        await forgetting.leave_groups(connection, left)
        return plans
