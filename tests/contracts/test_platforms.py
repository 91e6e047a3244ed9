"""What every preset promises, against a fake of its platform that misbehaves on demand."""

import json
from datetime import timedelta

import httpx
import pytest

from services.dispatcher.calls import Verdict
from tests.builders import platforms
from tests.builders.platforms import (
    NOW,
    TARGETS,
    Fake,
    FakeAdobe,
    FakeReceiver,
    Waits,
    carrier,
    fake_for,
    person,
)

BUDGET = timedelta(seconds=20)
every_target = pytest.mark.parametrize("target", TARGETS)
#: Where the call with the effect goes, as a part of its path.
TRIGGER = {"sandbox": "/actions", "sandbox_unkeyed": "/actions", "webhook": "/nps", "adobe": "/EVT"}
UNKEYED = ("sandbox_unkeyed", "adobe")


async def act(target: str, fake: Fake, waits: Waits | None = None, **changes: object) -> Verdict:
    """Perform the standard action."""
    return await carrier(target, fake, waits=waits).act(
        platforms.action(**changes), budget=BUDGET, now=NOW
    )


async def push(target: str, fake: Fake, waits: Waits | None = None, **changes: object) -> Verdict:
    """Push the standard profile."""
    return await carrier(target, fake, waits=waits).push_profile(
        platforms.push(**changes), budget=BUDGET, now=NOW
    )


@every_target
async def test_a_push_and_an_action_take_effect_once(target: str) -> None:
    """The plain path: a push is `ok`, an action `accepted`."""
    fake = fake_for(target)
    assert (await push(target, fake)).outcome == "ok"
    assert (await act(target, fake)).outcome == "accepted"
    assert fake.effects == 1


@every_target
async def test_consent_is_the_same_before_and_after(target: str) -> None:
    """No operation changes what the platform knows of anybody's consent."""
    fake = fake_for(target)
    if isinstance(fake, FakeAdobe):
        fake.add({"email": "joe@example.com", "blackList": True, "blackListEmail": True})
    joe = person(email="joe@example.com")
    before = fake.consent()
    for identifiers in (platforms.JANE, joe):
        await push(target, fake, identifiers=identifiers)
        await act(target, fake, identifiers=identifiers)
    assert fake.consent() == before


@every_target
async def test_a_push_is_repeated_quickly_after_a_passing_fault(target: str) -> None:
    """Two quick repeats, with short random waits; a push does no harm twice."""
    fake = fake_for(target)
    waits = Waits()
    fault = httpx.Response(503), httpx.ReadError("the connection broke")
    fake.then("/", *((httpx.Response(503),) if target == "adobe" else fault))
    assert (await push(target, fake, waits)).outcome == "ok"
    assert waits.seconds
    assert all(0.2 <= seconds <= 1 for seconds in waits.seconds)


@every_target
async def test_a_platform_that_stays_away_is_left_to_the_row(target: str) -> None:
    """After two quick repeats the verdict is `retry`; long waits are rows."""
    fake = fake_for(target)
    waits = Waits()
    fake.then("/", *[httpx.Response(503)] * 9)
    verdict = await push(target, fake, waits)
    assert verdict.outcome == "retry"
    assert "503" in verdict.reason
    assert len(waits.seconds) == 2


@every_target
async def test_a_named_wait_is_passed_on_and_not_slept(target: str) -> None:
    """429 with `Retry-After` ends the call at once."""
    fake = fake_for(target)
    waits = Waits()
    fake.then(TRIGGER[target], httpx.Response(429, headers={"Retry-After": "30"}))
    verdict = await act(target, fake, waits)
    assert (verdict.outcome, verdict.wait) == ("throttle", timedelta(seconds=30))
    assert waits.seconds == []
    assert fake.effects == 0


@every_target
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(httpx.ReadTimeout("no answer in time"), id="hang"),
        pytest.param(httpx.ReadError("the connection broke"), id="reset"),
        pytest.param(httpx.RemoteProtocolError("nonsense"), id="nonsense"),
    ],
)
async def test_an_unanswered_action_is_in_doubt_only_without_a_key(
    target: str, fault: httpx.TransportError
) -> None:
    """Bytes left: a keyed action is repeated, one without a key is left to a person."""
    fake = fake_for(target)
    fake.then(TRIGGER[target], fault)
    verdict = await act(target, fake)
    calls = [call for call in fake.calls if TRIGGER[target] in call.url.path]
    if target in UNKEYED:
        assert verdict.outcome == "in_doubt"
        assert len(calls) == 1
    else:
        assert verdict.outcome == "accepted"
        assert len(calls) == 2


@every_target
@pytest.mark.parametrize("status", [502, 504])
async def test_an_action_that_a_gateway_lost_is_in_doubt_only_without_a_key(
    target: str, status: int
) -> None:
    """The gateway passed it on and heard nothing: as good as no answer at all."""
    fake = fake_for(target)
    fake.then(TRIGGER[target], httpx.Response(status))
    verdict = await act(target, fake)
    calls = [call for call in fake.calls if TRIGGER[target] in call.url.path]
    if target in UNKEYED:
        assert (verdict.outcome, len(calls)) == ("in_doubt", 1)
    else:
        assert (verdict.outcome, len(calls)) == ("accepted", 2)


@every_target
@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff", b"[1]", b'{"href": ["x"]}'])
async def test_a_success_that_cannot_be_read_is_still_a_success(target: str, answer: bytes) -> None:
    """The platform took it; an answer without sense is no reason to do it again."""
    fake = fake_for(target)
    fake.then(TRIGGER[target], httpx.Response(200, content=answer))
    assert (await act(target, fake)).outcome == "accepted"
    assert len([call for call in fake.calls if TRIGGER[target] in call.url.path]) == 1


@every_target
async def test_an_action_that_never_left_is_repeated_everywhere(target: str) -> None:
    """No connection, no effect: even without a key the next attempt is safe."""
    fake = fake_for(target)
    fake.then(TRIGGER[target], httpx.ConnectError("no connection"))
    assert (await act(target, fake)).outcome == "accepted"
    assert fake.effects == 1


@every_target
async def test_every_attempt_sends_the_same_delivery_id(target: str) -> None:
    """Whatever carries it (header, body, context): the platform can tell a repeat."""
    fake = fake_for(target)
    fake.then(TRIGGER[target], httpx.ConnectError("no connection"))
    await act(target, fake)
    calls = [call for call in fake.calls if TRIGGER[target] in call.url.path]
    assert len(calls) == 2
    assert all(str(platforms.DELIVERY).encode() in call.content for call in calls)


HOSTILE = [
    pytest.param('"}],"blackList":true,"x":"', id="json"),
    pytest.param("{{client_secret}} {{secret}} {{account}}", id="template"),
    pytest.param("a\r\nX-Api-Key: mine\r\n\r\nGET / HTTP/1.1", id="header"),
    pytest.param("</ctx><script>alert(1)</script>", id="markup"),
    pytest.param("PGS-220000 duplicate key {0} %s ${x} \x00 \u202e", id="codes"),
]


@every_target
@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_value_stays_a_value(target: str, hostile: str) -> None:
    """What a customer wrote arrives as she wrote it, in its place, and moves nothing else."""
    fake = fake_for(target)
    plain = fake_for(target)
    attributes = {"first_name": hostile, "nps_theme": hostile, "nps_segment": hostile}
    for one, said in ((fake, hostile), (plain, "plain")):
        given = dict.fromkeys(attributes, said)
        await push(target, one, attributes=given)
        await act(target, one, attributes=given, context={"signed_by": said})
    assert len(fake.calls) == len(plain.calls)
    for call, like in zip(fake.calls, plain.calls, strict=True):
        assert (call.method, call.url) == (like.method, like.url)
        assert call.headers.keys() == like.headers.keys()
        if call.headers["Content-Type"].startswith("application/json") and call.content:
            as_plain = json.dumps(json.loads(call.content)).replace(
                json.dumps(hostile)[1:-1], "plain"
            )
            assert json.loads(as_plain) == json.loads(like.content)
    assert platforms.ENVIRON["NPS_SECRET_ADOBE"].encode() not in b"".join(
        call.content for call in fake.calls if "ims" not in call.url.host
    )


@every_target
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("a&b=c+d@example.com", id="query syntax"),
        pytest.param("../../x%2f#?@example.com", id="path syntax"),
        pytest.param("{{client_secret}}@example.com", id="template"),
        pytest.param("zoé@example.com", id="not ascii"),
    ],
)
async def test_a_hostile_address_reaches_only_its_own_profile(target: str, address: str) -> None:
    """An address with the syntax of URLs in it is found and written under exactly that address."""
    fake = fake_for(target)
    consent = fake.consent()
    assert (await push(target, fake, identifiers=person(email=address))).outcome == "ok"
    assert isinstance(fake, FakeAdobe | FakeReceiver)
    profiles = fake.profiles.values() if isinstance(fake, FakeAdobe) else fake.profiles
    assert address in [p["email"] if isinstance(p, dict) else p for p in profiles]
    jane = next(iter(fake.profiles.values()))
    assert not any("nps" in name.lower() for name in jane)
    # A new profile may follow; those that were there are as they were.
    after = fake.consent()
    assert (after[: len(consent)] if isinstance(consent, list) else after) == consent


@every_target
async def test_no_reason_repeats_what_the_platform_said(target: str) -> None:
    """Error texts quote customers; reasons are stored and shown."""
    fake = fake_for(target)
    said = "jane@example.com: 'Jane' is refused, XTK-170036 attribute unknown"
    fake.then("/", *[httpx.Response(500, text=said)] * 5)
    verdict = await push(target, fake)
    assert "jane" not in verdict.reason.lower()
    assert verdict.outcome in ("retry", "reject")
