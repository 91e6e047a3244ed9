"""Every play of the shipped playbook, with the shipped policy: who is reached, and who is not.

Told by people: each has an address of her own in one house, in which they all live at once.
"""

from datetime import timedelta
from typing import Any

import pytest
import yaml

from services.dispatcher.plan import coupons
from services.dispatcher.playbook.offers import Experiment
from services.dispatcher.playbook.plays import Playbook
from tests.builders.auditing import pen
from tests.builders.facts import day
from tests.builders.house import (
    PLAYBOOK,
    House,
    Story,
    as_in_production,
    house,
    shipped_playbook,
)
from tests.builders.stories import Gets, Held, Journey
from tests.contracts.every_play import JOURNEYS

#: One person for each play that reaches her.
FIRST = {name: next(iter(journey.gets.values())) for name, journey in JOURNEYS.items()}
HERS = {f"{name}@example.com": gets.story for name, gets in FIRST.items()}
COUPONS = {"passive-discount": "passive", "referral-reward": "referral"}
CODES = {"passive": 40, "referral": 40}
CHANGES = "SELECT reason FROM delivery_changes WHERE delivery_id = '{}' ORDER BY change"
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


async def test_nothing_goes_by_a_state_that_may_be_old(database: str) -> None:
    """The segmenter is silent: no play reaches a customer, whoever must hear of her does."""
    book = as_in_production(shipped_playbook(), skip_delay_and_quiet_hours=True)
    inside = {p.name for p in book.playbook.plays if p.do.contact_class == "internal"}
    async with house(database, _begin(HERS), rules=book, codes=CODES, working=False) as home:
        await home.live(HERS, day(400))
        for name in JOURNEYS:
            address = f"{name}@example.com"
            (row, *_) = (await home.came([address], name))[address]
            told = await home.d.scalars(CHANGES.format(row.id))
            assert len(home.sent(address, name)) == (name in inside), name
            assert any(one.startswith("state is stale") for one in told) is (name not in inside), (
                told
            )


async def test_who_is_held_out_gets_nothing_of_any_play(database: str) -> None:
    """Whatever a team measures: she goes without, says why, and takes no slot and no code."""
    shipped = shipped_playbook()
    measured = [
        play.model_copy(update={"experiment": Experiment(hold_out=0.99)})
        for play in shipped.plays
        if play.do.contact_class not in {"internal", "asked_for"}
    ]
    book = as_in_production(
        shipped.model_copy(update={"plays": tuple(measured)}), skip_delay_and_quiet_hours=True
    )
    async with house(database, _begin(HERS), rules=book, codes=CODES) as home:
        await home.live(HERS, day(400))
        for play in measured:
            address = f"{play.name}@example.com"
            rows = (await home.came([address], play.name))[address]
            assert {(row.state, row.reason.split(":")[0]) for row in rows} == {
                ("suppressed", "hold-out")
            }, play.name
        assert [call for one in home.d.carriers.values() for call in one.actions] == []
        assert await home.d.scalars("SELECT count(*) FROM coupons WHERE cause_id IS NOT NULL") == [
            0
        ]


@pytest.mark.parametrize("name", COUPONS)
async def test_an_empty_pool_promises_nothing(database: str, name: str) -> None:
    """She waits without a word; once there is a code she gets it by itself, once."""
    address, pool = f"{name}@example.com", COUPONS[name]
    stories = {address: HERS[address]}
    async with house(database, _begin(stories)) as home:
        await home.live(stories, day(0.5))
        (row,) = (await home.came([address], name))[address]
        assert (row.state, row.reason.split(":")[0]) == (
            "parked",
            f"no code left in coupon pool {pool}",
        )
        assert home.sent(address, name) == []
        await coupons.import_codes(home.d.engine, pool, ["LATE-1"], pen("dispatcher", home.d.now))
        await coupons.refill(home.d.engine, home.d.rulebook, home.d.now)
        await home.live({}, day(1))
        assert [call.context["coupon"] for call in home.sent(address, name)] == ["LATE-1"]


def test_a_site_that_forbids_choosing_is_not_asked_of_promoters_alone() -> None:
    """The shipped review play, pointed at it: the configuration refuses, naming play and fix."""
    told = yaml.safe_load(PLAYBOOK.read_text())
    (review,) = [play for play in told["plays"] if play["do"].get("review_site")]
    review["do"]["review_site"] = "google"
    with pytest.raises(
        ValueError, match="play review-invite: google has audience everyone: remove"
    ):
        Playbook.model_validate(told)
