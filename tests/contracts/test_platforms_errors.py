"""What Campaign Standard's errors become: permanent ones arrive as 500, told by their text."""

from datetime import timedelta

import httpx
import pytest

from services.dispatcher.calls.calls import Outcome
from tests.builders import platforms
from tests.builders.fakes.adobe_campaign_standard import FakeAdobe
from tests.builders.platforms import NOW, Waits, carrier

BUDGET = timedelta(seconds=20)
OOPS = "Oops. Something went wrong. Check your URI and try again."


def answer(status: int, *, text: str = "", code: str = "", **headers: str) -> httpx.Response:
    """Make an error as the gateway (JSON with a code) or the application (text) tells it."""
    if code:
        return httpx.Response(status, json={"error_code": code, "message": "no"}, headers=headers)
    return httpx.Response(status, text=text, headers=headers)


REFUSED = "a field or value is refused"
UNHEARD = "the gateway had no answer from the instance"
ERRORS = [
    # answer, what it makes of an event, with the reason; and of a profile's PATCH, if other
    pytest.param(
        answer(500, text="'x1' attribute unknown (see 'Profiles'). XTK-170036 Unable to parse."),
        ("reject", f"HTTP 500: XTK-170036: {REFUSED}"),
        "reject",
        id="unknown attribute or bad PKey",
    ),
    pytest.param(
        answer(500, text="RST-360011 An error has occurred. The value 'x' is not valid for the"),
        ("reject", f"HTTP 500: RST-360011: {REFUSED}"),
        "reject",
        id="bad enumeration value",
    ),
    pytest.param(
        answer(500, text="RST-360011 'nope' parameter isn't defined. XTK-170006 Unable to parse"),
        ("reject", f"HTTP 500: RST-360011: {REFUSED}"),
        "reject",
        id="undeclared event field",
    ),
    pytest.param(
        answer(500, text="The 'cusNope' attribute unknown"),
        ("reject", f"HTTP 500: {REFUSED}"),
        "reject",
        id="unknown attribute without a code",
    ),
    pytest.param(
        answer(500, text="exists. PGS-220000 PostgreSQL error: duplicate key value violates"),
        ("reject", "HTTP 500: PGS-220000: it exists already"),
        "reject",
        id="duplicate where nothing was created",
    ),
    pytest.param(
        answer(500, text="PGS-220001 PostgreSQL error: value too long"),
        ("reject", f"HTTP 500: PGS-220001: {REFUSED}"),
        "reject",
        id="another database refusal",
    ),
    pytest.param(
        answer(500, text="PGS-" + "2" * 5000),
        ("reject", f"HTTP 500: PGS-22222222: {REFUSED}"),
        "reject",
        id="a code without end",
    ),
    pytest.param(
        answer(500, text=f'{{"code":500,"message":"{OOPS}"}}'),
        ("retry", "HTTP 500: the gateway does not reach the instance"),
        "retry",
        id="oops 500",
    ),
    pytest.param(
        answer(502, text=f'{{"code":502,"message":"{OOPS}"}}'),
        ("retry", "HTTP 502: the gateway does not reach the instance"),
        "retry",
        id="oops 502",
    ),
    pytest.param(
        answer(500, text="An error has occurred"),
        ("retry", "HTTP 500: the instance failed"),
        "retry",
        id="bare 500",
    ),
    pytest.param(answer(500), ("retry", "HTTP 500: the instance failed"), "retry", id="empty 500"),
    pytest.param(
        answer(503), ("retry", "HTTP 503: the instance takes no requests now"), "retry", id="503"
    ),
    pytest.param(answer(502), ("in_doubt", f"HTTP 502: {UNHEARD}"), "retry", id="502"),
    pytest.param(answer(504), ("in_doubt", f"HTTP 504: {UNHEARD}"), "retry", id="504"),
    pytest.param(
        answer(429, code="429050"),
        ("throttle", "HTTP 429: the gateway asks to slow down"),
        "throttle",
        id="429",
    ),
    pytest.param(
        answer(403, code="403023"),
        ("disable_target", "HTTP 403: the credential lacks the product profile"),
        "disable_target",
        id="product profile missing",
    ),
    pytest.param(
        answer(403, text="<html>"),
        ("disable_target", "HTTP 403: the credential may not do this"),
        "disable_target",
        id="403",
    ),
    pytest.param(answer(400), ("reject", "HTTP 400"), "reject", id="400"),
    pytest.param(answer(404), ("reject", "HTTP 404"), "park", id="404"),
    pytest.param(
        answer(302, Location="https://elsewhere.example"),
        ("park", "HTTP 302: the platform redirects: correct the target's URL"),
        "park",
        id="redirect",
    ),
]


@pytest.mark.parametrize(("error", "expected", "_of_a_patch"), ERRORS)
async def test_an_error_of_the_event_call_becomes(
    error: httpx.Response, expected: tuple[Outcome, str], _of_a_patch: Outcome
) -> None:
    """One answer, one outcome with its reason; an event that was answered is never repeated."""
    fake = FakeAdobe({"email": "jane@example.com"})
    waits = Waits()
    fake.then("/EVT", error)
    verdict = await carrier("adobe", fake, waits=waits).act(
        platforms.ACTION, budget=BUDGET, now=NOW
    )
    assert (verdict.outcome, verdict.reason) == expected
    assert waits.seconds == []
    assert fake.effects == 0


@pytest.mark.parametrize(("error", "of_an_event", "expected"), ERRORS)
async def test_an_error_of_the_profile_call_becomes(
    error: httpx.Response, of_an_event: tuple[Outcome, str], expected: Outcome
) -> None:
    """The same table for a PATCH; a missing profile is looked for once more, then parked."""
    fake = FakeAdobe({"email": "jane@example.com"})
    fake.then("/profile/@pkey-1", *[error] * 3)
    verdict = await carrier("adobe", fake).push_profile(platforms.PUSH, budget=BUDGET, now=NOW)
    reason = of_an_event[1]
    if error.status_code == 404:
        reason = "HTTP 404: the profile is gone, twice in a row"
    assert (verdict.outcome, verdict.reason) == (expected, reason)
    assert "cusNpsScore" not in fake.profiles["@pkey-1"]


async def test_a_throttle_says_how_long() -> None:
    """`Retry-After` is kept as the wait, and nothing is tried before."""
    fake = FakeAdobe({"email": "jane@example.com"})
    waits = Waits()
    fake.then("/byEmail", answer(429, code="429050", **{"Retry-After": "17"}))
    verdict = await carrier("adobe", fake, waits=waits).push_profile(
        platforms.PUSH, budget=BUDGET, now=NOW
    )
    assert (verdict.outcome, verdict.wait) == ("throttle", timedelta(seconds=17))
    assert waits.seconds == []


async def test_a_duplicate_found_while_creating_is_found_and_patched() -> None:
    """Somebody created the profile between our find and our create."""
    fake = FakeAdobe()
    token_and_find_first = httpx.Response(200, json={"content": []})
    duplicate = answer(500, text="already exists. PGS-220000 PostgreSQL error: duplicate key")
    fake.add({"email": "jane@example.com"})
    fake.then("/byEmail", token_and_find_first)
    fake.then("/profileAndServicesExt/profile", duplicate)
    # The scripted duplicate is for the POST: the second find and the PATCH are answered truly.
    verdict = await carrier("adobe", fake).push_profile(platforms.PUSH, budget=BUDGET, now=NOW)
    assert verdict.outcome == "ok"
    assert [call.method for call in fake.calls] == ["POST", "GET", "POST", "GET", "PATCH"]
    assert fake.profiles["@pkey-1"]["cusNpsScore"] == 3
