"""The carrier: tokens shared, repeats quick and harmless, an end within the budget."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from services.dispatcher.calls.calls import Carrier
from services.dispatcher.platforms.carrier import PlatformCarrier
from tests.builders import platforms
from tests.builders.fakes.adobe_campaign_standard import FakeAdobe
from tests.builders.fakes.webhook import FakeReceiver
from tests.builders.platforms import NOW, Waits, carrier

BUDGET = timedelta(seconds=20)


def as_port(target: PlatformCarrier) -> Carrier:
    """Hold the carrier to its port (checked by the type checker)."""
    return target


async def test_one_token_serves_all_calls() -> None:
    """Ten concurrent pushes, one sign-in."""
    fake = FakeAdobe({"email": "jane@example.com"})
    target = as_port(carrier("adobe", fake))
    verdicts = await asyncio.gather(
        *(target.push_profile(platforms.PUSH, budget=BUDGET, now=NOW) for _ in range(10))
    )
    assert {v.outcome for v in verdicts} == {"ok"}
    assert fake.tokens == 1


async def test_an_expired_token_is_renewed_once_and_the_call_goes_on() -> None:
    """The platform says 401; the same call succeeds with the next token."""
    fake = FakeAdobe({"email": "jane@example.com"})
    target = carrier("adobe", fake)
    await target.push_profile(platforms.PUSH, budget=BUDGET, now=NOW)
    fake.tokens += 1  # the platform has forgotten the first
    assert (await target.act(platforms.ACTION, budget=BUDGET, now=NOW)).outcome == "accepted"
    assert fake.tokens == 3
    assert fake.effects == 1


async def test_a_credential_refused_again_stops_the_target() -> None:
    """One renewal, no loop."""
    fake = FakeAdobe({"email": "jane@example.com"})
    fake.then("/byEmail", *[httpx.Response(401, json={"error_code": "401013"})] * 9)
    verdict = await carrier("adobe", fake).push_profile(platforms.PUSH, budget=BUDGET, now=NOW)
    assert verdict.outcome == "disable_target"
    assert fake.tokens == 2


@pytest.mark.parametrize("target", ["sandbox", "webhook"])
async def test_a_keyed_action_is_repeated_under_the_same_key(target: str) -> None:
    """The first attempt took effect and its answer was lost: one effect all the same."""

    class LosesAnswers(FakeReceiver):
        def handle(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle(request)
            if len(self.calls) == 1:
                raise httpx.ReadError("the connection broke")
            return answer

    fake = LosesAnswers()
    verdict = await carrier(target, fake).act(platforms.ACTION, budget=BUDGET, now=NOW)
    assert verdict.outcome == "accepted"
    assert (len(fake.calls), fake.effects) == (2, 1)


@pytest.mark.parametrize(
    ("later", "then"),
    [
        pytest.param([httpx.Response(503)] * 2, "HTTP 503", id="still away"),
        pytest.param([httpx.Response(404)], "HTTP 404", id="refused"),
        pytest.param(
            [httpx.Response(307)],
            "HTTP 307: the platform redirects: correct the target's URL",
            id="led away",
        ),
        pytest.param([httpx.Response(401)], "HTTP 401", id="account refused"),
    ],
)
async def test_doubt_outlives_what_came_later(later: list[httpx.Response], then: str) -> None:
    """Unanswered, then refused: the first attempt may have done it, so its slot is kept."""
    fake = FakeReceiver()
    fake.then("/actions", httpx.ReadError("broken"), *later)
    verdict = await carrier("sandbox", fake).act(platforms.ACTION, budget=BUDGET, now=NOW)
    assert (verdict.outcome, verdict.reason) == (
        "in_doubt",
        f"sent, but not answered: broken; then {then}",
    )


async def test_no_action_leaves_once_its_deadline_has_come() -> None:
    """Signing in and looking for consent took too long: the message would be wrong by now."""
    fake = FakeAdobe()
    late = carrier("adobe", fake, clock=lambda: platforms.ACTION.deadline)
    verdict = await late.act(platforms.ACTION, budget=BUDGET, now=NOW)

    assert (verdict.outcome, verdict.reason) == ("retry", "the deadline came before the call")
    assert fake.events == []


async def test_an_unkeyed_action_that_was_answered_is_not_repeated_quickly() -> None:
    """503 after bytes left: the row may come back, the call does not."""
    fake = FakeReceiver()
    fake.then("/actions", httpx.Response(503))
    waits = Waits()
    verdict = await carrier("sandbox_unkeyed", fake, waits=waits).act(
        platforms.ACTION, budget=BUDGET, now=NOW
    )
    assert verdict.outcome == "retry"
    assert (len(fake.calls), waits.seconds) == (1, [])


async def test_no_repeat_is_begun_that_the_budget_does_not_hold() -> None:
    """The claim's lease is longer than the budget, and the budget is kept."""
    fake = FakeReceiver()
    fake.then("/profiles", *[httpx.Response(503)] * 9)
    waits = Waits()
    verdict = await carrier("sandbox", fake, waits=waits).push_profile(
        platforms.PUSH, budget=timedelta(seconds=1), now=NOW
    )
    assert verdict.outcome == "retry"
    assert waits.seconds == []


async def test_without_time_nothing_is_sent() -> None:
    """An exhausted budget is told, not used."""
    fake = FakeReceiver()
    verdict = await carrier("sandbox_unkeyed", fake).act(
        platforms.ACTION, budget=timedelta(0), now=NOW
    )
    assert verdict.outcome == "retry"
    assert fake.calls == []


class Silent(httpx.AsyncBaseTransport):
    """A transport that never answers and keeps no time of its own."""

    def __init__(self) -> None:
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError(f"{request.method} was answered")

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("target", "outcome"),
    [("sandbox", "in_doubt"), ("sandbox_unkeyed", "in_doubt"), ("adobe", "retry")],
)
async def test_silence_ends_within_the_budget(target: str, outcome: str) -> None:
    """In doubt only where the effect's own request was out: a silent sign-in did nothing."""
    transport = Silent()
    lane = carrier(target, transport)
    verdict = await lane.act(platforms.ACTION, budget=timedelta(milliseconds=200), now=NOW)
    assert verdict.outcome == outcome
    await lane.close()
    assert transport.closed


async def test_each_attempt_of_a_webhook_is_signed_at_its_own_time() -> None:
    """Receivers refuse old timestamps; the id stays, the signature is fresh."""
    fake = FakeReceiver()
    fake.then("/nps", httpx.Response(500))
    lane = carrier("webhook", fake, clock=lambda: NOW + timedelta(seconds=len(fake.calls)))
    await lane.act(platforms.ACTION, budget=BUDGET, now=NOW)
    first, second = fake.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(platforms.DELIVERY)
    stamps = [int(c.headers["webhook-timestamp"]) for c in (first, second)]
    assert stamps[1] - stamps[0] == 1
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert first.content == second.content
