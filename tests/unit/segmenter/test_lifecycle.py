"""What a customer is to the house: declared, else told by her orders and their dates."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.segmenter.decide.lifecycle import gone_since, left_at, lifecycle
from services.segmenter.policy.attributes import AttributeType
from services.segmenter.policy.lifecycle import LifecyclePolicy
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.profile import rebuild
from shared.events import outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import Value
from tests.builders.facts import answered, completed, day, fact, reported, shipped_policy, updated

POLICY = shipped_policy().value
NOW = day(0)


def known(**attributes: Value) -> Event:
    return updated(at=day(-1), attributes=attributes)


def ordered(days_ago: float) -> str:
    return day(-days_ago).isoformat()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([answered("r1", 9)], None, id="nothing known of orders is not known"),
        pytest.param([known(last_order_at=ordered(1))], "active", id="an order of yesterday"),
        pytest.param([known(last_order_at=ordered(365))], "active", id="the last active day"),
        pytest.param([known(last_order_at=ordered(365.1))], "sleeping", id="a year without order"),
        pytest.param([known(last_order_at=ordered(730))], "sleeping", id="the last sleeping day"),
        pytest.param([known(last_order_at=ordered(730.1))], "churned", id="two years"),
        pytest.param(
            [known(last_order_at=ordered(800)), completed("purchase", at=day(-2))],
            "active",
            id="an order that a platform reported",
        ),
        pytest.param([completed("review_left", at=day(-2))], None, id="a review is no order"),
        pytest.param([known(last_order_at=ordered(-3))], "active", id="a clock a little ahead"),
        pytest.param([known(last_order_at="soon", orders_count=2)], None, id="an odd date"),
        pytest.param([known(orders_count=0)], "cold_prospect", id="no order, no word"),
        pytest.param([known(orders_count="0")], "cold_prospect", id="nought as a text"),
        pytest.param(
            [known(orders_count=0), answered("r1", 9, at=day(-30))],
            "hot_prospect",
            id="she answered",
        ),
        pytest.param(
            [known(orders_count=0), answered("r1", 9, at=day(-30.1))],
            "cold_prospect",
            id="she answered long ago",
        ),
        pytest.param(
            [known(orders_count=0), reported(outcomes.MessageSent, at=day(-3))],
            "hot_prospect",
            id="she was written to",
        ),
        pytest.param([known(orders_count=4)], None, id="orders, but when?"),
        pytest.param(
            [known(customer_since=day(-100).date().isoformat())], "active", id="a new customer"
        ),
        pytest.param(
            [known(customer_since="2020-01-01")], None, id="an old customer may still be one"
        ),
        pytest.param(
            [known(lifecycle="Ambassador", last_order_at=ordered(900))],
            "ambassador",
            id="declared, as people type it",
        ),
        pytest.param(
            [known(lifecycle="lost", last_order_at=ordered(1))],
            "active",
            id="declared as something unknown",
        ),
        pytest.param(
            [known(lifecycle=None, last_order_at=ordered(1))], "active", id="no more declared"
        ),
    ],
)
def test_what_she_is_to_the_house(told: list[Event], expected: str | None) -> None:
    """The declared word wins, then the last order; nobody is a prospect for want of data."""
    assert lifecycle(rebuild(map(fact, told)), POLICY, NOW) == expected


def test_it_changes_with_time_alone() -> None:
    """The same facts make her active today and churned in three years."""
    profile = rebuild([fact(known(last_order_at=ordered(0)))])
    found = [lifecycle(profile, POLICY, day(days)) for days in (1, 400, 1100)]
    assert found == ["active", "sleeping", "churned"]


def test_days_out_of_order_are_refused() -> None:
    """Nobody can be asleep before she is active no more."""
    with pytest.raises(ValidationError, match="must be above active_days"):
        LifecyclePolicy(active_days=90, sleeping_days=90)


@given(
    st.sampled_from([None, "churned", "Churned", "active", "partner", "nonsense", 7]),
    st.sampled_from([None, "2020-01-01", "2024-03-10T12:00:00Z", "2026-01-01", "long ago", 3]),
    st.sampled_from([None, day(-731), day(-730), day(-3)]),
)
def test_figures_and_decisions_have_one_word_for_who_left(
    declared: Value, last_order: Value, bought: datetime | None
) -> None:
    """What is kept to count churn by any day tells what a decision of that day would."""
    told = [known(lifecycle=declared, last_order_at=last_order)]
    told += [completed("purchase", at=bought)] if bought else []
    profile = rebuild(map(fact, told))
    left = left_at(profile, POLICY)
    for now in (NOW, day(1), day(400)):
        churned = left is not None and left < gone_since(POLICY, now)
        assert churned == (lifecycle(profile, POLICY, now) == "churned")


#: The same under other names, and told as another type than it is.
ALSO = POLICY.model_copy(
    update={
        "attributes": {
            **POLICY.attributes,
            "last_order_at": AttributeType(type="moment", also=("derniere_commande",)),
            "customer_since": AttributeType(type="date", also=("client_depuis",)),
        }
    }
)
NUMBERS = POLICY.model_copy(
    update={
        "attributes": {
            **POLICY.attributes,
            "last_order_at": AttributeType(type="number"),
            "customer_since": AttributeType(type="number"),
        }
    }
)


@pytest.mark.parametrize(
    ("told", "policy", "expected"),
    [
        pytest.param([known(derniere_commande=ordered(1))], ALSO, "active", id="by another name"),
        pytest.param(
            [
                updated(at=day(-2), attributes={"last_order_at": ordered(900)}),
                known(derniere_commande=ordered(1)),
            ],
            ALSO,
            "active",
            id="the newest word, whatever its name",
        ),
        pytest.param([known(client_depuis=ordered(30))], ALSO, "active", id="new, so named"),
        pytest.param([known(derniere_commande=ordered(1))], POLICY, None, id="a name not declared"),
        pytest.param([known(last_order_at=ordered(1))], NUMBERS, None, id="not of its type"),
        pytest.param([known(customer_since=ordered(30))], NUMBERS, None, id="nor since when"),
    ],
)
def test_dates_are_read_as_the_policy_declares_them(
    told: list[Event], policy: Policy, expected: str | None
) -> None:
    """By any name of theirs, and not believed where they do not fit, as by every other rule."""
    profile = rebuild(fact(one) for one in told)
    assert lifecycle(profile, policy, NOW) == expected


def test_her_last_order_by_another_name_tells_that_she_has_left() -> None:
    """The same moment is what churn counts from."""
    profile = rebuild([fact(known(derniere_commande=ordered(800)))])
    assert left_at(profile, ALSO) == day(-800)
    assert left_at(profile, POLICY) is None
