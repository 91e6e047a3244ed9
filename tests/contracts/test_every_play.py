"""Every play of the shipped playbook, with the shipped policy: who is reached, and who is not.

Told by people: each has an address of her own in one house, in which they all live at once.
"""

from datetime import timedelta
from typing import Any

import pytest

from tests.builders.facts import day
from tests.builders.house import House, Story, house, shipped_playbook
from tests.builders.stories import Gets, Held, Journey
from tests.contracts.every_play import JOURNEYS

CODES = {"passive": 40, "referral": 40}
#: Delays are half an hour at most, and what opens is spread over twenty minutes.
SOON = timedelta(hours=1)


def test_every_play_has_a_journey() -> None:
    """Whoever adds a play tells its journey; whoever removes one takes it away."""
    assert set(JOURNEYS) == {play.name for play in shipped_playbook().plays}


def _people(journey: Journey) -> dict[str, Gets | Held]:
    """Give everybody of a journey an address."""
    told: list[Gets | Held] = [*journey.gets.values(), *journey.holds.values()]
    return {f"someone-{number}@example.com": one for number, one in enumerate(told)}


def _begin(stories: dict[str, Story]) -> Any:
    return min(said(address).time for address, story in stories.items() for said in story)


def _reached(home: House, address: str, gets: Gets, journey: Journey, rows: list[Any]) -> object:
    """Say what left for her; what is wrong about it where something is."""
    calls = home.sent(address, journey.play)
    if len(rows) != 1 or len(calls) != 1 or rows[0].state != "accepted":
        return [(row.state, row.reason) for row in rows]
    (row,), (call,) = rows, calls
    told = max(said(address).time for said in gets.story)
    begins = told if gets.after is None else day(gets.after)
    signed = ("signed_by", "signed_by_role", "reply_to")
    return {
        "left": (row.target, call.action, call.channel, call.template, call.variant),
        "context": {
            k: str(call.context.get(k, ""))[: len(str(v))] for k, v in gets.context.items()
        },
        "signed": all(call.context.get(name) for name in signed),
        "in time": begins <= row.attempted_at <= begins + SOON,
    }


def _wanted(gets: Gets, journey: Journey) -> object:
    return {
        "left": (gets.target, gets.action, gets.channel, gets.template, gets.variant),
        "context": dict(gets.context),
        "signed": journey.signed,
        "in time": True,
    }


def _held(home: House, address: str, held: Held, journey: Journey, rows: list[Any]) -> object:
    """Say what became of her, with as much of the reason as was promised."""
    sent = len(home.sent(address, journey.play))
    if not rows:
        return (None, "", sent)
    last = rows[-1]
    return (last.state, held.reason if held.reason in last.reason else last.reason, sent)


@pytest.mark.parametrize("name", JOURNEYS)
async def test_a_play_keeps_its_promise(database: str, name: str) -> None:
    """It reaches those it is for, with the right words; everybody else has a reason and no call."""
    journey = JOURNEYS[name]
    people = _people(journey)
    stories = {address: one.story for address, one in people.items()}
    unreached = [a for a, one in people.items() if isinstance(one, Held) and one.unreached]
    found: dict[str, object] = {}
    wanted: dict[str, object] = {}
    names = [*journey.gets, *journey.holds]
    async with house(database, _begin(stories), codes=CODES, unreached=unreached) as home:
        await home.live(stories, day(journey.days))
        came = await home.came(people, name)
        for said, (address, one) in zip(names, people.items(), strict=True):
            if isinstance(one, Gets):
                found[said] = _reached(home, address, one, journey, came[address])
                wanted[said] = _wanted(one, journey)
            else:
                found[said] = _held(home, address, one, journey, came[address])
                wanted[said] = (one.state, one.reason, one.sent)
    assert found == wanted
