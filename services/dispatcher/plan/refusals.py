"""Refusals by what she had, did or said before: no ask twice, no code for a lowered score. Pure.

In: a delivery as its play wants it, her contacts, what is known of her. Out: the delivery with the
reason why not, or None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.dispatcher.delivery import Contact, Delivery
from services.dispatcher.playbook.plays import Play, Playbook
from shared.events.vocabulary import Segment
from shared.times import iso


@dataclass(frozen=True, slots=True)
class Known:
    """What planning knows of her beside her contacts.

    `arms`: of each play that she was drawn for, her arm. `done`: what she has completed. `highest`
    and `highest_segment`: the best that the answer at hand said before it was revised.
    """

    arms: Mapping[str, str] = field(default_factory=dict)
    done: frozenset[str] = frozenset()
    highest: int | None = None
    highest_segment: Segment | None = None


NOTHING: Final = Known()
NO_REVIEW: Final = "no review is asked for: a coupon goes with the same answer"


def too_soon(
    delivery: Delivery,
    play: Play,
    history: Sequence[Contact],
    at: datetime,
    *,
    rivals: frozenset[str] = frozenset(),
) -> Delivery | None:
    """Refuse an action at `at` that she had already, ever or within its cooldown.

    `rivals`: actions of plays that share its `only_one_of`; its cooldown counts from them, too.
    """
    others = [c for c in history if c.delivery_id != delivery.id]
    if play.do.once_per == "customer" and any(c.action == delivery.action for c in others):
        return delivery.to(
            "suppressed", f"once per customer: {delivery.action} was already planned"
        )
    cooldown = play.do.cooldown
    counted = [c for c in others if c.action == delivery.action or c.action in rivals]
    if cooldown is None or not counted:
        return None
    last = max(counted, key=lambda contact: contact.at)
    free = last.at + cooldown
    if at >= free:
        return None
    days = f"{cooldown / timedelta(days=1):g} d"
    after = "" if last.action == delivery.action else f", {last.action} counted with it"
    return delivery.to(
        "suppressed",
        f"cooldown: {delivery.action} at most once per {days}{after}; next free {iso(free)}",
        until=free,
    )


def spent(
    draft: Delivery, play: Play, playbook: Playbook, history: Sequence[Contact], known: Known
) -> Delivery | None:
    """Refuse what she had already, and what she has done; None: it may be asked."""
    done = [what for what in play.stop_when if what in known.done]
    if done:
        return draft.to("suppressed", f"done: she completed {done[0]}")
    return too_soon(draft, play, history, draft.send_at, rivals=playbook.rivals(play))


def lowered(
    delivery: Delivery, play: Play, score: int | None, segment: Segment | None, known: Known
) -> Delivery | None:
    """Refuse a coupon to an answer that was revised downwards into the band that brings one.

    `score` and `segment`: what the answer says now.
    """
    if play.do.coupon is None or known.highest is None or score is None:
        return None
    if score >= known.highest or segment == known.highest_segment:
        return None
    return delivery.to("suppressed", "no coupon: the score was changed downwards")


def never_both(planned: list[Delivery], playbook: Playbook) -> list[Delivery]:
    """Ask for no review in answer to what also brings a coupon: a review is not for sale."""
    plays = {play.name: play.do for play in playbook.plays}
    if not any(d.state == "planned" and plays[d.play].coupon for d in planned):
        return planned
    return [
        d.to("suppressed", NO_REVIEW) if d.state == "planned" and plays[d.play].review_site else d
        for d in planned
    ]
