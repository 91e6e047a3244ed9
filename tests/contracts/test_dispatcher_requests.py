"""Calls that she asks for, on a real PostgreSQL: each request is answered once, or taken back."""

import uuid
from itertools import permutations

import pytest

from shared.events.decisions import CustomerDecided, Snapshot
from tests.builders.decisions import decision
from tests.builders.dispatching import Dispatching, dispatching, rules

HER = uuid.UUID(int=78)
CALL = {
    "name": "call-back",
    "when": {"trigger": "callback_asked"},
    "do": {
        "action": "call_back",
        "channels": ["email"],
        "target": "sandbox",
        "class": "asked_for",
        "variants": {"default": "CALL_BACK"},
    },
}


def asks(
    version: int, response: str = "r1", *, yes: bool = True, late: bool = False
) -> CustomerDecided:
    """An answer without a score, of somebody who was a promoter a while ago."""
    return decision(
        HER,
        version=version,
        response=response,
        late=late,
        triggers=("callback_asked",) if yes else (),
        snapshot=Snapshot(score=9, segment="promoter", callback_requested=yes),
    )


async def called(d: Dispatching) -> int:
    """Count the calls that were made."""
    await d.run()
    return len(d.carriers["sandbox"].actions)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_one_request_is_one_call(database: str, order: tuple[int, ...]) -> None:
    """However often it is told, revised and told again, in whatever order it is planned."""
    told = [asks(1), asks(2), asks(3, late=True)]
    async with dispatching(database, rules(CALL)) as d:
        for at in order:
            await d.tell(told[at])
            await d.tell(told[at])
        assert await called(d) == 1
        await d.tell(*told)
        assert await called(d) == 1


async def test_two_answers_that_ask_are_two_requests(database: str) -> None:
    """She takes one back before anybody called: the other stands, and her permit with it."""
    async with dispatching(database, rules(CALL)) as d:
        await d.tell(asks(1), asks(2, "r2"), asks(3, "r1", yes=False))
        assert await called(d) == 1
        ended = await d.row(state="superseded")
        assert ended.reason == "her answer was revised: it asks for no call now"
        assert ended.cause_id == asks(1).cause.id


async def test_taken_back_and_asked_for_again_it_is_one_call(database: str) -> None:
    """Whoever unticked the box by mistake is called all the same; once called, not again."""
    async with dispatching(database, rules(CALL)) as d:
        await d.tell(asks(1))
        await d.tell(asks(2, yes=False))
        assert await called(d) == 0
        await d.tell(asks(3))
        assert await called(d) == 1
        await d.tell(asks(4, yes=False), asks(5))
        assert await called(d) == 1
