"""A target in shadow: every preset writes its requests, and there is nothing that could send."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.dispatcher.calls.calls import SHADOWED, Verdict
from services.dispatcher.platforms.shadow import ShadowCarrier
from services.dispatcher.targets.settings import (
    TargetSettings,
    check,
    idempotency,
    make_account,
    names_of,
)
from services.dispatcher.targets.targets import open_targets
from shared.settings import Secrets
from tests.builders import platforms
from tests.builders.fakes import Case, cases
from tests.builders.lists import files, list_carrier
from tests.builders.mail_server import mail_carrier
from tests.builders.platforms import NOW, person

BUDGET = timedelta(seconds=20)
CASES = [case for case in cases() if case.acting]
JANE = person(email="jane@example.com", phone="+33612345678", external_id="C-1")


def shadow_of(case: Case) -> ShadowCarrier:
    """The target of a case, rehearsed."""
    settings = TargetSettings.model_validate(
        {"preset": case.preset, **case.settings, "shadow": True}
    )
    preset = check(settings)
    account = make_account(preset, settings, Secrets(case.environ))
    return ShadowCarrier(
        case.preset, account, names_of(preset, settings), idempotency(preset, settings)
    )


async def act(case: Case, **changes: Any) -> Verdict:
    said = {
        "identifiers": JANE,
        "channel": case.channel,
        "contact_class": case.contact_class,
        **changes,
    }
    return await shadow_of(case).act(platforms.action(**said), budget=BUDGET, now=NOW)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)
async def test_an_action_of_every_preset_is_written_and_not_sent(case: Case) -> None:
    """Whatever the platform: would have been sent, with no reference that nobody gave."""
    assert await act(case) == SHADOWED


@pytest.mark.parametrize(
    "case", [case for case in cases() if case.pushing], ids=lambda case: case.preset
)
async def test_a_push_of_every_preset_is_written_and_not_sent(case: Case) -> None:
    """Profiles likewise."""
    push = platforms.push(identifiers=JANE)
    verdict = await shadow_of(case).push_profile(push, budget=BUDGET, now=NOW)
    assert verdict.outcome == "shadow"


async def test_what_the_target_could_not_do_is_refused_in_shadow_too() -> None:
    """Nobody's address, an event that is not mapped: found before the platform is ever asked."""
    brevo = next(case for case in CASES if case.preset == "brevo")
    unknown = await act(brevo, identifiers=())
    assert (unknown.outcome, "the customer has no" in unknown.reason) == ("reject", True)


async def test_mail_is_written_and_no_server_is_dialled() -> None:
    """Nobody listens on that port: it would be told. A template that is missing is told, too."""
    call = replace(
        platforms.ACTION, template="HI", attributes={"called_by": "Jane", "note": "All is well."}
    )
    mail = mail_carrier(1, shadow=True)
    assert (await mail.act(call, budget=BUDGET, now=NOW)) == SHADOWED
    missing = replace(call, template="NONE")
    assert (await mail.act(missing, budget=BUDGET, now=NOW)).outcome == "park"


async def test_a_list_in_shadow_gets_no_row(tmp_path: Path) -> None:
    """Who works it off calls nobody for a rehearsal."""
    calls = list_carrier(tmp_path, shadow=True)
    call = platforms.action(identifiers=JANE, channel="call", contact_class="asked_for")
    assert (await calls.act(call, budget=BUDGET, now=NOW)) == SHADOWED
    assert files(tmp_path) == {}


async def test_a_deletion_is_not_sent_and_left_open() -> None:
    """It is asked again, until shadow ends or a person does it."""
    verdict = await shadow_of(CASES[0]).erase(platforms.deletion(), budget=BUDGET, now=NOW)
    assert verdict.outcome == "park"


async def test_a_target_marked_shadow_is_opened_without_a_way_out(tmp_path: Path) -> None:
    """`shadow: true` is all that it takes."""
    path = tmp_path / "targets.yaml"
    path.write_text(
        "targets:\n  new_tool:\n    preset: sandbox\n    shadow: true\n    allow_http: true\n"
        "    allow_private: true\n    vars: {url: 'http://127.0.0.1:1/sandbox', account: main}\n",
        encoding="utf-8",
    )
    targets = await open_targets(path, Secrets({}), clock=lambda: NOW)
    try:
        assert isinstance(targets["new_tool"].carrier, ShadowCarrier)
        assert not hasattr(targets["new_tool"].carrier, "_transport")
    finally:
        await targets.close()
