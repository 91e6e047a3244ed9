"""Plan: which deliveries a decision leads to, and why a play that matched does not act. Pure.

In: a decision, the playbook, the contacts she already has, the targets' rules, the time. Out: one
delivery per matching play: planned, or suppressed / expired with a reason. A play whose `when` does
not match leaves nothing. Slots are taken afterwards, under locks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.delivery import Contact, Delivery, OnUnknown, TargetRules
from services.dispatcher.plan.experiments import arm_of
from services.dispatcher.plan.refusals import NOTHING, Known, lowered, never_both, spent
from services.dispatcher.playbook.conditions import matches
from services.dispatcher.playbook.offers import HOLD_OUT, OWN
from services.dispatcher.playbook.plays import Delay, Do, Play, Playbook
from services.dispatcher.playbook.routing import Door
from services.dispatcher.playbook.variants import Templates
from shared.events.decisions import URGENT, CustomerDecided, Permit
from shared.events.ids import delivery_id
from shared.events.vocabulary import Channel, ContactClass, Value
from shared.times import iso

_TEST: Final = "test respondent"
#: How the reason begins of what left its turn to another play.
ONLY_ONE: Final = "only one of "


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All that planning reads of the configuration."""

    playbook: Playbook
    version: str
    targets: Mapping[str, TargetRules]

    @property
    def shadows(self) -> frozenset[str]:
        """The targets that are rehearsed and never called."""
        return frozenset(name for name, target in self.targets.items() if target.shadow)

    def target_of(self, play: Play, door: Door | None, *, test: bool) -> TargetRules:
        """Return where a play's delivery goes: a test respondent's to a sandbox that can carry it.

        `door` is where its route leads (None: to the play's own target). Of several sandboxes that
        one, else the first of the configuration; where there is none, it too.
        """
        own = self.targets[door.target if door else play.do.target]
        if not test or own.sandbox:
            return own
        able = (t for t in self.targets.values() if t.sandbox and _carries(t, play.do))
        return next(able, own)


def _carries(target: TargetRules, do: Do) -> bool:
    if target.classes is not None and do.contact_class not in target.classes:
        return False
    return target.channels is None or all(channel in target.channels for channel in do.channels)


def plan(
    decision: CustomerDecided,
    rules: Rulebook,
    history: Sequence[Contact],
    *,
    customer_id: UUID,
    event_id: UUID,
    now: datetime,
    known: Known = NOTHING,
) -> list[Delivery]:
    """Return the deliveries of every matching play, in the playbook's order, `alone` ones last.

    `customer_id` is the survivor where the decision speaks of a merged customer; `history` her
    contacts that hold a slot. A late cause leads to nothing but what is urgent: the decision shows
    the newest answer, not this one, and its trace says that it entered the history only.
    """
    drafts = {
        play.name: (
            play,
            _draft(play, decision, rules, customer_id=customer_id, event_id=event_id, now=now),
        )
        for play in rules.playbook.plays
        if matches(play.when, decision) and (not decision.cause.late or play.when.trigger in URGENT)
    }
    # What she had or did already stands in no other play's way: so asks go round.
    had = {
        name: refused
        for name, (play, draft) in drafts.items()
        if (refused := spent(draft, play, rules.playbook, _seen(draft, rules, history), known))
    }
    losers = _losers(play for name, (play, _) in drafts.items() if name not in had)
    planned = []
    for name, (play, draft) in drafts.items():
        target = rules.targets[draft.target]
        delivery = withheld(draft, target, test=decision.test) or (
            _on_a_permitted_channel(draft, play, decision.permits)
        )
        refused = _refused(delivery, play, losers, now) or had.get(name)
        seen = decision.snapshot
        refused = refused or lowered(delivery, play, seen.score, seen.segment, known)
        planned.append(refused or _in_its_arm(delivery, play, decision, known))
    planned = never_both(planned, rules.playbook)
    # Whether another one goes shows when that has, or has not, its slot.
    return sorted(planned, key=lambda delivery: drafts[delivery.play][0].alone)


def _seen(draft: Delivery, rules: Rulebook, history: Sequence[Contact]) -> Sequence[Contact]:
    """Leave out contacts that count at other targets only: one in shadow sends nothing."""
    return [c for c in history if c.counts_for(draft.target, rules.shadows)]


def _losers(matching: Iterable[Play]) -> dict[str, str]:
    """Map each play that lost its `only_one_of` to the winner: priority, specificity, name."""
    rivals: dict[str, list[Play]] = {}
    for play in matching:
        if play.only_one_of:
            rivals.setdefault(play.only_one_of, []).append(play)
    lost: dict[str, str] = {}
    for group in rivals.values():
        winner, *others = sorted(group, key=lambda p: (-p.priority, -p.when.specificity, p.name))
        lost.update({other.name: winner.name for other in others})
    return lost


def _draft(
    play: Play,
    decision: CustomerDecided,
    rules: Rulebook,
    *,
    customer_id: UUID,
    event_id: UUID,
    now: datetime,
) -> Delivery:
    """Write the delivery that this play wants, as if nothing stood against it."""
    do, cause = play.do, decision.cause
    door = do.route.door(decision.snapshot.attributes) if do.route else None
    wanted = door.target if door else do.target
    target = rules.target_of(play, door, test=decision.test)
    room: dict[str, Value] = {"room": door.room} if door and door.room else {}
    identity = delivery_id(cause.id, play.name, do.action)
    variant, template = _variant(play.do.variants, decision)
    unhurried = do.contact_class == "internal" or target.skip_delay_and_quiet_hours
    delay = timedelta(0) if unhurried else _delay(do.delay or rules.playbook.delay, identity)
    return Delivery(
        id=identity,
        customer_id=customer_id,
        decision_id=decision.decision_id,
        event_id=event_id,
        cause_id=cause.id,
        play=play.name,
        action=do.action,
        variant=variant,
        template=template,
        channel=do.channels[0],
        contact_class=do.contact_class,
        legal_basis=do.legal_basis,
        target=target.name,
        context={**context_of(play), **_case(play, decision), **room},
        segments=play.when.segment,
        on_unknown=target.on_unknown or do.on_unknown or _on_unknown(do.contact_class),
        profile_late=do.profile_late,
        playbook=rules.version,
        planned_at=now,
        send_at=now + delay,
        moment=now + delay,
        deadline=cause.deadline_from + rules.playbook.max_age_of(play),
        state="planned",
        reason="planned" if target.name == wanted else f"{_TEST}: instead of {wanted}",
        due=now + delay,
    )


def withheld(delivery: Delivery, target: TargetRules | None, *, test: bool) -> Delivery | None:
    """Refuse what a test respondent leads to anywhere but at a sandbox; None: it may go on."""
    if not test or (target is not None and target.sandbox):
        return None
    return delivery.to(
        "suppressed", f"{_TEST}: no target but one with `sandbox: true` hears of her"
    )


def _on_unknown(contact_class: ContactClass) -> OnUnknown:
    """An alert told twice is a nuisance, one lost a silence; for a customer twice is the harm."""
    return "retry" if contact_class == "internal" else "hold"


def _delay(delay: Delay, identity: UUID) -> timedelta:
    """Choose a delay that looks random and is the same whenever this delivery is planned."""
    share = identity.int % 10_000 / 10_000
    return delay.min + (delay.max - delay.min) * share


def _variant(variants: Mapping[str, Templates], decision: CustomerDecided) -> tuple[str, str]:
    """Return the variant (a theme, or `default`) and its template for her language and tone."""
    snapshot = decision.snapshot
    return _found(variants, snapshot.theme, snapshot.language, snapshot.tone)


def variant_of(
    play: Play, theme: str | None, language: str | None, tone: str | None
) -> tuple[str, str]:
    """Return the variant (a theme, or `default`) and its template for a language and tone."""
    return _found(play.do.variants, theme, language, tone)


def _found(
    variants: Mapping[str, Templates], theme: str | None, language: str | None, tone: str | None
) -> tuple[str, str]:
    found = theme if theme in variants else None
    templates = variants[found or "default"]
    short = (language or "").lower().partition("-")[0]
    for key in (f"{short}-{tone}", short, tone):
        if key and key in templates:
            return found or "default", templates[key]
    return found or "default", templates["default"]


def _case(play: Play, decision: CustomerDecided) -> dict[str, Value]:
    """Tell the company what it is about: case, topics raised; the customer is told none of it.

    A call is the company's too: somebody reads why it is to be made.
    """
    if play.do.contact_class != "internal" and set(play.do.channels) != {"call"}:
        return {}
    told: dict[str, Value] = {}
    if play.when.trigger in URGENT and not _shown(decision) and decision.cause.survey:
        told["other_answer"] = decision.cause.survey
    if decision.snapshot.escalations:
        told["escalations"] = list(decision.snapshot.escalations)
    if decision.case is not None:
        told |= {"case_id": decision.case.case_id, "case_due_at": iso(decision.case.due_at)}
    return told


def _shown(decision: CustomerDecided) -> bool:
    """Tell whether the score that a decision shows is that of the answer which is its cause."""
    return "received" in decision.cause.triggers and not decision.cause.late


def context_of(play: Play) -> dict[str, Value]:
    """Return what the play itself says in a message: its own context, and who signs."""
    signed = play.do.signed_by
    if signed is None:
        return dict(play.do.context)
    return {
        **play.do.context,
        "signed_by": signed.name,
        "signed_by_role": signed.role,
        "reply_to": signed.reply_to,
    }


def permit_of(
    permits: Iterable[Permit], contact_class: ContactClass, channel: Channel
) -> tuple[bool, str]:
    """Tell whether a channel is open for a class, with the reason; not stated is no.

    Internal alerts reach nobody outside: they need no permit.
    """
    if contact_class == "internal":
        return True, "internal"
    for permit in permits:
        if permit.contact_class == contact_class and permit.channel == channel:
            return permit.allowed, permit.reason
    return False, "no permit is stated"


def _on_a_permitted_channel(delivery: Delivery, play: Play, permits: Sequence[Permit]) -> Delivery:
    """Take the first channel that is open; suppressed, with each channel's reason, if none is."""
    refusals = []
    for channel in play.do.channels:
        allowed, reason = permit_of(permits, delivery.contact_class, channel)
        if allowed:
            return replace(delivery, channel=channel)
        refusals.append(f"{channel}: {reason}")
    return delivery.to(
        "suppressed", f"no permit for {delivery.contact_class}: {'; '.join(refusals)}"
    )


def _refused(
    delivery: Delivery, play: Play, losers: Mapping[str, str], now: datetime
) -> Delivery | None:
    """Return the refusal that comes before slots, the most final first; None: it may go on."""
    if play.name in losers:
        return delivery.to(
            "suppressed", f"{ONLY_ONE}'{play.only_one_of}': play {losers[play.name]} goes first"
        )
    if now >= delivery.deadline:
        return delivery.to("expired", f"too old: the deadline was {iso(delivery.deadline)}")
    return delivery if delivery.state != "planned" else None


def without(delivery: Delivery) -> Delivery:
    """Return what the hold-out gets: nothing."""
    return delivery.to("suppressed", "hold-out: she goes without, to measure what it does")


def _in_its_arm(
    delivery: Delivery, play: Play, decision: CustomerDecided, known: Known
) -> Delivery:
    """Give her the templates of her arm, or nothing; a test respondent measures nothing."""
    if play.experiment is None or decision.test:
        return delivery
    arm = known.arms.get(play.name) or arm_of(play.experiment, play.name, delivery.customer_id)
    delivery = replace(delivery, arm=arm)
    if arm == HOLD_OUT:
        return without(delivery)
    if arm == OWN or arm not in play.experiment.arms:
        return delivery
    variant, template = _variant(play.experiment.arms[arm].variants, decision)
    return replace(delivery, variant=variant, template=template)
