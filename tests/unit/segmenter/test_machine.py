"""Whatever happens, in whatever order: what always holds of customers, decisions and timers."""

from typing import Final

import pytest
from hypothesis.stateful import run_state_machine_as_test

from services.segmenter.policy.merges import Merges
from services.segmenter.policy.whole import Policy
from services.segmenter.profile import profile
from tests.builders.facts import rulebook, shipped_policy
from tests.builders.segmenter_machine import About, SegmenterMachine, examples
from tests.builders.segmenter_rows import Memory

SHIPPED: Final = shipped_policy().value
REFUSING: Final = SHIPPED.model_copy(update={"merges": Merges(consent="refuse")})


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(SHIPPED, id="the shipped policy"),
        pytest.param(REFUSING, id="a policy that refuses some merges"),
    ],
)
def test_whatever_happens_customers_are_the_set_of_their_facts(policy: Policy) -> None:
    """Answers, consents, cases, outcomes, merges, time: checked after each step and in the end."""

    class Told(SegmenterMachine):
        about = About(rulebook(policy), Memory)

    run_state_machine_as_test(Told, settings=examples(30, 25))


def test_decisions_follow_from_what_a_stored_profile_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each kind it keeps one here: an answer and a timer tell the same of her all the same."""
    for kept in ("KEPT_RESPONSES", "KEPT_CONTACTS", "KEPT_CASES"):
        monkeypatch.setattr(profile, kept, 1)

    class Told(SegmenterMachine):
        about = About(rulebook(SHIPPED), Memory)

    run_state_machine_as_test(Told, settings=examples(30, 25))
