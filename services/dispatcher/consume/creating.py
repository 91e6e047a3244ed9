"""Giving deliveries their slots: new ones, and those that a revision has made right again."""

from services.dispatcher.consume.plans import Plans
from services.dispatcher.delivery import SLOT_STATES, Delivery
from services.dispatcher.gates.gates import dropped, release, standing
from services.dispatcher.gates.newer import right_again
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.plan.beside import beside
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.slots.book import contact_of
from services.dispatcher.slots.slots import take


def create(
    plans: Plans, delivery: Delivery, recipient: Recipient, rules: Rulebook, *, anew: bool = False
) -> None:
    """Give a new delivery, or one that is planned anew, its slot, or its refusal."""
    target = rules.targets[delivery.target]
    if delivery.state == "planned":
        hers = plans.book.history(delivery.customer_id)
        counting = [one for one in hers if one.counts_for(target.name, rules.shadows)]
        why = beside(delivery, rules.playbook, counting, anew=anew)
        delivery = delivery.to("suppressed", why) if why else delivery
    if delivery.state == "planned":
        delivery = standing(delivery, recipient, target, rules.playbook) or delivery
    if delivery.state == "planned":
        moment = delivery.moment
        delivery = dropped(delivery, recipient, rules.playbook, target, moment) or delivery
    if delivery.state == "planned":
        budgets = recipient.state.budgets if recipient.state else ()
        released = release(delivery, recipient, rules.playbook, target)
        taken = plans.book.taken(delivery.customer_id, recipient.group, target.name)
        delivery = take(delivery, budgets, taken, released)
    plans.created[delivery.id] = delivery
    if delivery.state in SLOT_STATES:
        plans.book.add(contact_of(delivery))
        plans.pending.setdefault(delivery.customer_id, []).append(delivery)


def renew(plans: Plans, delivery: Delivery, recipient: Recipient, rules: Rulebook) -> None:
    """Plan anew what a revision ended, or another play's turn, if this decision wants it again.

    Three, then eight, then three again is one answer of three: without it nobody would hear of her.
    """
    mine, made_here = delivery.id, delivery.id in plans.created
    before = plans.created.get(mine) or plans.ended.get(mine) or plans.unsent.get(mine)
    again = None if before is None else right_again(before, delivery)
    if before is None or again is None:
        return
    create(plans, again, recipient, rules, anew=True)
    if plans.created[mine].state not in SLOT_STATES:
        # Refused for another reason now: it stays as it ended.
        del plans.created[mine]
        if made_here:
            plans.created[mine] = before
    elif not made_here:
        plans.ended.pop(mine, None)
        plans.renewed.add(mine)
