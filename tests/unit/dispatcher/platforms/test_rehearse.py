"""Requests shown instead of sent: whole, in order, and without a secret in them."""

import re

import pytest

from services.dispatcher.calls.calls import ActionCall, ProfilePush, Verdict
from services.dispatcher.platforms.preset import load_preset
from services.dispatcher.platforms.rehearse import HIDDEN, Marks, Shown
from services.dispatcher.targets.settings import TargetSettings
from services.dispatcher.targets.tryout import show
from shared.settings import Secrets
from tests.builders import platforms
from tests.builders.fakes import Case, cases
from tests.builders.fakes.adobe_campaign_standard import FakeAdobe
from tests.builders.platforms import NOW, person

CASES = cases()
JANE = person(email="jane@example.com", phone="+33612345678", external_id="C-1")
SHAPE = re.compile(r"marked-value-\d+-")


def settings(case: Case, **changes: object) -> TargetSettings:
    """Read a case's settings as the file's."""
    return TargetSettings.model_validate({"preset": case.preset, **case.settings, **changes})


def shown(case: Case, asked: ProfilePush | ActionCall) -> tuple[Shown, ...]:
    """Show what a case would send; no secret is set at all."""
    found = show(load_preset(case.preset), settings(case), Secrets({}), asked, NOW)
    assert not isinstance(found, Verdict), found
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)
def test_every_preset_can_be_shown_without_its_secrets(case: Case) -> None:
    """Each step is there with its method and address; nothing of how it was made is left."""
    preset = load_preset(case.preset)
    asked: list[ProfilePush | ActionCall] = []
    if case.pushing:
        asked.append(platforms.push(identifiers=JANE))
    if case.acting:
        asked.append(
            platforms.action(
                identifiers=JANE, channel=case.channel, contact_class=case.contact_class
            )
        )
    for one in asked:
        requests = shown(case, one)
        operation = preset.push_profile if isinstance(one, ProfilePush) else preset.act
        assert operation is not None
        steps = [request.step for request in requests if request.step != "sign-in"]
        assert steps == [step.id for step in operation.steps]
        assert all(request.reached for request in requests)
        assert all(request.url or request.why.startswith("passed over") for request in requests)
        assert not SHAPE.search(repr(requests))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.environ], ids=lambda case: case.preset
)
def test_no_secret_is_shown_even_where_it_is_set(case: Case) -> None:
    """Not by itself, not encoded, not in an address."""
    asked: ProfilePush | ActionCall = platforms.push(identifiers=JANE)
    if case.acting:
        asked = platforms.action(
            identifiers=JANE, channel=case.channel, contact_class=case.contact_class
        )
    found = show(load_preset(case.preset), settings(case), Secrets(dict(case.environ)), asked, NOW)
    secret = [name for name, var in load_preset(case.preset).vars.items() if var.secret]
    given = settings(case).vars
    values = [case.environ[given[name].removeprefix("env:")] for name in secret if name in given]
    assert values
    assert not any(value in repr(found) for value in values)
    assert HIDDEN in repr(found)


def test_what_comes_with_an_answer_is_named() -> None:
    """A token, a link: where it is taken from stands in its place."""
    adobe = {
        "vars": {"org": "example", "client_id": "env:NPS_A", "client_secret": "env:NPS_B"},
        "attributes": {"nps_score": "cusNpsScore"},
    }
    case = Case(preset="adobe_campaign_standard", settings=adobe, environ={}, fake=FakeAdobe)
    sign_in, find, create, update = shown(case, platforms.push(identifiers=JANE))

    assert sign_in.body.startswith(
        "grant_type=client_credentials&client_id=••••&client_secret=••••"
    )
    assert ("Authorization", "Bearer <token, from sign-in>") in find.headers
    assert create.reached == "after find, if it finds nobody"
    assert (update.method, update.url) == ("PATCH", "<profile, from find: $.href>")
    assert update.body == '{"cusNpsScore":3}'


def test_what_she_lacks_ends_it() -> None:
    """The reason is that of a real push."""
    case = next(case for case in CASES if case.preset == "brevo")
    (only,) = shown(case, platforms.push(identifiers=person(phone="+33612345678")))

    assert "has no email" in only.why


def test_a_mark_survives_every_encoding_and_is_whole() -> None:
    """The tenth is not taken for the first and a nought."""
    marks = Marks()
    made = [marks.add(f"shown {number}") for number in range(12)]

    assert marks.show(" ".join(made)) == " ".join(f"shown {number}" for number in range(12))
    assert all(re.fullmatch("[a-z0-9-]+", mark) for mark in made)
