"""What changed between planning and sending: after an hour's outage no old message goes out."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.lanes.sweep import sweep
from services.dispatcher.operate.bulk import Work, change_many
from services.dispatcher.operate.redrive import SENT_ON, Ask, sent_on
from shared.events.decisions import CustomerDecided, Hold, Snapshot
from shared.events.ids import case_cause
from tests.builders.auditing import trail
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import CLASSES, decision, hold, later, open_permits
from tests.builders.dispatching import Dispatching, dispatching, play, rules

SERVICE = {"class": "service", "legal_basis": "contract"}
SORRY = play("sorry", "detractor", "reassurance", max_age="30 min", **SERVICE)
PATIENT = play("sorry", "detractor", "reassurance", **SERVICE)
#: What waits about a case of hers: how it went, that it is solved, and an offer besides.
HOW = play("how", "detractor", "resurvey", trigger="resurvey_due", **{"class": "survey"})
SOLVED = play("solved", "detractor", "tell", trigger="case_resolved", **SERVICE)
OFFER = play("offer", "detractor", "discount")
#: Chosen by more than her segment; and an ask that is for who she is.
BY_SCORE = {**PATIENT, "when": {"trigger": "settled", "score_to": 6}}
BY_THEME = {**PATIENT, "when": {"trigger": "settled", "theme": ["price"]}}
FOR_GOLD = {**OFFER, "when": {"trigger": "settled", "attributes": {"tier": ["gold"]}}}
CUSTOMER, CASE = uuid.UUID(int=77), case_cause("helpdesk/1")
BACK = later(hours=1)


def news(**changes: Any) -> CustomerDecided:
    """What the segmenter tells of her during the outage: nothing that a play acts on."""
    given = {"segment": "detractor", "triggers": ("updated",), "version": 2, "response": "r1n"}
    return decision(CUSTOMER, **{**given, "at": later(minutes=20), **changes})


def _withdrawn() -> CustomerDecided:
    return news(permits=open_permits(refused=CLASSES))


def _reopened() -> CustomerDecided:
    """As the segmenter tells it: the case holds surveys and offers for up to ninety days."""
    until, why = later(days=90), "a case of hers is not resolved"
    held = Hold(rule="open_case", classes=("survey", "marketing"), reason=why, until=until)
    return news(triggers=("case_reopened",), cause=CASE, holds=(held,))


def _held() -> CustomerDecided:
    return news(holds=(hold(later(days=30), *CLASSES),))


def _upward() -> CustomerDecided:
    return news(segment="promoter", triggers=("received",), response="r1")


def _of_another_theme() -> CustomerDecided:
    return news(triggers=("received", "settled"), response="r1", theme="delivery")


def _taken_back() -> CustomerDecided:
    """As the segmenter tells an answer without a score: there is none before it to show."""
    return news(segment=None, triggers=(), response="r1", answered_at=later(minutes=20)).model_copy(
        update={"snapshot": Snapshot()}
    )


def _no_gold() -> CustomerDecided:
    return news(attributes={"tier": "silver"})


def _a_test() -> CustomerDecided:
    return news(test=True)


async def _redriven(d: Dispatching) -> None:
    """Send on all that ended without being sent, as an operator does once the target is back."""
    ask, record = Ask("anna", d.now), trail("dispatcher")
    work = Work(d.rulebook, sent_on, ask, SENT_ON, record, "deliveries.redriven")
    await change_many(d.engine, work, {"target": "sandbox"}, most=100, dry_run=False)


@pytest.mark.parametrize("redrive", [False, True], ids=["recovered", "redriven"])
@pytest.mark.parametrize(
    ("sorry", "told", "state", "reason"),
    [
        pytest.param(
            PATIENT,
            _withdrawn,
            "suppressed",
            "no permit for service: email: no consent is known",
            id="consent withdrawn between plan and send",
        ),
        pytest.param(
            HOW,
            _reopened,
            "superseded",
            "a case of hers is open: how it went is asked when it is resolved",
            id="case reopened before the question how it went",
        ),
        pytest.param(
            SOLVED,
            _reopened,
            "superseded",
            "its case was opened again since",
            id="case reopened before she is told that it is solved",
        ),
        pytest.param(
            OFFER,
            _reopened,
            "suppressed",
            "hold open_case: a case of hers is not resolved; next free",
            id="case reopened before an offer",
        ),
        pytest.param(
            PATIENT,
            _held,
            "suppressed",
            "hold contact_hold: she asked; next free",
            id="closed to her longer than the message is right",
        ),
        pytest.param(
            PATIENT,
            _upward,
            "superseded",
            "she is promoter now",
            id="answer revised upward",
        ),
        pytest.param(
            BY_SCORE,
            _upward,
            "superseded",
            "her answer was revised: it is 10 now, the play wants at most 6",
            id="answer revised upward, chosen by its score",
        ),
        pytest.param(
            BY_THEME,
            _of_another_theme,
            "superseded",
            "her answer was revised: its theme is delivery now, the play wants price",
            id="answer revised to another reason",
        ),
        pytest.param(
            BY_SCORE,
            _taken_back,
            "superseded",
            "her answer was revised: it has no score now",
            id="answer taken back",
        ),
        pytest.param(
            FOR_GOLD,
            _no_gold,
            "superseded",
            "her attribute tier is not what the play wants any more",
            id="an offer that is not for her any more",
        ),
        pytest.param(
            SORRY,
            None,
            "expired",
            "the deadline was",
            id="deadline passed during the outage",
        ),
        pytest.param(
            PATIENT, _a_test, "suppressed", "test respondent", id="she turned out to be a test"
        ),
    ],
)
async def test_after_an_outage_no_old_apology_goes_out(
    database: str,
    sorry: Mapping[str, Any],
    told: Callable[[], CustomerDecided] | None,
    state: str,
    reason: str,
    redrive: bool,
) -> None:
    """The target is away for an hour; meanwhile the message became wrong: contacts 0, a reason.

    Nor does it go when somebody redrives all that was not sent: every gate is asked anew.
    """
    away = [True]

    def answer(_number: int) -> Verdict:
        return Verdict("retry", "503") if away[0] else OK

    carriers = {"sandbox": ScriptedCarrier(on_push=answer, on_act=answer)}
    async with dispatching(database, rules(dict(sorry)), carriers=carriers) as d:
        await d.tell(
            decision(
                CUSTOMER,
                segment="detractor",
                theme="price",
                attributes={"tier": "gold"},
                **_cause_of(sorry),
            )
        )
        await d.run_until(later(minutes=20), every=timedelta(minutes=5))
        assert (await d.row()).state in {"planned", "waiting"}
        tried = len(d.carriers["sandbox"].actions)
        if told is not None:
            await d.tell(told())
        await d.run_until(BACK, every=timedelta(minutes=10))
        tried = max(tried, len(d.carriers["sandbox"].actions)) if told is None else tried
        away[0] = False
        if redrive:
            await sweep(d.engine, ["sandbox", "alerts"], d.now)
            await _redriven(d)
        await d.run_until(_evening(d.now), every=timedelta(minutes=30))
        await sweep(d.engine, ["sandbox", "alerts"], d.now)
        row = await d.row()
        assert (row.state, reason in row.reason) == (state, True), row.reason
        assert len(d.carriers["sandbox"].actions) == tried
        reached = [
            verdict for verdict in (row.reference, row.message) if verdict not in (None, "none")
        ]
        assert reached == []


def _cause_of(waits: Mapping[str, Any]) -> dict[str, Any]:
    """Tell what a play acts on: her answer, unless it waits for a step of her case."""
    trigger = waits["when"]["trigger"]
    if trigger == "settled":
        return {"response": "r1"}
    return {"triggers": (trigger,), "cause": CASE}


def _evening(now: datetime) -> datetime:
    return now + timedelta(hours=3)
