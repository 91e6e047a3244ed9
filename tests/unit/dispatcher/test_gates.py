"""Whether a delivery is still right at the moment of sending."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.dispatcher.calls.calls import Idempotency
from services.dispatcher.delivery import TargetRules
from services.dispatcher.gates.gates import Scene, gate, standing
from services.dispatcher.ledger.recipients import PushState, Recipient, decided
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.slots.slots import Taken
from shared.events.decisions import Hold
from tests.builders.decisions import NOW, decision, hold, later, open_permits, rolling
from tests.builders.deliveries import CUSTOMER, contact, delivery
from tests.builders.dispatching import play

PLAYBOOK = Playbook.model_validate(
    {"plays": [], "quiet_hours": {"start": "20:00", "end": "08:00", "classes": ["marketing"]}}
)
COOLED = Playbook.model_validate({"plays": [play("thanks", "promoter", "invite", cooldown="28 d")]})
#: 21:30 in Paris, where she lives.
NIGHT = datetime(2026, 3, 12, 20, 30, tzinfo=UTC)
EIGHT = datetime(2026, 3, 13, 7, 0, tzinfo=UTC)
INTERNAL: Mapping[str, Any] = {"contact_class": "internal", "on_unknown": "retry", "segments": ()}


def recipient(**changes: Any) -> Recipient:
    """A promoter who permits everything, or as changed."""
    told = decision(CUSTOMER, **{"segment": "promoter", **changes})
    return decided(Recipient(CUSTOMER), told)


def scene(who: Recipient | None = None, **changes: Any) -> Scene:
    """Nothing stands against sending, or as changed."""
    values: dict[str, Any] = {
        "now": NOW,
        "recipient": who or recipient(),
        "taken": Taken(),
        "push": PushState(),
        "stale": None,
        "rules": TargetRules("sandbox", 1),
        "playbook": PLAYBOOK,
        "idempotency": Idempotency("key"),
    }
    return Scene(**{**values, **changes})


def test_a_delivery_that_is_still_right_goes() -> None:
    """No gate stands against it."""
    assert gate(delivery(), scene()) is None


@pytest.mark.parametrize(
    ("changes", "situation", "state", "reason", "until"),
    [
        pytest.param(
            {"deadline": NOW}, scene(), "expired", "the deadline was", None, id="deadline-passed"
        ),
        pytest.param(
            {},
            scene(Recipient(CUSTOMER)),
            "waiting",
            "her state is not known yet",
            later(seconds=5),
            id="no-state-yet",
        ),
        pytest.param(
            {},
            scene(recipient(permits=open_permits(refused=["marketing"]))),
            "suppressed",
            "no permit for marketing: email: no consent is known",
            None,
            id="consent-withdrawn",
        ),
        pytest.param(
            {},
            scene(recipient(permits=())),
            "suppressed",
            "no permit is stated",
            None,
            id="unknown-consent-is-no",
        ),
        pytest.param(
            {},
            scene(recipient(test=True)),
            "suppressed",
            "test respondent: no target but one with `sandbox: true`",
            None,
            id="she-turned-out-to-be-a-test",
        ),
        pytest.param(
            INTERNAL,
            scene(recipient(test=True)),
            "suppressed",
            "test respondent",
            None,
            id="nor-does-an-alert-tell-of-a-test",
        ),
        pytest.param(
            {}, scene(recipient(segment="passive")), "superseded", "passive", None, id="segment"
        ),
        pytest.param(
            {},
            scene(stale="nps.feedback is more than 60 s behind"),
            "waiting",
            "state is stale: nps.feedback",
            later(seconds=5),
            id="state-is-stale",
        ),
        pytest.param(
            {},
            scene(recipient(holds=(hold(later(hours=3)),))),
            "waiting",
            "hold contact_hold: she asked",
            later(hours=3),
            id="hold-that-ends-in-time",
        ),
        pytest.param(
            {},
            scene(recipient(holds=(hold(later(hours=80)),))),
            "suppressed",
            "after the deadline",
            later(hours=80),
            id="hold-past-the-deadline",
        ),
        pytest.param({}, scene(now=NIGHT), "waiting", "quiet hours", EIGHT, id="quiet-hours"),
        pytest.param(
            {},
            scene(recipient(holds=(hold(NIGHT),))),
            "waiting",
            "hold contact_hold",
            EIGHT,
            id="hold-that-ends-in-quiet-hours",
        ),
        pytest.param(
            {},
            scene(push=PushState("due", later(minutes=1), "503")),
            "waiting",
            "her profile push has not arrived",
            later(minutes=1),
            id="profile-not-there-yet",
        ),
        pytest.param(
            {"profile_late": "park"},
            scene(push=PushState("rejected", None, "bad field")),
            "parked",
            "bad field",
            None,
            id="profile-rejected-and-the-play-parks",
        ),
        pytest.param(
            {},
            scene(
                recipient(budgets=(rolling(1, 16),)),
                taken=Taken(person=(contact(later(hours=-1)),)),
            ),
            "waiting",
            "budget 1 per 16 h: 1 of 1 in 16 h",
            later(hours=22),
            id="budget-used-meanwhile-waits-past-the-night",
        ),
        pytest.param(
            {},
            scene(
                taken=Taken(person=(contact(later(days=-1), action="invite"),)),
                playbook=COOLED,
            ),
            "suppressed",
            "cooldown: invite at most once per 28 d",
            later(days=27),
            id="had-the-same-meanwhile-under-another-name",
        ),
        pytest.param(
            {},
            scene(
                recipient(budgets=(rolling(1, 8),)),
                taken=Taken(person=(contact(later(hours=-1), state="waiting", unanswered=True),)),
            ),
            "waiting",
            "budget 1 per 8 h: 1 of 1 in 8 h",
            later(hours=7),
            id="another-that-may-have-reached-her-counts",
        ),
        pytest.param(
            {"unanswered_since": later(minutes=-5)},
            scene(
                recipient(budgets=(rolling(1, 8),)),
                taken=Taken(person=(contact(later(hours=-1)),)),
            ),
            "waiting",
            "budget 1 per 8 h: 1 of 1 in 8 h",
            later(hours=7),
            id="a-repeat-is-counted-again-too",
        ),
        pytest.param(
            {"unanswered_since": later(minutes=-5)},
            scene(idempotency=Idempotency("key", timedelta(minutes=1))),
            "in_doubt",
            "no longer known",
            None,
            id="unanswered-and-the-key-forgotten",
        ),
        pytest.param(
            {"unanswered_since": later(minutes=-5)},
            scene(recipient(segment="passive")),
            "in_doubt",
            "not repeated: she is passive now",
            None,
            id="unanswered-and-no-longer-right-keeps-its-slot",
        ),
    ],
)
def test_a_gate_gives_state_reason_and_until(
    changes: dict[str, Any], situation: Scene, state: str, reason: str, until: datetime | None
) -> None:
    """Each gate ends or delays a delivery with a reason a person can read."""
    refused = gate(delivery(**changes), situation)
    assert refused is not None
    assert refused.state == state
    assert reason in refused.reason
    assert refused.until == until
    assert refused.due == (until if state == "waiting" else None)


@pytest.mark.parametrize(
    ("changes", "situation"),
    [
        pytest.param(INTERNAL, scene(stale="silent"), id="alert-goes-though-stale"),
        pytest.param(INTERNAL, scene(recipient(permits=())), id="alert-needs-no-permit"),
        pytest.param(INTERNAL, scene(now=NIGHT), id="alert-goes-at-night"),
        pytest.param({"contact_class": "service"}, scene(now=NIGHT), id="service-goes-at-night"),
        pytest.param(
            {},
            scene(now=NIGHT, rules=TargetRules("sandbox", 1, skip_delay_and_quiet_hours=True)),
            id="a-target-that-reaches-nobody-skips-quiet-hours",
        ),
        pytest.param({"segments": ()}, scene(recipient(segment="passive")), id="any-segment"),
        pytest.param(
            {}, scene(push=PushState("rejected", None, "bad field")), id="rejected-profile-sends"
        ),
        pytest.param(
            {"send_at": later(minutes=-10)},
            scene(push=PushState("due", later(hours=1), "503")),
            id="profile-waited-for-long-enough",
        ),
        pytest.param(
            {},
            scene(
                recipient(budgets=(rolling(1, 16),)),
                taken=Taken(person=(contact(later(hours=1), state="waiting"),)),
            ),
            id="one-planned-later-is-judged-in-its-turn",
        ),
        pytest.param(
            {},
            scene(
                taken=Taken(person=(contact(later(days=-29), action="invite"),)),
                playbook=COOLED,
            ),
            id="cooldown-over",
        ),
        pytest.param(
            {},
            scene(
                taken=Taken(person=(contact(NOW, action="invite", state="planned"),)),
                playbook=COOLED,
            ),
            id="of-two-planned-the-first-goes",
        ),
        pytest.param(
            {},
            scene(recipient(holds=(hold(later(hours=3), "survey"),))),
            id="hold-of-another-class",
        ),
    ],
)
def test_what_does_not_stand_in_the_way(changes: dict[str, Any], situation: Scene) -> None:
    """A gate closes only for what it is about."""
    assert gate(delivery(**changes), situation) is None


def test_how_it_went_is_not_asked_while_it_goes_on() -> None:
    """Asked at the moment of sending, too: whoever released it may not know of the case."""
    asked = play("how", "promoter", "resurvey", trigger="resurvey_due", **{"class": "survey"})
    book = Playbook.model_validate({"plays": [asked]})
    question = delivery(play="how", action="resurvey", contact_class="survey")
    case = Hold(rule="open_case", classes=("survey",), reason="open", until=later(days=90))
    refused = gate(question, scene(recipient(holds=(case,)), playbook=book))
    assert refused is not None
    assert (refused.state, refused.reason.split(":")[0]) == ("superseded", "a case of hers is open")
    assert gate(question, scene(playbook=book)) is None


def test_what_was_never_hers_is_not_ended_by_her_state() -> None:
    """Without a state, and for alerts, nothing is superseded."""
    assert standing(delivery(), Recipient(uuid.uuid4()), None, PLAYBOOK) is None
    assert standing(delivery(**INTERNAL), recipient(permits=()), None, PLAYBOOK) is None


@pytest.mark.parametrize(
    ("unanswered", "moment"),
    [
        pytest.param(None, EIGHT, id="its-slot-waits-with-it"),
        pytest.param(NOW, NOW, id="but-stays-with-an-attempt-that-may-have-reached-her"),
    ],
)
def test_where_the_slot_of_a_waiting_delivery_counts(
    unanswered: datetime | None, moment: datetime
) -> None:
    """A slot moves with what was certainly not sent, and with nothing else."""
    waits = gate(delivery(unanswered_since=unanswered), scene(now=NIGHT))
    assert waits is not None
    assert (waits.state, waits.due, waits.moment) == ("waiting", EIGHT, moment)
