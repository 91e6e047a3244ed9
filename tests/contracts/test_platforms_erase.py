"""Deleting a person: what is asked of the shipped targets beside the suite of all presets."""

from datetime import timedelta

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.platforms.preset import load_preset
from tests.builders import platforms
from tests.builders.fakes import fake_of
from tests.builders.fakes.adobe_campaign_standard import FakeAdobe
from tests.builders.platforms import (
    NOW,
    TARGETS,
    Fake,
    Waits,
    carrier,
    person,
)

BUDGET = timedelta(seconds=20)
every_target = pytest.mark.parametrize("target", TARGETS)


async def erase(target: str, fake: Fake, **changes: object) -> Verdict:
    """Ask for the standard deletion."""
    asked = platforms.deletion(**changes)
    return await carrier(target, fake).erase(asked, budget=BUDGET, now=NOW)


def test_every_shipped_platform_can_delete_a_person() -> None:
    """Campaign Standard needs an address; whoever has our id needs nothing else."""
    shipped = ("adobe_campaign_standard", "sandbox", "webhook")
    needs = {name: load_preset(name).erase for name in shipped}
    assert {name: erase and erase.needs for name, erase in needs.items()} == {
        "adobe_campaign_standard": ("email",),
        "sandbox": (),
        "webhook": (),
    }


@every_target
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(httpx.ReadTimeout("no answer in time"), id="hang"),
        pytest.param(httpx.Response(503), id="503"),
        pytest.param(httpx.Response(504), id="504"),
    ],
)
async def test_a_passing_fault_is_tried_again_as_harmless(
    target: str, fault: httpx.Response | httpx.TransportError
) -> None:
    """An unanswered deletion is no doubt to be settled by a person: it is repeated."""
    fake = fake_of(target)
    fake.then("/", fault)
    waits = Waits()
    first = await carrier(target, fake, waits=waits).erase(
        platforms.DELETION, budget=BUDGET, now=NOW
    )
    assert first.outcome in ("ok", "accepted", "retry", "throttle")
    assert (await erase(target, fake)).outcome in ("ok", "accepted")
    assert "jane@example.com" not in fake.known()


async def test_adobe_finds_nobody_and_is_done() -> None:
    """One find, no deletion: there is nothing to delete."""
    fake = FakeAdobe({"email": "jane@example.com.example"})
    assert (await erase("adobe", fake)).outcome == "ok"
    assert [call.method for call in fake.calls] == ["POST", "GET"]


@pytest.mark.parametrize(
    "profiles",
    [
        pytest.param(2, id="two-of-one-address"),
        pytest.param(25, id="a-full-page"),
    ],
)
async def test_adobe_leaves_several_profiles_to_a_person(profiles: int) -> None:
    """An address is not documented as unique: a couple may share it."""
    fake = FakeAdobe(*[{"email": "jane@example.com"}] * profiles)
    assert (await erase("adobe", fake)).outcome == "park"
    assert len(fake.profiles) == profiles


async def test_adobe_looks_again_when_the_profile_went_in_between() -> None:
    """The link led nowhere any more; whatever has her address by now is deleted, or nothing is."""
    fake = FakeAdobe({"email": "jane@example.com"})
    fake.then("/profile/@pkey", httpx.Response(404))
    assert (await erase("adobe", fake)).outcome == "ok"
    assert fake.known() == set()


async def test_adobe_deletes_nothing_without_an_address() -> None:
    """By a phone number alone it finds nobody."""
    fake = FakeAdobe({"email": "jane@example.com"})
    verdict = await erase("adobe", fake, identifiers=person(phone="+33612345678"))
    assert verdict.outcome == "reject"
    assert fake.calls == []
