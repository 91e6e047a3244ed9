"""Shipped targets beside the suite of all presets: doubt, with a key and without."""

import json
from datetime import timedelta

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from tests.builders import platforms
from tests.builders.fakes import fake_of
from tests.builders.platforms import NOW, TARGETS, Fake, Waits, carrier

BUDGET = timedelta(seconds=20)
every_target = pytest.mark.parametrize("target", TARGETS)
#: Where the call with the effect goes, as a part of its path.
TRIGGER = {"sandbox": "/actions", "sandbox_unkeyed": "/actions", "webhook": "/nps", "adobe": "/EVT"}
UNKEYED = ("sandbox_unkeyed", "adobe")


async def act(target: str, fake: Fake, **changes: object) -> Verdict:
    """Perform the standard action."""
    return await carrier(target, fake, waits=Waits()).act(
        platforms.action(**changes), budget=BUDGET, now=NOW
    )


def triggers(target: str, fake: Fake) -> list[httpx.Request]:
    """List the calls with an effect."""
    return [call for call in fake.calls if TRIGGER[target] in call.url.path]


@every_target
@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(httpx.ReadTimeout("no answer in time"), id="no answer"),
        pytest.param(httpx.Response(502), id="502"),
        pytest.param(httpx.Response(504), id="504"),
    ],
)
async def test_an_action_that_was_lost_is_in_doubt_only_without_a_key(
    target: str, lost: httpx.Response | httpx.TransportError
) -> None:
    """A gateway that passed it on and heard nothing is as good as no answer at all.

    A target may say that its account recognises no key, whatever the preset says.
    """
    fake = fake_of(target)
    fake.then(TRIGGER[target], lost)
    verdict = await act(target, fake)
    expected = ("in_doubt", 1) if target in UNKEYED else ("accepted", 2)
    assert (verdict.outcome, len(triggers(target, fake))) == expected


@every_target
@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff", b"[1]", b'{"href": ["x"]}'])
async def test_a_success_that_cannot_be_read_is_still_a_success(target: str, answer: bytes) -> None:
    """The platform took it; an answer without sense is no reason to do it again."""
    fake = fake_of(target)
    fake.then(TRIGGER[target], httpx.Response(200, content=answer))
    assert (await act(target, fake)).outcome == "accepted"
    assert len(triggers(target, fake)) == 1


@every_target
async def test_a_nul_stays_in_its_value(target: str) -> None:
    """JSON can say NUL; whether the platform keeps it is its own business."""
    fake = fake_of(target)
    said = "a\x00b"
    assert (await act(target, fake, context={"signed_by": said})).outcome == "accepted"
    (call,) = triggers(target, fake)
    body = json.loads(call.content)
    context = body["ctx"] if target == "adobe" else body.get("data", body)["context"]
    assert context["signed_by"] == said
