"""What waits to answer a request ends when she takes it back; what she asked elsewhere goes on."""

import pytest

from services.dispatcher.gates.requests import withdrawn
from services.dispatcher.ledger.recipients import Recipient, decided
from services.dispatcher.plan.draws import answer_of
from services.dispatcher.playbook.plays import Play
from shared.events.decisions import CustomerDecided, Snapshot, Trigger
from tests.builders.decisions import NOW, decision, later
from tests.builders.deliveries import CUSTOMER, delivery
from tests.builders.dispatching import play

ASKS = Snapshot(score=9, segment="promoter", last_answered_at=NOW, callback_requested=True)
SILENT = Snapshot(score=9, segment="promoter", last_answered_at=NOW)
HERS = decision(CUSTOMER).cause.id


def about(trigger: str) -> Play:
    return Play.model_validate(play("call", "promoter", "call", trigger=trigger))


def told(
    snapshot: Snapshot, triggers: tuple[Trigger, ...] = ("received",), response: str = "r1"
) -> CustomerDecided:
    return decision(CUSTOMER, snapshot=snapshot, triggers=triggers, response=response)


@pytest.mark.parametrize(
    ("waits", "now", "ends"),
    [
        pytest.param("callback_asked", told(SILENT), True, id="taken back"),
        pytest.param("callback_asked", told(SILENT, ()), True, id="taken back without a score"),
        pytest.param("callback_asked", told(ASKS, ("settled",)), False, id="its window ends"),
        pytest.param("callback_asked", told(ASKS, ("callback_asked",)), False, id="asked again"),
        pytest.param("callback_asked", told(SILENT, response="r2"), False, id="another answer"),
        pytest.param("received", told(SILENT), False, id="no request is what it waits for"),
    ],
)
def test_only_the_answer_that_asked_takes_a_request_back(
    waits: str, now: CustomerDecided, ends: bool
) -> None:
    """Not one that says nothing of it, and nothing that is told beside."""
    why = withdrawn(delivery(cause_id=HERS), about(waits), now)
    assert why == ("her answer was revised: it asks for no call now" if ends else None)


@pytest.mark.parametrize(
    ("topics", "wanted", "changes", "why"),
    [
        pytest.param(("legal",), ["legal", "safety"], {}, None, id="it still does"),
        pytest.param(("churn",), [], {}, None, id="any topic"),
        pytest.param((), [], {}, "it raises nothing now", id="it raises none"),
        pytest.param(
            ("churn",),
            ["legal", "safety"],
            {},
            "it raises churn now, the play wants legal or safety",
            id="it raises another",
        ),
        pytest.param((), [], {"unanswered_since": NOW}, None, id="somebody may have read it"),
    ],
)
def test_a_topic_is_taken_back_by_its_answer(
    topics: tuple[str, ...], wanted: list[str], changes: dict[str, object], why: str | None
) -> None:
    """Be it without a score, or older than her newest: the decision tells what it raises now."""
    waits = play("danger", "promoter", "tell", trigger="escalation_raised")
    waits["when"]["escalations"] = wanted
    seen = SILENT.model_copy(update={"escalations": topics})
    alert = delivery(cause_id=HERS, contact_class="internal", **changes)
    found = withdrawn(alert, Play.model_validate(waits), told(seen, ()))
    assert found == (None if why is None else f"her answer was revised: {why}")
    assert withdrawn(alert, Play.model_validate(waits), told(seen, (), "r2")) is None


def test_other_news_of_her_takes_no_request_back() -> None:
    """A timer that names her newest answer tells nothing of it."""
    timer = told(SILENT, ("timer",))
    timer = timer.model_copy(update={"cause": timer.cause.model_copy(update={"kind": "timer"})})
    assert withdrawn(delivery(cause_id=HERS), about("callback_asked"), timer) is None
    assert withdrawn(delivery(cause_id=HERS), None, told(SILENT)) is None


def test_an_answer_without_a_score_is_no_answer_to_an_experiment() -> None:
    """The score that the decision shows was given to another survey, and counts there."""
    assert answer_of(told(ASKS, ("callback_asked",), "r2"), CUSTOMER) is None
    found = answer_of(told(ASKS, ("received", "callback_asked")), CUSTOMER)
    assert found is not None
    assert found.score == 9


def test_an_answer_without_a_score_does_not_make_us_forget_what_the_newest_said() -> None:
    """Lowered after it, the newest brings no coupon all the same."""
    first = decided(Recipient(CUSTOMER), told(ASKS))
    other = decision(
        CUSTOMER, version=2, snapshot=SILENT, triggers=(), response="r2", answered_at=later(hours=1)
    )
    state = decided(first, other).state
    assert state is not None
    assert (state.answer, state.highest) == (HERS, 9)
