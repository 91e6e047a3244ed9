"""Ending what waits for a customer and is wrong by what a decision tells; its slots come free."""

from collections.abc import Callable
from uuid import UUID

from services.dispatcher.consume.plans import Plans
from services.dispatcher.delivery import SLOT_STATES, Delivery
from services.dispatcher.gates.gates import outdated, overtaken, standing, unasked
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.plan.plan import Rulebook
from shared.events.decisions import CustomerDecided


def end_what_no_longer_stands(plans: Plans, recipient: Recipient, rules: Rulebook) -> None:
    """Supersede or suppress what waits for her and is wrong now; its slot comes free."""
    _end(
        plans,
        recipient.customer_id,
        lambda d: standing(d, recipient, rules.targets.get(d.target), rules.playbook),
    )


def end_what_is_done(plans: Plans, customer: UUID, what: str, rules: Rulebook) -> None:
    """Supersede what waits to ask her for what she has just done, be it for a person."""
    over = rules.playbook.stopped_by(what)
    _end(
        plans,
        customer,
        lambda d: overtaken(d, f"she did it: {what}") if d.play in over else None,
    )


def end_what_is_taken_back(
    plans: Plans, customer: UUID, decision: CustomerDecided, rules: Rulebook
) -> None:
    """Supersede what waits to speak of a case that stands otherwise now."""
    _end(plans, customer, lambda d: outdated(d, decision, rules.playbook))


def end_what_is_asked_no_more(
    plans: Plans, customer: UUID, decision: CustomerDecided, rules: Rulebook
) -> None:
    """Supersede what waits to answer a request that she took back."""
    _end(plans, customer, lambda d: unasked(d, decision, rules.playbook))


def _end(plans: Plans, customer: UUID, ends: Callable[[Delivery], Delivery | None]) -> None:
    """End what waits for her, be it for a person, where it is wrong by now."""
    still = []
    for delivery in plans.pending.get(customer, []):
        ended = ends(delivery)
        if ended is None:
            still.append(delivery)
            continue
        (plans.created if delivery.id in plans.created else plans.ended)[delivery.id] = ended
        if ended.state not in SLOT_STATES:
            plans.book.drop(delivery)
    plans.pending[customer] = still
