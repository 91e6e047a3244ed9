"""What an alert told, and what a revised answer makes of it: one alert, then corrections. Pure.

In: the alerts about a cause with what each said when it was sent, the customer's attributes now.
Out: a correction to be sent, or the end of one that is not needed any more. Never a second alert
of one kind about one answer: a correction names the alert that it corrects.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from services.dispatcher.calls.calls import Correction
from services.dispatcher.delivery import Delivery, TargetRules
from shared.events.ids import content_hash, name_id
from shared.events.outcomes import DeliveryState
from shared.events.vocabulary import Value

#: Whoever reads an alert acts by these; a change of anything else needs no correction.
_SAID: Final = ("nps_score", "nps_segment", "nps_theme")
#: An alert in one of these states has been read, or may have been.
_TOLD: Final[frozenset[DeliveryState]] = frozenset({"sending", "accepted", "in_doubt"})
_PENDING: Final[frozenset[DeliveryState]] = frozenset({"planned", "waiting"})
#: How a digest stands: nobody has it yet, or nobody will, but where it is sent or accepted.
DigestState = Literal["waiting", "sending", "accepted", "rejected", "expired"]
#: The name in a message's context under which a correction names its alert.
CORRECTS: Final = "corrects"
#: How soon to look again whether an alert has arrived that is to be corrected.
_LOOK_AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Alert:
    """An internal delivery about one cause.

    `follows` is the alert that it corrects, `was` what that one had said; `told` what it said
    itself when it was last begun to be sent (None: it never was), or is to be said by the digest
    that gathered it, which stands as `digest` says (None: it is in none).
    """

    delivery: Delivery
    follows: UUID | None = None
    was: Mapping[str, Value] | None = None
    told: Mapping[str, Value] | None = None
    digest: DigestState | None = None

    @property
    def read(self) -> bool:
        """Tell whether somebody has read it, by itself or in a digest, or may have."""
        if self.delivery.state == "superseded":
            return self.digest in ("sending", "accepted")
        return self.delivery.state in _TOLD


def saying(attributes: Mapping[str, Value], rules: TargetRules) -> dict[str, Value]:
    """Return what an alert to this target says now that a revision could change.

    A comment is compared where the channel can show another in its place; only a hash of it stays.
    """
    said: dict[str, Value] = {
        name: attributes.get(name) for name in _SAID if name in rules.in_messages
    }
    if rules.updates and "nps_comment" in rules.in_messages and attributes.get("nps_comment"):
        said["nps_comment"] = content_hash(attributes["nps_comment"])
    return said


def corrected(
    alerts: Sequence[Alert],
    attributes: Mapping[str, Value],
    targets: Mapping[str, TargetRules],
    *,
    decision_id: UUID,
    event_id: UUID,
    max_age: timedelta,
    now: datetime,
) -> Iterator[Alert]:
    """Yield what a decision about these alerts' cause leads to.

    That is a new correction in state `planned`, or one that waits and has nothing to correct any
    more, superseded. One that waits and is still needed says what is true when it is sent.
    """
    for first in alerts:
        rules = targets.get(first.delivery.target)
        if first.follows is not None or not first.read or rules is None:
            continue
        chain = [first, *(a for a in alerts if a.follows == first.delivery.id)]
        told = [a for a in chain if a.told is not None and a.read]
        if not told:
            continue
        last = max(told, key=_order).told
        waiting = [a for a in chain if a.delivery.state in _PENDING]
        right = saying(attributes, rules) == last
        if right:
            for alert in waiting:
                if alert.delivery.unanswered_since is None:
                    ended = alert.delivery.to("superseded", "the answer is again what was told")
                    yield replace(alert, delivery=ended)
        elif not waiting:
            yield Alert(
                _correction(first.delivery, decision_id, event_id, max_age, now),
                follows=first.delivery.id,
                was=last,
            )


def retold(
    alerts: Sequence[Alert], attributes: Mapping[str, Value], targets: Mapping[str, TargetRules]
) -> Iterator[Alert]:
    """Yield the alerts whose digest nobody has yet, as it shall tell them now."""
    for alert in alerts:
        rules = targets.get(alert.delivery.target)
        gathered = alert.delivery.state == "superseded" and alert.digest == "waiting"
        if rules is None or not gathered:
            continue
        said = saying(attributes, rules)
        if said != alert.told:
            yield replace(alert, told=said)


def _order(alert: Alert) -> tuple[datetime, bool, UUID]:
    return alert.delivery.planned_at, alert.follows is not None, alert.delivery.id


def _correction(
    first: Delivery, decision_id: UUID, event_id: UUID, max_age: timedelta, now: datetime
) -> Delivery:
    """Write the delivery that corrects an alert, by the same play to the same target."""
    return replace(
        first.to("planned", "the answer was revised after the alert", due=now),
        id=name_id("correction", first.id, event_id),
        decision_id=decision_id,
        event_id=event_id,
        context={**first.context, CORRECTS: str(first.id)},
        planned_at=now,
        send_at=now,
        moment=now,
        deadline=now + max_age,
        attempts=0,
        attempted_at=None,
        unanswered_since=None,
        reference=None,
        message="none",
        change=1,
    )


@dataclass(frozen=True, slots=True)
class Followed:
    """How the alert stands that a correction is about, and the digest that it may be in."""

    state: DeliveryState
    reference: str | None
    was: Mapping[str, Value]
    digest: DigestState | None = None


def ready(correction: Delivery, first: Followed, now: datetime) -> Delivery | Correction:
    """Return what to correct, or the delivery as it must be while or because there is nothing."""
    gathered = first.digest if first.state == "superseded" else None
    if first.state in _PENDING or "sending" in (first.state, gathered) or gathered == "waiting":
        return correction.waiting("the alert that it corrects is on its way", now + _LOOK_AGAIN)
    if first.state not in _TOLD and gathered != "accepted":
        return correction.to("superseded", f"the alert that it corrects is {first.state}")
    return Correction(reference=first.reference, was=first.was)
