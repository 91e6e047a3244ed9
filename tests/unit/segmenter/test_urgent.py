"""What cannot wait: a call that she asks for, a topic raised, whatever the answer and its score."""

from datetime import datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from services.segmenter.cases import cases, opening
from services.segmenter.cases.urgent import wants_a_call
from services.segmenter.decide.clocks import open_case
from services.segmenter.decide.decide import Due, decide
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events import ids
from shared.events.decisions import URGENT, CustomerDecided
from shared.events.envelope import Event
from shared.events.feedback import CaseOpened, ResponseLink, TimerDue
from tests.builders.facts import (
    NOON,
    answered,
    case,
    day,
    fact,
    rulebook,
    settled,
    shipped_policy,
    updated,
)

SHE = UUID(int=1)
POLICY = shipped_policy().value
BOOK = rulebook(POLICY)
LINK = ResponseLink(source="demo", survey="nps", response_id="r1")
OURS = f"nps/{ids.case_of(ids.response_cause('demo', 'nps', 'r1'))}"
ASKS = answered("r1", callback_requested=True)
THREATENS = answered("r1", comment="Je vais saisir mon avocat")


def profile(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


def decided(*told: Event, now: datetime = NOON) -> CustomerDecided:
    """Decide about the last event after all the others."""
    before, after = profile(*told[:-1]), profile(*told)
    return decide(before, after, fact(told[-1]), BOOK, now, customer_id=SHE, version=len(told))


def brought(*told: Event) -> set[str]:
    """Tell what cannot wait that the last event brings."""
    return set(URGENT.intersection(decided(*told).cause.triggers))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([answered("r1", 10, callback_requested=True)], id="a promoter"),
        pytest.param([answered("r1", 0, callback_requested=True)], id="a detractor"),
        pytest.param([ASKS], id="no score"),
        pytest.param([answered("r1", 4, metric="csat", callback_requested=True)], id="no nps"),
        pytest.param([answered("r1", callback_requested=True, complete=False)], id="not complete"),
        pytest.param([answered("r2", 9), ASKS], id="no score, after one with a score"),
        pytest.param([answered("r2", 9, at=day(0.1)), ASKS], id="no score, and older"),
        pytest.param(
            [answered("r2", 9, at=day(1)), answered("r1", 3, callback_requested=True)],
            id="a score, and late",
        ),
        pytest.param([answered("r1", 3), answered("r1", callback_requested=True)], id="in parts"),
        pytest.param(
            [answered("r1", 9, revision=1), answered("r1", revision=2, callback_requested=True)],
            id="ticked by a revision",
        ),
        pytest.param(
            [ASKS, answered("r1", comment="Merci", received=day(0.1))], id="asked before in it"
        ),
        pytest.param(
            [answered("r1", email=None, callback_requested=True), answered("r1")],
            id="before we knew who she is",
        ),
    ],
)
def test_a_call_that_she_asks_for_is_told_of_the_answer_that_asks(told: list[Event]) -> None:
    """Whatever its score, with or without one, be it the newest or not; the answer is the cause."""
    found = decided(*told)
    assert "callback_asked" in found.cause.triggers
    assert found.cause.id == ids.response_cause("demo", "nps", "r1")
    assert found.cause.deadline_from == NOON
    assert found.snapshot.callback_requested
    assert ("callback", "asked") in {(line.rule, line.outcome) for line in found.trace}


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([answered("r1", 3)], id="nothing said of it"),
        pytest.param([answered("r1", 3, callback_requested=False)], id="a no"),
        pytest.param([answered("r1", 3, callback_requested="perhaps")], id="no yes and no no"),
        pytest.param([answered("r1", callback_requested=True, history=True)], id="imported"),
        pytest.param(
            [
                answered("r1", callback_requested=True, revision=1),
                answered("r1", callback_requested=False, revision=2),
            ],
            id="taken back",
        ),
        pytest.param(
            [
                answered("r1", callback_requested=False, revision=2),
                answered("r1", callback_requested=True, revision=1),
            ],
            id="taken back before it came",
        ),
        pytest.param([ASKS, answered("r2", 9, at=day(1))], id="in another answer"),
        pytest.param([ASKS, updated(at=day(1))], id="what a CRM tells later"),
    ],
)
def test_nobody_is_called_who_does_not_ask(told: list[Event]) -> None:
    """Not for an answer that asks for nothing, whatever another one asked."""
    assert "callback_asked" not in decided(*told).cause.triggers


PARTS = (
    answered("r1", callback_requested=True, revision=1),
    answered("r1", 9, revision=2),
    answered("r1", comment="Merci", revision=3),
    answered("r2", 3, at=day(0.5)),
)


@pytest.mark.parametrize("told", list(permutations(PARTS)))
def test_in_whatever_order_it_comes_a_request_is_told_by_one_cause(told: tuple[Event, ...]) -> None:
    """What is told of it again is the same cause, so that nothing follows from it twice."""
    found = [decided(*told[: number + 1]) for number in range(len(told))]
    asking = [one for one in found if "callback_asked" in one.cause.triggers]
    assert {one.cause.id for one in asking} == {ids.response_cause("demo", "nps", "r1")}
    assert all(one.snapshot.callback_requested for one in asking)


@pytest.mark.parametrize(
    ("told", "topics"),
    [
        pytest.param([THREATENS], ("legal",), id="no score"),
        pytest.param([answered("r1", 9, comment="Mon avocat")], ("legal",), id="a promoter"),
        pytest.param([answered("r2", 9), THREATENS], ("legal",), id="after one with a score"),
        pytest.param([answered("r2", 9, at=day(1)), THREATENS], ("legal",), id="an older one"),
        pytest.param([answered("r1", comment="Rappelez-moi svp")], ("call_me",), id="call me"),
        pytest.param([answered("r1", comment="Trop cher")], (), id="a pain"),
        pytest.param([THREATENS, answered("r2", 9, at=day(1))], (), id="in another answer"),
    ],
)
def test_a_topic_is_raised_by_the_answer_that_raises_it(
    told: list[Event], topics: tuple[str, ...]
) -> None:
    """A comment without a score is read, too, and what a newer answer says is not put on it."""
    found = decided(*told)
    assert ("escalation_raised" in found.cause.triggers) is bool(topics)
    assert found.snapshot.escalations == topics
    said = tuple(line.outcome for line in found.trace if line.rule == "escalation")
    assert said == topics


def test_an_imported_threat_is_nobody_s_any_more() -> None:
    """It was read when it was made."""
    told = answered("r1", comment="Je vais saisir mon avocat", history=True)
    assert decided(told).cause.triggers == ()


def test_it_is_told_at_once_and_not_again_when_the_window_ends() -> None:
    """The window is for what a customer hears of her score; whoever calls her speaks of neither."""
    told = answered("r1", 9, complete=False, callback_requested=True)
    assert brought(told) == {"callback_asked"}
    after = profile(told)
    due = TimerDue(kind="settle", customer_id=SHE, arm=1, due_at=NOON + timedelta(minutes=5))
    end = decide(after, after, Due(UUID(int=7), due), BOOK, due.due_at, customer_id=SHE, version=2)
    assert end.cause.triggers == ("settled",)
    assert end.snapshot.callback_requested


def test_late_it_says_that_only_this_counts() -> None:
    """An answer older than the newest makes no segment, and still somebody calls."""
    found = decided(answered("r2", 9, at=day(0.1)), ASKS)
    assert (found.cause.late, found.snapshot.score) == (True, 9)
    assert ("late", "urgent") in {(line.rule, line.outcome) for line in found.trace}


@pytest.mark.parametrize(
    ("told", "now", "reason"),
    [
        pytest.param([ASKS], NOON, "the answer asks for a call", id="no score"),
        pytest.param(
            [answered("r1", 10, callback_requested=True)],
            NOON,
            "the answer asks for a call",
            id="a promoter",
        ),
        pytest.param(
            [answered("r2", 9, at=day(0.1)), ASKS], NOON, "the answer asks for a call", id="late"
        ),
        pytest.param([THREATENS], NOON, "the answer tells of legal", id="a threat without a score"),
        pytest.param(
            [answered("r2", 2), answered("r1", comment="Bof")], NOON, None, id="a comment"
        ),
        pytest.param([answered("r2", 9), ASKS], day(3), None, id="nobody can be in time any more"),
    ],
)
def test_it_opens_a_case_until_somebody_has_called(
    told: list[Event], now: datetime, reason: str | None
) -> None:
    """About the answer that says it, and by nobody's score; what is over opens none."""
    found = decided(*told, now=now)
    assert (found.case.reason if found.case else None) == reason
    opened = opening.event(found, profile(*told))
    if reason is None:
        assert opened is None
        return
    assert opened is not None
    assert opened.id == cases.opened_event(OURS)
    assert opened.data == CaseOpened(case_id=OURS, occurred_at=NOON, response=LINK)


def test_who_takes_her_request_back_is_no_longer_held_by_its_case() -> None:
    """Nor asked how it went; who did not is, though there is no score to compare with."""
    known = case("opened", OURS, response=LINK)
    back = answered("r1", callback_requested=False, received=day(0.1))
    assert open_case(profile(ASKS, known), POLICY) is not None
    assert open_case(profile(ASKS, known, back), POLICY) is None
    over = case("resolved", OURS, at=day(1))
    assert cases.resurveys(profile(ASKS, known, back, over), POLICY) == {}
    called = profile(ASKS, known, over)
    assert cases.resurveys(called, POLICY) == {OURS: day(16)}
    assert list(cases.pairs(called, POLICY)) == []


@pytest.mark.parametrize(
    ("then", "asked"),
    [
        pytest.param([], True, id="nothing since"),
        pytest.param([answered("r2", 9, at=day(3))], False, id="a score since"),
        pytest.param([answered("r2", 9, at=day(0.5))], True, id="a score before it was resolved"),
        pytest.param([answered("r2", at=day(3), comment="Merci")], True, id="words without one"),
        pytest.param([case("reopened", OURS, at=day(3))], False, id="reopened"),
        pytest.param(
            [case("opened", "helpdesk/9", at=day(2)), case("resolved", "helpdesk/9", at=day(3))],
            True,
            id="a later ticket about no answer",
        ),
    ],
)
def test_who_threatened_without_a_score_is_asked_how_it_went(
    then: list[Event], asked: bool
) -> None:
    """As anybody whose case was resolved; her next score has none to be paired with."""
    told = [
        THREATENS,
        case("opened", OURS, response=LINK),
        case("resolved", OURS, email=None, at=day(1)),
        *then,
    ]
    assert cases.resurveys(profile(*told), POLICY) == ({OURS: day(16)} if asked else {})
    better = profile(*told, answered("r3", 9, at=day(17)))
    assert cases.resurveys(better, POLICY) == {}
    assert cases.recovered_from(better, POLICY) is None


def test_without_the_rule_a_call_opens_no_case() -> None:
    """A shop whose call lists are enough has no cases for them."""
    rule = POLICY.cases.open.model_copy(update={"callback": False})
    policy = POLICY.model_copy(update={"cases": POLICY.cases.model_copy(update={"open": rule})})
    after = profile(ASKS)
    told = fact(ASKS)
    found = decide(Profile(), after, told, rulebook(policy), NOON, customer_id=SHE, version=1)
    assert found.case is None
    assert "callback_asked" in found.cause.triggers


def test_a_delivery_that_settled_brings_nothing_urgent() -> None:
    """Of what was asked before nothing is told again by other news."""
    found = decided(ASKS, settled(SHE, at=day(0.1)))
    assert URGENT.isdisjoint(found.cause.triggers)
    assert found.snapshot.callback_requested is wants_a_call(profile(ASKS)) is True
