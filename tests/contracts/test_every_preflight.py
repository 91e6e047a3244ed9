"""Each preset's preflight against its platform's documented answers, right and wrong.

The answers are in `tests/builders/looks`, one module per platform; `NPS_WRITE_GOLDEN=1` writes the
golden bytes of calls.
"""

import os

import httpx
import pytest

from services.dispatcher.platforms.preset import load_preset, preset_names
from services.dispatcher.targets.preflight import look as looked
from services.dispatcher.targets.settings import TargetSettings
from services.dispatcher.targets.targets import Target
from tests.builders.looks import Look, Looking, Told, Wrong, carrier, case_of, looks
from tests.contracts.test_platforms_golden import GOLDEN, compare, written

#: Whose looks have tests of their own, from before there were many (`test_findings`,
#: `test_dispatcher_preflight`).
APART = {"adobe_campaign_standard", "brevo", "listmonk", "zendesk"}
#: Platforms that can be asked nothing; each file says why.
MUTE = {"dittofeed", "sandbox", "slack", "teams", "webhook"}

LOOKS = looks()
every = pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.preset)


async def findings(look: Look, platform: Looking) -> list[Told]:
    """Look, and tell what was found."""
    settings = TargetSettings.model_validate({"preset": look.preset, **case_of(look).settings})
    preset = load_preset(look.preset)
    target = Target(look.preset, preset, settings, carrier(look, platform), 1)
    return [(one.reason, one.what) for one in (await looked(target)).findings]


def platform_of(look: Look) -> Looking:
    """Make a platform where all is there."""
    return Looking(case_of(look).fake(), look.there)


def test_every_preset_looks_or_says_why_not() -> None:
    """A new preset without a look fails here."""
    assert {look.preset for look in LOOKS} | APART | MUTE == set(preset_names())
    for name in preset_names():
        assert bool(load_preset(name).preflight) is (name not in MUTE), name


@every
async def test_where_all_is_there_nothing_is_found(look: Look) -> None:
    """Every call only reads, and goes out as documented."""
    platform = platform_of(look)
    assert await findings(look, platform) == []
    assert [call.method for call in platform.calls] == ["GET"] * len(look.there)
    for number, call in enumerate(platform.calls, 1):
        name = f"{look.preset}-look-{number}"
        if os.environ.get("NPS_WRITE_GOLDEN"):
            (GOLDEN / f"{name}.http").write_bytes(written(call))
        compare(name, call)


WRONGS = [
    pytest.param(look, wrong, id=f"{look.preset}: {wrong.id}")
    for look in LOOKS
    for wrong in look.wrong
]


@pytest.mark.parametrize(("look", "wrong"), WRONGS)
async def test_what_is_wrong_is_named(look: Look, wrong: Wrong) -> None:
    """A field, its type, a value, a template or an event: as its platform describes it."""
    platform = platform_of(look)
    wrong.change(platform.there)
    assert await findings(look, platform) == list(wrong.told)


@every
async def test_a_refused_account_ends_the_look(look: Look) -> None:
    """It is told as such, once: the lane waits for the same reason."""
    platform = platform_of(look)
    platform.there = dict.fromkeys(platform.there, look.refused)
    found = await findings(look, platform)
    assert [reason for reason, _ in found] == ["credentials"]
    assert {call.url.path for call in platform.calls} == {next(iter(look.there))}


@every
async def test_an_answer_of_another_shape_is_no_finding_of_fields(look: Look) -> None:
    """What cannot be read says nothing about what is there; a stranger's page is no account."""
    platform = platform_of(look)
    platform.there = dict.fromkeys(platform.there, httpx.Response(200, json={"odd": 1}))
    found = {reason for reason, _ in await findings(look, platform)}
    assert found
    assert found <= {"unreadable", "credentials", "unreachable"}
