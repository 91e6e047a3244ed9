"""What another policy changes for a customer: told by the rules that decide, nothing personal."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given, settings

from services.segmenter.decide import moments
from services.segmenter.policy.bands import Band, Bands
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.facts import fact_of
from services.segmenter.profile.profile import rebuild
from services.segmenter.recompute.differing import (
    HIDDEN,
    STATE,
    Difference,
    counted,
    differences,
    stand,
)
from services.segmenter.store.rows import Timer
from shared.events.decisions import CustomerDecided, Snapshot
from shared.events.envelope import Event
from tests.builders.facts import (
    NOON,
    answered,
    day,
    fact,
    rulebook,
    shipped_policy,
    updated,
)
from tests.builders.histories import histories

SHE = UUID(int=7)
SHIPPED = shipped_policy().value


def changed(section: str, **values: object) -> Policy:
    """The shipped policy with other values in one section."""
    one = getattr(SHIPPED, section).model_copy(update=values)
    return SHIPPED.model_copy(update={section: one})


def strict_bands() -> Policy:
    """Promoters are those who said 10."""
    bands = (
        Band(segment="detractor", first=0, last=6),
        Band(segment="passive", first=7, last=9),
        Band(segment="promoter", first=10, last=10),
    )
    return SHIPPED.model_copy(update={"bands": Bands(nps=bands)})


def compared(policy: Policy, *told: Event, now: float = 1) -> dict[str, Difference]:
    profile = rebuild([fact(one) for one in told])
    before, after = (
        stand(profile, rulebook(one), day(now), customer_id=SHE, version=3)
        for one in (SHIPPED, policy)
    )
    return {one.aspect: one for one in differences(before, after)}


@pytest.mark.parametrize(
    ("policy", "told", "now", "aspects"),
    [
        pytest.param(
            strict_bands,
            [answered("r1", 9)],
            1,
            {"segment", "maturity", "fatigue_threshold"},
            id="bands",
        ),
        pytest.param(
            lambda: changed("rests", marketing_after_detractor_days=7),
            [answered("r1", 3)],
            10,
            {"holds", "fatigue_threshold", "due"},
            id="a rest shortened",
        ),
        pytest.param(
            lambda: changed("rests", marketing_after_detractor_days=7),
            [answered("r1", 3)],
            20,
            set(),
            id="a rest that is over either way",
        ),
        pytest.param(
            lambda: changed("moves", lapsed_after_days=100),
            [answered("r1", 8)],
            1,
            {"due"},
            id="only a timer",
        ),
        pytest.param(
            lambda: changed("fatigue", base=5),
            [answered("r1", 10)],
            1,
            {"fatigue_threshold"},
            id="what she bears",
        ),
        pytest.param(
            lambda: SHIPPED.model_copy(update={"budgets": ()}),
            [answered("r1", 8)],
            1,
            {"budgets"},
            id="budgets",
        ),
        pytest.param(
            lambda: changed("test_respondents", domains=("example.com",)),
            [answered("r1", 8)],
            1,
            {"test"},
            id="staff",
        ),
        pytest.param(
            lambda: changed("merges", consent="refuse"),
            [answered("r1", 8)],
            1,
            set(),
            id="what no decision reads",
        ),
    ],
)
def test_what_differs_is_named(
    policy: Callable[[], Policy], told: list[Event], now: float, aspects: set[str]
) -> None:
    """By aspect: what a gate, a play, a platform or a timer reads otherwise."""
    assert set(compared(policy(), *told, now=now)) == aspects


def test_values_are_shown_unless_they_are_personal() -> None:
    """A segment is told; how she is called and her attributes only differ."""
    (segment,) = (
        one
        for one in compared(strict_bands(), answered("r1", 9)).values()
        if one.aspect == "segment"
    )
    assert (segment.before, segment.after) == ("promoter", "passive")
    titles = SHIPPED.called_by.model_copy(update={"titles": {"fr": {"mme": "Mme"}}})
    policy = SHIPPED.model_copy(
        update={
            "called_by": titles,
            "attributes": {**SHIPPED.attributes, "plan": SHIPPED.attributes["aov"]},
        }
    )
    she = {"title": "Mme", "last_name": "Canari", "language": "fr", "plan": "gold"}
    found = compared(policy, updated(attributes=she), answered("r1", 9))
    assert found.keys() >= {"called_by", "attributes"}
    assert "Canari" not in str(found)
    assert "gold" not in str(found)


def test_everything_of_a_decision_is_compared_or_named_as_no_state() -> None:
    """A new field of the event is compared, and shown only where somebody said so."""
    assert {"permits", "budgets", "holds", "group", "zone", "test", "identifiers"} == set(STATE)
    assert set(STATE) | set(Snapshot.model_fields) >= HIDDEN
    assert {"decision_id", "trace"}.isdisjoint(STATE)
    assert set(STATE) < set(CustomerDecided.model_fields)


def test_what_is_counted_has_the_same_aspects_under_any_policy() -> None:
    """So two policies can be laid side by side."""
    profile = rebuild([fact(answered("r1", 9))])
    sides = [
        dict(counted(stand(profile, rulebook(one), day(1), customer_id=SHE, version=1)))
        for one in (SHIPPED, strict_bands())
    ]
    assert sides[0].keys() == sides[1].keys()
    assert (sides[0]["segment"], sides[1]["segment"]) == ("promoter", "passive")
    assert (sides[0]["may be asked"], sides[0]["hold any_survey"]) == ("any_survey", "holds")


@settings(deadline=None, max_examples=30)
@given(histories())
def test_a_policy_never_differs_from_itself(history: list[Event]) -> None:
    """Whatever happened to her."""
    profile = rebuild([fact_of(one) for one in history])
    sides = [stand(profile, rulebook(), day(3), customer_id=SHE, version=1) for _ in range(2)]
    assert list(differences(*sides)) == []


def timer(kind: str, due: float, *, open_: bool = True) -> Timer:
    return Timer(kind, SHE, "", 1, day(due), open=open_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "known", "left"),
    [
        pytest.param([timer("lapse", 5)], [], 1, id="what lies ahead rings"),
        pytest.param([timer("settle", -5)], [], 0, id="what is long over does not"),
        pytest.param([timer("settle", -5)], [timer("settle", 1)], 1, id="somebody waited for it"),
        pytest.param([timer("settle", -5)], [timer("settle", -9, open_=False)], 0, id="nobody did"),
        pytest.param(
            [timer("hold_end", -5, open_=False)], [], 1, id="a timer may always be closed"
        ),
    ],
)
def test_a_policy_alone_rings_for_nothing_of_the_past(
    found: list[Timer], known: list[Timer], left: int
) -> None:
    """An import must not ring for everybody, and nor must a policy."""
    assert len(list(moments.calm(found, known, NOON))) == left
