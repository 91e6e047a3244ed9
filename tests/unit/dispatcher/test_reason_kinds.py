"""Reasons are counted by kind: a closed list of words, whatever the sentence says."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.dispatcher.delivery import ERASED, Delivery
from services.dispatcher.gates.gates import expired
from services.dispatcher.lanes.sweep import REASON as NO_TARGET
from services.dispatcher.ledger.reason_kinds import KINDS, kind_of
from services.dispatcher.operate.settle import settled
from services.dispatcher.plan.plan import withheld, without
from services.dispatcher.playbook.offers import without_code
from services.dispatcher.slots.slots import Taken, take
from tests.builders.decisions import NOW, hold, rolling
from tests.builders.deliveries import contact, delivery

DISPATCHER = Path(__file__).resolve().parent.parent.parent.parent / "services" / "dispatcher"
#: Where what is not known to begin as a rule writes it is the platform's word.
OUTSIDE = {"accepted", "rejected", "waiting", "parked", "suppressed", "expired", "shadowed"}


def _full() -> Delivery:
    taken = Taken(person=(contact(NOW - timedelta(hours=1)),))
    return take(delivery(), [rolling(1, 24)], taken, lambda at: (at, None))


def _held() -> Delivery:
    stands = hold(NOW + timedelta(days=30))
    return take(
        delivery(),
        [],
        Taken(),
        lambda at: (max(at, stands.until), f"hold {stands.rule}: she asked"),
    )


def _settled() -> Delivery:
    found = settled(delivery(state="in_doubt", reason="no answer"), "sent", "ops", NOW)
    assert found is not None
    return found


def _withheld() -> Delivery:
    found = withheld(delivery(), None, test=True)
    assert found is not None
    return found


def _expired() -> Delivery:
    found = expired(delivery(), NOW + timedelta(days=30))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        pytest.param(delivery(), "planned", id="planned"),
        pytest.param(delivery(state="sending", reason="attempt 2"), "attempt", id="sending"),
        pytest.param(_full(), "budget", id="a full budget"),
        pytest.param(_held(), "hold", id="a hold"),
        pytest.param(_expired(), "deadline", id="its deadline passed"),
        pytest.param(without(delivery()), "hold_out", id="held out"),
        pytest.param(_withheld(), "test", id="a test respondent"),
        pytest.param(_settled(), "operator", id="settled by a person"),
        pytest.param(delivery().to("parked", without_code("spring")), "coupon", id="no code"),
        pytest.param(delivery().to("waiting", NO_TARGET), "target", id="target gone"),
        pytest.param(delivery().to("superseded", ERASED), "erased", id="erased"),
        pytest.param(delivery().to("in_doubt", ERASED), "erased", id="erased while unsure"),
        pytest.param(delivery().to("superseded", "she is passive now"), "newer", id="passive now"),
        pytest.param(
            delivery().to(
                "in_doubt", "an attempt was not answered; not repeated: budget a: 1 of 1"
            ),
            "doubt",
            id="doubt before what forbade the repeat",
        ),
        pytest.param(
            delivery().to("rejected", "HTTP 422: no_such_template"), "platform", id="rejected"
        ),
        pytest.param(
            delivery().to("waiting", "HTTP 503: the platform failed"), "platform", id="tried again"
        ),
        pytest.param(
            delivery().to("suppressed", "zazou@example.com has hard bounced"),
            "platform",
            id="words of a platform stay out",
        ),
    ],
)
def test_a_reason_has_one_kind(found: Delivery, kind: str) -> None:
    """What a rule of ours wrote is known by how it begins, and all else by its state."""
    assert kind_of(found) == kind
    assert kind in KINDS


def test_every_reason_that_a_rule_writes_is_known() -> None:
    """A new rule's refusals would else be counted as what a platform answered."""
    found = [one for path in sorted(DISPATCHER.rglob("*.py")) for one in _written(path)]

    unknown = [
        (place, state, begins)
        for place, state, begins in found
        if state in OUTSIDE and kind_of(delivery(state=state, reason=begins)) == "platform"
    ]
    assert len(found) > 25
    assert unknown == []


def _written(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield state and beginning of each reason that stands as a text in a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        args = node.args
        if node.func.attr == "waiting" and args:
            args = [ast.Constant("waiting"), *args]
        elif node.func.attr != "to" or len(args) < 2:
            continue
        state, reason = args[0], args[1]
        if isinstance(reason, ast.JoinedStr):
            reason = reason.values[0]
        if isinstance(state, ast.Constant) and isinstance(reason, ast.Constant):
            yield path.name, str(state.value), str(reason.value)
