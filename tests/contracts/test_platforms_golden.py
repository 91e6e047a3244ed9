"""The exact bytes of what the shipped targets ask beside the calls of the suite of all presets."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.platforms.carrier import PlatformCarrier
from tests.builders import platforms
from tests.builders.fakes.adobe_campaign_standard import FakeAdobe
from tests.builders.fakes.webhook import FakeReceiver
from tests.builders.platforms import NOW, carrier

GOLDEN = Path(__file__).parent / "platforms"
BUDGET = timedelta(seconds=20)


def written(request: httpx.Request) -> bytes:
    """Put a request down as it leaves."""
    lines = [f"{request.method} {request.url}".encode()]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\n".join([*lines, b"", request.content]) + b"\n"


def compare(name: str, request: httpx.Request) -> None:
    """Compare with the golden file of that name."""
    assert written(request) == (GOLDEN / f"{name}.http").read_bytes(), name


async def test_adobe_creates_a_profile_that_is_not_there() -> None:
    """Token, find, create: three calls, each as documented."""
    fake = FakeAdobe()
    target = carrier("adobe", fake)
    assert await target.push_profile(platforms.PUSH, budget=BUDGET, now=NOW) == Verdict(
        "ok", "HTTP 201"
    )
    token, find, create = fake.calls
    compare("adobe_campaign_standard-push-1", token)
    compare("adobe_campaign_standard-push-2", find)
    compare("adobe-create", create)


async def test_adobe_patches_the_profile_it_finds() -> None:
    """Only the mapped fields are in the PATCH, which goes to the link that the find returned."""
    fake = FakeAdobe({"email": "jane@example.com"})
    target = carrier("adobe", fake)
    await target.push_profile(platforms.PUSH, budget=BUDGET, now=NOW)
    compare("adobe-patch", fake.calls[-1])


async def test_adobe_triggers_an_event_by_email() -> None:
    """The event carries expiration, delivery id and the message's context, as texts."""
    fake = FakeAdobe({"email": "jane@example.com"})
    target = carrier("adobe", fake)
    verdict = await target.act(platforms.ACTION, budget=BUDGET, now=NOW)
    assert verdict.shown is not None
    assert replace(verdict, shown=None) == Verdict(
        "accepted", "HTTP 200", reference="mcexample-mkt-stage/EVTnpsReassurance/@evt-1"
    )
    compare("adobe_campaign_standard-act-3", fake.calls[-1])


async def test_adobe_triggers_an_event_by_sms() -> None:
    """An SMS goes to `mobilePhone`, and no e-mail address is in the event."""
    fake = FakeAdobe({"email": "jane@example.com"})
    target = carrier("adobe", fake)
    await target.act(platforms.action(channel="sms"), budget=BUDGET, now=NOW)
    compare("adobe-event-sms", fake.calls[-1])


async def test_adobe_deletes_the_profile_it_finds() -> None:
    """By the address, then the link that the find returned; nothing of hers is in a body."""
    fake = FakeAdobe({"email": "jane@example.com"}, {"email": "joe@example.com"})
    target = carrier("adobe", fake)
    verdict = await target.erase(platforms.DELETION, budget=BUDGET, now=NOW)
    assert verdict == Verdict("ok", "HTTP 200")
    token, find, delete = fake.calls
    compare("adobe_campaign_standard-push-1", token)
    compare("adobe_campaign_standard-push-2", find)
    compare("adobe-delete", delete)
    assert fake.known() == {"joe@example.com"}


Doing = Callable[[PlatformCarrier], Awaitable[Verdict]]


async def act(target: PlatformCarrier) -> Verdict:
    return await target.act(platforms.ACTION, budget=BUDGET, now=NOW)


async def erase(target: PlatformCarrier) -> Verdict:
    return await target.erase(platforms.DELETION, budget=BUDGET, now=NOW)


@pytest.mark.parametrize(
    ("target", "doing", "golden"),
    [
        pytest.param("sandbox_unkeyed", act, "sandbox-action-unkeyed", id="sandbox-unkeyed"),
        pytest.param("sandbox", erase, "sandbox-erasure", id="sandbox-erasure"),
        pytest.param("webhook", erase, "webhook-erasure", id="webhook-erasure"),
    ],
)
async def test_one_call_platforms_write_exactly_this(
    target: str, doing: Doing, golden: str
) -> None:
    """One call, to the byte, signature and key included."""
    fake = FakeReceiver()
    verdict = await doing(carrier(target, fake))
    assert verdict.outcome in ("ok", "accepted")
    assert len(fake.calls) == 1
    compare(golden, fake.calls[0])
