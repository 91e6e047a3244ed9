"""Maturity: gates before points, and every point with its reason."""

import pytest
from pydantic import ValidationError

from services.segmenter.decide.maturity import maturity
from services.segmenter.policy.maturity import MaturityPolicy
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.profile import rebuild
from shared.events import ids
from shared.events.decisions import Maturity
from shared.events.envelope import Event
from shared.events.feedback import ResponseLink
from shared.events.vocabulary import Value
from tests.builders.facts import answered, case, day, fact, shipped_policy, updated

POLICY = shipped_policy().value
NOW = day(0)
LATEST = answered("r9", 10, at=day(-1))
PREVIOUS = answered("r8", 9, at=day(-100))
THIRD = answered("r7", 7, at=day(-200))
LONG = updated(at=day(-2), attributes={"customer_since": "2020-01-01"})
OFTEN = updated(at=day(-2), attributes={"orders_count": 3})
#: Ready whatever else: 90 points.
READY = [LATEST, PREVIOUS, THIRD, LONG, OFTEN]


def judged(*told: Event, policy: Policy = POLICY, complaint: str | None = None) -> Maturity | None:
    pains = (complaint,) if complaint else ()
    return maturity(rebuild(map(fact, told)), policy, NOW, pains=pains, escalations=())


def found(*told: Event, policy: Policy = POLICY) -> Maturity:
    judgement = judged(*told, policy=policy)
    assert judgement is not None
    return judgement


def crm(**attributes: Value) -> Event:
    return updated(at=day(-2), attributes=attributes)


def where_value_counts(least: float) -> Policy:
    value = POLICY.maturity.value.model_copy(update={"upper_half_from": least})
    return POLICY.model_copy(
        update={"maturity": POLICY.maturity.model_copy(update={"value": value})}
    )


@pytest.mark.parametrize(
    ("told", "points", "ready"),
    [
        pytest.param([LATEST], {"latest": 30}, False, id="one kind answer"),
        pytest.param([LATEST, PREVIOUS], {"latest": 30, "previous": 20}, False, id="two of them"),
        pytest.param(
            [LATEST, PREVIOUS, THIRD],
            {"latest": 30, "previous": 20, "answers": 10},
            True,
            id="three answers, two of them kind: just ready",
        ),
        pytest.param(
            [LATEST, LONG, OFTEN],
            {"latest": 30, "tenure": 15, "orders": 15},
            True,
            id="a long story and one kind answer: just ready",
        ),
        pytest.param(
            [LATEST, answered("r8", 8, at=day(-100))], {"latest": 30}, False, id="a passive before"
        ),
        pytest.param(
            [LATEST, PREVIOUS, answered("r7", 7, at=day(-731))],
            {"latest": 30, "previous": 20},
            False,
            id="an answer too old to count",
        ),
        pytest.param(
            [LATEST, crm(customer_since=day(-180).date().isoformat())],
            {"latest": 30, "tenure": 15},
            False,
            id="half a year to the day",
        ),
        pytest.param(
            [LATEST, crm(customer_since=day(-179).date().isoformat())],
            {"latest": 30},
            False,
            id="a day less",
        ),
        pytest.param(
            [LATEST, crm(customer_since="2030-01-01")], {"latest": 30}, False, id="not yet one"
        ),
        pytest.param([LATEST, crm(orders_count=2)], {"latest": 30}, False, id="two orders"),
        pytest.param(
            [LATEST, crm(orders_count="3")], {"latest": 30, "orders": 15}, False, id="as a text"
        ),
        pytest.param([LATEST, crm(orders_count="few")], {"latest": 30}, False, id="no number"),
        pytest.param([LATEST, crm(aov=10_000)], {"latest": 30}, False, id="no upper half is named"),
        pytest.param(
            READY,
            {"latest": 30, "previous": 20, "answers": 10, "tenure": 15, "orders": 15},
            True,
            id="everything",
        ),
    ],
)
def test_points_by_factor(told: list[Event], points: dict[str, int], ready: bool) -> None:
    """Each factor gives its points or none, and all of them are shown."""
    judgement = found(*told)
    assert {f.name: f.points for f in judgement.factors if f.points} == points
    assert [f.name for f in judgement.factors] == [
        "latest",
        "previous",
        "answers",
        "tenure",
        "orders",
        "value",
    ]
    assert all(f.reason for f in judgement.factors)
    assert (judgement.points, judgement.ready) == (sum(points.values()), ready)


@pytest.mark.parametrize(
    ("told", "gates"),
    [
        pytest.param(
            [case("opened", at=day(-400))], ("open_case",), id="an open case, ever so old"
        ),
        pytest.param(
            [case("opened", at=day(-9)), case("resolved", at=day(-29))],
            ("open_case",),
            id="opened again",
        ),
        pytest.param(
            [case("opened", at=day(-40)), case("resolved", at=day(-29))],
            ("case_just_closed",),
            id="a case closed 29 days ago",
        ),
        pytest.param(
            [case("opened", at=day(-40)), case("resolved", at=day(-30))],
            (),
            id="a case closed 30 days ago",
        ),
        pytest.param(
            [answered("bad", 6, at=day(-364))], ("detractor_answer",), id="a detractor this year"
        ),
        pytest.param([answered("bad", 0, at=day(-365))], (), id="a detractor last year"),
        pytest.param(
            [answered("stars", 1, at=day(-9), metric="stars")], (), id="stars make no detractor"
        ),
        pytest.param(
            [case("opened", "helpdesk/2", at=day(-3)), answered("bad", 3, at=day(-50))],
            ("open_case", "detractor_answer"),
            id="all that refuse are named",
        ),
    ],
)
def test_gates_come_before_points(told: list[Event], gates: tuple[str, ...]) -> None:
    """Whatever her points, an unsolved or fresh problem refuses her."""
    judgement = found(*READY, *told)
    assert judgement.gates == gates
    assert judgement.points >= POLICY.maturity.ready_at
    assert judgement.ready == (not gates)


def test_a_promoter_who_complains_is_not_ready() -> None:
    """A pain or an escalation in the newest answer is a gate."""
    profile = rebuild(map(fact, READY))
    pained = maturity(profile, POLICY, NOW, pains=("delivery",), escalations=())
    angry = maturity(profile, POLICY, NOW, pains=(), escalations=("legal_threat",))
    for judgement in (pained, angry):
        assert judgement is not None
        assert (judgement.gates, judgement.ready) == (("complaint",), False)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([], id="nobody answered"),
        pytest.param([PREVIOUS, answered("r9", 8, at=day(-1))], id="a passive"),
        pytest.param([PREVIOUS, answered("r9", 2, at=day(-1))], id="a detractor"),
        pytest.param([answered("r9", 5, metric="stars")], id="five stars are no score of nps"),
    ],
)
def test_who_is_no_promoter_is_not_judged(told: list[Event]) -> None:
    """There is nothing to be ready for."""
    assert judged(*told) is None


@pytest.mark.parametrize(
    ("value", "points"),
    [
        pytest.param(80, 10, id="at the threshold"),
        pytest.param("80,00 €", 10, id="as a CRM writes it"),
        pytest.param(79.99, 0, id="below"),
        pytest.param("much", 0, id="no amount"),
        pytest.param(None, 0, id="not known"),
    ],
)
def test_a_value_in_the_upper_half(value: Value, points: int) -> None:
    """The operator says where the upper half begins."""
    judgement = found(LATEST, crm(aov=value), policy=where_value_counts(80))
    (factor,) = (f for f in judgement.factors if f.name == "value")
    assert factor.points == points


def test_time_alone_makes_her_ready() -> None:
    """The same facts, two months later: the case is forgotten."""
    profile = rebuild(map(fact, [*READY, case("resolved", at=day(-2))]))
    found = [maturity(profile, POLICY, at, pains=(), escalations=()) for at in (NOW, day(29))]
    assert [judgement and judgement.ready for judgement in found] == [False, True]


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"ready_at": 91}, id="more than all factors without value"),
        pytest.param({"ready_at": 0}, id="nothing asked"),
        pytest.param({"latest": {"score": 11, "points": 30}}, id="a score that nobody gives"),
    ],
)
def test_a_score_that_means_nothing_is_refused(rules: dict[str, object]) -> None:
    """Nobody could be ready, or everybody would."""
    with pytest.raises(ValidationError):
        MaturityPolicy.model_validate(rules)


def mistaken_case() -> str:
    """The case that the newest answer opened."""
    return f"nps/{ids.case_of(ids.response_cause('demo', 'nps', 'r9'))}"


def mistaken(*scores: int) -> list[Event]:
    """The newest answer, corrected again and again, and the case that its first score opened."""
    link = ResponseLink(source="demo", survey="nps", response_id="r9")
    told = [answered("r9", s, at=day(-1), revision=n) for n, s in enumerate(scores, 1)]
    return [*told, case("opened", mistaken_case(), at=day(-1), response=link)]


@pytest.mark.parametrize(
    ("told", "latest", "gates"),
    [
        pytest.param(mistaken(3, 10), 30, (), id="she meant a 10: its case refuses nobody"),
        pytest.param(mistaken(3, 8), None, None, id="a passive is no ambassador"),
        pytest.param(mistaken(10, 3), None, None, id="she meant a 3"),
        pytest.param(
            [*mistaken(3, 10), case("opened", "helpdesk/1", at=day(-1))],
            30,
            ("open_case",),
            id="a case of a helpdesk stands",
        ),
        pytest.param(
            [*mistaken(3, 10), case("resolved", mistaken_case(), email=None, at=day(-0.5))],
            30,
            (),
            id="closed, since there was nothing",
        ),
    ],
)
def test_maturity_counts_an_answer_as_it_was_corrected(
    told: list[Event], latest: int | None, gates: tuple[str, ...] | None
) -> None:
    """Neither the score of a slip counts, nor the case that it opened."""
    judgement = judged(*told, PREVIOUS, THIRD, LONG, OFTEN)
    assert (judgement and judgement.gates) == gates
    points = {f.name: f.points for f in judgement.factors}["latest"] if judgement else None
    assert points == latest
    assert (judgement is not None and judgement.ready) == (gates == ())
