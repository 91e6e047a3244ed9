"""The state machine on a real PostgreSQL: beside the one in memory, and with two handlers."""

import asyncio

import pytest
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.policy.merges import Merges
from services.segmenter.profile import profile
from tests.builders.facts import rulebook, shipped_policy
from tests.builders.segmenter_machine import About, SegmenterMachine, examples
from tests.builders.segmenter_rows import Memory, Segmenter
from tests.builders.segmenter_store import Both, Store

SHIPPED = rulebook()
REFUSING = rulebook(shipped_policy().value.model_copy(update={"merges": Merges(consent="refuse")}))


async def run(told: About, usual: int) -> None:
    """Run the machine in a thread of its own; its segmenter works in this loop."""

    class Told(SegmenterMachine):
        about = told

    await asyncio.to_thread(run_state_machine_as_test, Told, settings=examples(usual, 20))


@pytest.mark.parametrize(
    "book",
    [
        pytest.param(SHIPPED, id="the shipped policy"),
        pytest.param(REFUSING, id="a policy that refuses some merges"),
    ],
)
async def test_the_store_keeps_what_the_pure_core_says(engine: AsyncEngine, book: Rulebook) -> None:
    """After each step its rows are, to the last one, those of a segmenter in memory."""
    loop = asyncio.get_running_loop()

    def both(rules: Rulebook) -> Segmenter:
        return Both(Memory(rules), Store(rules, engine, loop, handlers=1))

    await run(About(book, both), 4)


async def test_two_handlers_that_share_every_batch_keep_all_that_holds(
    engine: AsyncEngine,
) -> None:
    """They meet at customers, keys, merges and commands; all that is checked of one holds."""
    loop = asyncio.get_running_loop()
    await run(About(SHIPPED, lambda rules: Store(rules, engine, loop, handlers=2)), 8)


async def test_what_a_stored_profile_leaves_out_comes_back_where_it_matters(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far less than usual is kept: still every profile is the fold of all her facts, and told."""
    for kept in ("KEPT_RESPONSES", "KEPT_CONTACTS", "KEPT_CASES"):
        monkeypatch.setattr(profile, kept, 1)
    loop = asyncio.get_running_loop()
    small = About(SHIPPED, lambda rules: Store(rules, engine, loop, handlers=1))
    await run(small, 6)
