"""Whatever happens, in whatever order: what always holds of customers, decisions and timers."""

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from services.segmenter.policy.merges import Merges
from services.segmenter.policy.whole import Policy
from tests.builders.facts import rulebook, shipped_policy
from tests.builders.segmenter_machine import SegmenterMachine
from tests.builders.segmenter_rows import Memory

#: More, and other ones on each run, where somebody looks for faults.
_EXAMPLES: Final = int(os.environ.get("NPS_TEST_EXAMPLES", "0"))


def examples(usual: int, steps: int) -> settings:
    """The same examples on each run; `NPS_TEST_EXAMPLES` asks for so many random ones."""
    return settings(
        max_examples=_EXAMPLES or usual,
        stateful_step_count=steps,
        derandomize=not _EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


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
        rulebook = rulebook(policy)
        make = Memory

    run_state_machine_as_test(Told, settings=examples(40, 30))
