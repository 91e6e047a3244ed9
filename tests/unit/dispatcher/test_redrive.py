"""What a person may send on or cancel, and what becomes of it."""

from typing import Any

import pytest

from services.dispatcher.delivery import ERASED, Delivery, TargetRules
from services.dispatcher.ledger.recipients import Recipient, decided
from services.dispatcher.operate.redrive import Ask, Known, cancelled, sent_on
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.slots.slots import Taken
from tests.builders.decisions import NOW, decision, later, open_permits, rolling
from tests.builders.deliveries import CUSTOMER, contact, delivery
from tests.builders.dispatching import play

COOLED = play("thanks", "promoter", "invite", cooldown="28 d")
DROPS = play("thanks", "promoter", "invite", quiet="drop")
ASK = Ask("ops", later(hours=1), "wrong template")


def _rules(*plays: dict[str, Any], **settings: Any) -> Rulebook:
    playbook = Playbook.model_validate({"plays": list(plays), **settings})
    return Rulebook(playbook, "test", {"sandbox": TargetRules("sandbox", 1)})


def _known(*contacts: Any, **changes: Any) -> Known:
    told = decision(CUSTOMER, **{"segment": "promoter", **changes})
    return Known(decided(Recipient(CUSTOMER), told), Taken(person=tuple(contacts)))


@pytest.mark.parametrize(
    ("before", "known", "state", "reason"),
    [
        pytest.param({"state": "rejected"}, _known(), "planned", "sent on by ops", id="rejected"),
        pytest.param({"state": "parked"}, _known(), "planned", "sent on by ops", id="parked"),
        pytest.param(
            {"state": "suppressed", "reason": "no permit for marketing: email: no"},
            _known(),
            "planned",
            "sent on by ops",
            id="the-permit-came",
        ),
        pytest.param(
            {"state": "suppressed", "reason": "budget", "until": NOW},
            _known(),
            "planned",
            "sent on by ops",
            id="a-refusal-that-had-an-end",
        ),
        pytest.param(
            {"state": "suppressed", "reason": "opted out there", "attempts": 1},
            _known(),
            "planned",
            "sent on by ops",
            id="the-platform-is-asked-again",
        ),
        pytest.param(
            {"state": "superseded", "reason": "cancelled by ops: x"},
            _known(),
            "planned",
            "sent on by ops",
            id="cancelled-by-a-person",
        ),
        pytest.param(
            {"state": "rejected", "deadline": later(hours=1)},
            _known(),
            "expired",
            "the deadline was",
            id="an-old-apology-expires",
        ),
        pytest.param(
            {"state": "parked"},
            _known(permits=open_permits(refused=["marketing"])),
            "suppressed",
            "no permit",
            id="consent-withdrawn-meanwhile",
        ),
        pytest.param(
            {"state": "rejected"},
            _known(segment="passive"),
            "superseded",
            "she is passive now",
            id="her-segment-moved",
        ),
        pytest.param(
            {"state": "rejected"},
            _known(contact(later(minutes=30), action="invite")),
            "suppressed",
            "cooldown",
            id="she-had-the-same-meanwhile",
        ),
        pytest.param(
            {"state": "rejected"},
            _known(contact(later(minutes=30)), budgets=(rolling(1, 16),)),
            "waiting",
            "budget 1 per 16 h",
            id="its-slot-was-taken-meanwhile",
        ),
        pytest.param(
            {"state": "parked", "unanswered_since": NOW, "moment": NOW},
            _known(contact(later(minutes=30)), budgets=(rolling(1, 16),)),
            "planned",
            "sent on by ops",
            id="what-may-have-reached-her-has-its-slot",
        ),
        pytest.param(
            {"state": "parked", "unanswered_since": NOW, "deadline": NOW},
            _known(),
            "in_doubt",
            "an attempt was not answered",
            id="too-late-and-it-may-have-reached-her",
        ),
    ],
)
def test_what_is_sent_on_is_asked_about_anew(
    before: dict[str, Any], known: Known, state: str, reason: str
) -> None:
    """Deadline, permit, segment, cooldown and budget as they are now."""
    after = sent_on(delivery(**before), known, _rules(COOLED), ASK)
    assert isinstance(after, Delivery), after
    assert (after.state, after.due is not None) == (state, state in {"planned", "waiting"})
    assert reason in after.reason


@pytest.mark.parametrize(
    ("before", "words"),
    [
        pytest.param({"state": "accepted"}, "is accepted", id="accepted"),
        pytest.param({"state": "in_doubt"}, "is in_doubt", id="in-doubt"),
        pytest.param({"state": "sending"}, "is sending", id="being-sent"),
        pytest.param({"state": "waiting"}, "is waiting", id="waiting"),
        pytest.param(
            {"state": "superseded", "reason": "she is promoter now"},
            "something newer took its place",
            id="superseded",
        ),
        pytest.param(
            {"state": "superseded", "reason": ERASED}, "she was erased", id="she-was-erased"
        ),
        pytest.param(
            {"state": "suppressed", "reason": "only one of 'asks': play x goes first"},
            "refused for good",
            id="another-play-went-first",
        ),
        pytest.param(
            {"state": "suppressed", "reason": "hold-out"}, "refused for good", id="held-out"
        ),
        pytest.param(
            {"state": "suppressed", "reason": "shadow: would have been sent", "attempts": 1},
            "refused for good",
            id="only-looked-on",
        ),
        pytest.param(
            {"state": "rejected", "message": "delivered"},
            "the platform reported the message",
            id="reported",
        ),
        pytest.param(
            {"state": "expired", "deadline": NOW}, "still expired", id="expired-stays-expired"
        ),
        pytest.param(
            {"state": "rejected", "target": "gone"}, "its target is not configured", id="no-target"
        ),
    ],
)
def test_what_is_left_as_it_is_and_why(before: dict[str, Any], words: str) -> None:
    """Nothing goes twice, and nothing that nobody would ask again."""
    assert sent_on(delivery(**before), _known(), _rules(COOLED), ASK) == words


def test_at_a_quiet_time_a_play_that_drops_is_dropped_again() -> None:
    """Sent on at night it would come in the morning, which its play does not want."""
    quiet = {"start": "08:00", "end": "20:00", "classes": ["marketing"]}
    after = sent_on(delivery(state="rejected"), _known(), _rules(DROPS, quiet_hours=quiet), ASK)
    assert isinstance(after, Delivery)
    assert after.state == "suppressed"


@pytest.mark.parametrize(
    ("before", "state"),
    [
        pytest.param({"state": "planned"}, "superseded", id="planned"),
        pytest.param({"state": "waiting"}, "superseded", id="waiting"),
        pytest.param({"state": "parked"}, "superseded", id="parked"),
        pytest.param(
            {"state": "waiting", "unanswered_since": NOW}, "in_doubt", id="may-have-reached-her"
        ),
        pytest.param(
            {"state": "waiting", "unanswered_since": NOW, "on_unknown": "retry"},
            "superseded",
            id="an-alert-that-may-have-gone",
        ),
    ],
)
def test_what_waits_is_cancelled_with_the_reason(before: dict[str, Any], state: str) -> None:
    """Who and why is in the row."""
    after = cancelled(delivery(**before), _known(), _rules(), ASK)
    assert isinstance(after, Delivery)
    assert after.state == state
    assert "cancelled by ops: wrong template" in after.reason


@pytest.mark.parametrize("state", ["sending", "accepted", "in_doubt", "expired", "rejected"])
def test_what_does_not_wait_is_not_cancelled(state: Any) -> None:
    """What is on its way, or has ended, is left."""
    assert cancelled(delivery(state=state), _known(), _rules(), ASK) == f"is {state}"
