"""What every preset promises, each against a fake of its platform that misbehaves on demand.

The cases are in `tests/builders/fakes`, one module per platform; `NPS_WRITE_GOLDEN=1` writes the
golden bytes of their calls. What customers write is in `test_every_preset_hostile`.
"""

import json
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.platforms.preset import load_preset, preset_names
from tests.builders import platforms
from tests.builders.fakes import Case, Error, carrier_of, cases
from tests.builders.platforms import NOW, Fake, Waits, person
from tests.contracts.test_platforms_golden import GOLDEN, compare, written

BUDGET = timedelta(seconds=20)
CASES = cases()
JOE = person(email="joe@example.com", phone="+33698765432", external_id="C-2")
JANE = person(email="jane@example.com", phone="+33612345678", external_id="C-1")

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)
acting = pytest.mark.parametrize(
    "case", [case for case in CASES if case.acting], ids=lambda case: case.preset
)
pushing = pytest.mark.parametrize(
    "case", [case for case in CASES if case.pushing], ids=lambda case: case.preset
)


async def act(case: Case, fake: Fake, waits: Waits | None = None, **changes: object) -> Verdict:
    """Perform the standard action by way of a case's own channel and class."""
    given = {
        "identifiers": JANE,
        "channel": case.channel,
        "contact_class": case.contact_class,
        **changes,
    }
    target = carrier_of(case, fake, waits=waits)
    return await target.act(platforms.action(**given), budget=BUDGET, now=NOW)


async def push(case: Case, fake: Fake, waits: Waits | None = None, **changes: object) -> Verdict:
    """Push the standard profile."""
    target = carrier_of(case, fake, waits=waits)
    return await target.push_profile(
        platforms.push(**{"identifiers": JANE, **changes}), budget=BUDGET, now=NOW
    )


async def erase(case: Case, fake: Fake, **changes: object) -> Verdict:
    """Ask for the standard deletion."""
    call = platforms.deletion(**{"identifiers": JANE, **changes})
    return await carrier_of(case, fake).erase(call, budget=BUDGET, now=NOW)


def effects(case: Case, fake: Fake) -> list[httpx.Request]:
    """List the calls that act."""
    return [
        call
        for call in fake.calls
        if case.acting in call.url.path and call.extensions.get("effect")
    ]


def test_every_preset_is_in_a_suite() -> None:
    """A new preset without a fake fails here."""
    assert {case.preset for case in CASES} == set(preset_names())
    assert all(load_preset(name).name == name for name in preset_names())


@every
def test_a_case_says_what_its_preset_can(case: Case) -> None:
    """What a preset has is what the suite asks it."""
    preset = load_preset(case.preset)
    assert (preset.push_profile is not None) is bool(case.pushing)
    assert (preset.act is not None) is bool(case.acting)
    if preset.act is not None and preset.act.repeatable is not None:
        assert preset.act.repeatable.kind == case.repeat


@pushing
async def test_a_push_arrives(case: Case) -> None:
    """The plain path of a profile, to the byte."""
    fake = case.fake()
    assert (await push(case, fake)).outcome == "ok"
    golden(case, "push", fake)


@acting
async def test_an_action_takes_effect_once(case: Case) -> None:
    """The plain path of an action, to the byte."""
    fake = case.fake()
    verdict = await act(case, fake)
    assert verdict.outcome == "accepted", verdict
    assert fake.effects == 1
    golden(case, "act", fake)


@acting
async def test_the_delivery_id_is_in_the_call_that_acts(case: Case) -> None:
    """Whatever comes back can be told apart from somebody else's contact, at every attempt."""
    if not case.carries_id:
        return
    fake = case.fake()
    fake.then(case.acting, httpx.ConnectError("no connection"))
    await act(case, fake)
    calls = effects(case, fake)
    assert len(calls) == 2
    for call in calls:
        said = call.content + b" ".join(v for _, v in call.headers.raw) + str(call.url).encode()
        assert any(name in said for name in _ids())


def _ids() -> tuple[bytes, ...]:
    delivery = platforms.DELIVERY
    return (str(delivery).encode(), delivery.hex.encode(), b"2Z3NY1WYJKBC79RN8D5X66Q2G2")


@every
async def test_consent_is_the_same_before_and_after(case: Case) -> None:
    """No operation changes what the platform knows of anybody's consent."""
    fake = case.fake()
    before = fake.consent()
    for whom in (JANE, JOE):
        if case.pushing:
            await push(case, fake, identifiers=whom)
        if case.acting:
            await act(case, fake, identifiers=whom)
    assert fake.consent() == before


@acting
async def test_an_opt_out_that_the_platform_knows_is_heeded_and_told(case: Case) -> None:
    """Where the flow passes by her consent, a refusal ends it before anything is sent."""
    if not case.sees_opt_out:
        return
    fake = case.fake()
    verdict = await act(case, fake, identifiers=JOE)
    assert verdict.outcome == "suppressed"
    assert "opted out" in verdict.reason
    assert fake.effects == 0


@every
async def test_her_consent_is_seen_where_the_flow_passes_by_it(case: Case) -> None:
    """A push and an action see the same; of Jane, who refuses nothing, there is nothing to tell."""
    preset = load_preset(case.preset)
    for operation, ask in ((preset.push_profile, push), (preset.act, act)):
        passes_by = operation is not None and any(step.shows for step in operation.steps)
        for whom, refuses in ((JANE, False), (JOE, True)):
            if operation is None:
                continue
            seen = (await ask(case, case.fake(), identifiers=whom)).shown
            assert (seen is not None) is passes_by
            assert seen is None or (seen.by in whom and any(seen.refused.values()) is refuses)


@every
async def test_a_stranger_is_not_subscribed_by_being_written_to(case: Case) -> None:
    """Where a new profile would get marketing from the start, none is made by us."""
    if not case.makes_nobody_up:
        return
    fake = case.fake()
    before = fake.known()
    stranger = person(email="new@example.com", phone="+33611111111", external_id="C-9")
    if case.pushing:
        await push(case, fake, identifiers=stranger)
    if case.acting:
        assert (await act(case, fake, identifiers=stranger)).outcome == "reject"
    assert (fake.known(), fake.effects) == (before, 0)


@pushing
async def test_a_push_is_repeated_quickly_and_then_left_to_the_row(case: Case) -> None:
    """Two quick repeats with short random waits; long waits are rows."""
    fake, waits = case.fake(), Waits()
    fake.then(case.pushing, httpx.ConnectError("no connection"))
    assert (await push(case, fake, waits)).outcome == "ok"
    assert len(waits.seconds) == 1
    assert 0.2 <= waits.seconds[0] <= 1
    fake.then(case.pushing, *[httpx.ConnectError("no connection")] * 9)
    assert (await push(case, fake, waits)).outcome == "retry"
    assert len(waits.seconds) == 3


@every
async def test_a_named_wait_is_passed_on_and_not_slept(case: Case) -> None:
    """429 with `Retry-After` ends the call at once."""
    fake, waits = case.fake(), Waits()
    slow = httpx.Response(429, headers={"Retry-After": "30"})
    fake.then(case.acting or case.pushing, slow)
    verdict = await (act if case.acting else push)(case, fake, waits)
    assert (verdict.outcome, verdict.wait) == ("throttle", timedelta(seconds=30))
    assert (waits.seconds, fake.effects) == ([], 0)


@acting
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(httpx.ReadTimeout("no answer in time"), id="hang"),
        pytest.param(httpx.ReadError("the connection broke"), id="reset"),
        pytest.param(httpx.RemoteProtocolError("nonsense"), id="nonsense"),
    ],
)
async def test_an_unanswered_action_is_repeated_only_under_a_key(
    case: Case, fault: httpx.TransportError
) -> None:
    """Bytes left: a keyed action is repeated, any other is in doubt after one call."""
    fake = case.fake()
    fake.then(case.acting, fault)
    verdict = await act(case, fake)
    keyed = case.repeat == "key"
    assert (verdict.outcome, len(effects(case, fake))) == (
        ("accepted", 2) if keyed else ("in_doubt", 1)
    )


@acting
async def test_what_was_done_unheard_is_not_done_again(case: Case) -> None:
    """The platform acted and its answer was lost: a repeat under the key, or a look, finds it."""
    if case.repeat == "none":
        return
    fake = case.fake()
    _lose_the_answer(fake, case.acting)
    first = await act(case, fake)
    second = await act(case, fake)
    assert second.outcome == "accepted", (first, second)
    assert fake.effects == 1


@acting
@pytest.mark.parametrize("status", [500, 502, 504, 599])
async def test_what_was_done_and_answered_with_a_failure_is_not_done_again(
    case: Case, status: int
) -> None:
    """It acted and then failed: under a key it is repeated, after a look found, else in doubt."""
    if status in case.fails_undone:
        return
    fake = case.fake()
    _lose_the_answer(fake, case.acting, httpx.Response(status, text="<html>"))
    first = await act(case, fake)
    if case.repeat == "none":
        assert (first.outcome, len(effects(case, fake))) == ("in_doubt", 1)
    else:
        second = await act(case, fake)
        assert second.outcome == "accepted", (first, second)
    assert fake.effects == 1


def _lose_the_answer(fake: Fake, path: str, instead: httpx.Response | None = None) -> None:
    """Let the next call of that path take effect and its answer get lost."""
    answer = fake.answer
    lost: list[httpx.Response] = []

    def once(request: httpx.Request) -> httpx.Response:
        response = answer(request)
        if path in request.url.path and request.extensions.get("effect") and not lost:
            lost.append(response)
            if instead is not None:
                return instead
            raise httpx.ReadError("the connection broke")
        return response

    fake.answer = once  # type: ignore[method-assign]


@acting
@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff", b"[1]", b'{"href": ["x"]}'])
async def test_an_action_is_never_done_twice_over_an_answer_without_sense(
    case: Case, answer: bytes
) -> None:
    """Whatever a 200 says that we cannot read, the call is not simply made again."""
    fake = case.fake()
    fake.then(case.acting, httpx.Response(200, content=answer))
    verdict = await act(case, fake)
    assert verdict.outcome in ("accepted", "in_doubt", "reject", "park")
    assert len(effects(case, fake)) == 1


@acting
async def test_an_action_that_never_left_is_repeated(case: Case) -> None:
    """No connection, no effect: even without a key the next attempt is safe."""
    fake = case.fake()
    fake.then(case.acting, httpx.ConnectError("no connection"))
    assert (await act(case, fake)).outcome == "accepted"
    assert fake.effects == 1


@every
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("a&b=c+d@example.com", id="query syntax"),
        pytest.param("../../x%2f#?@example.com", id="path syntax"),
        pytest.param("o'neil\"@example.com", id="quotes"),
        pytest.param("{{api_key}}@example.com", id="template"),
        pytest.param("zoé@example.com", id="not ascii"),
    ],
)
async def test_a_hostile_address_touches_nobody_else(case: Case, address: str) -> None:
    """An address with the syntax of URLs in it never reaches another's profile."""
    fake = case.fake()
    consent = json.dumps(fake.consent(), sort_keys=True, default=str)
    known = fake.known()
    whom = person(email=address, phone="+33611111111", external_id="C-9")
    if case.pushing:
        await push(case, fake, identifiers=whom)
    if case.acting:
        await act(case, fake, identifiers=whom)
    assert known <= fake.known()
    after = fake.consent()
    before = json.loads(consent)
    kept = {k: after[k] for k in before} if isinstance(after, dict) else after[: len(before)]
    assert json.dumps(kept, sort_keys=True, default=str) == consent


@every
async def test_nobody_without_an_identifier_is_guessed(case: Case) -> None:
    """Without anything the platform could know her by, nothing is written and nothing sent."""
    if case.knows_our_id:
        return
    fake = case.fake()
    before = fake.known()
    nobody = person()
    if case.pushing:
        await push(case, fake, identifiers=nobody)
        assert fake.known() == before
    if case.acting and case.contact_class != "internal":
        verdict = await act(case, fake, identifiers=nobody)
        assert verdict.outcome == "reject"
        assert fake.effects == 0


@every
async def test_she_is_forgotten_where_the_platform_can(case: Case) -> None:
    """A deletion takes her and nobody else, also when she was never there."""
    fake = case.fake()
    if load_preset(case.preset).erase is None:
        assert (await erase(case, fake)).outcome == "reject"
        return
    before = fake.known()
    assert (await erase(case, fake)).outcome in ("ok", "accepted")
    assert "jane@example.com" not in fake.known()
    assert before - fake.known() <= {"jane@example.com"}
    assert (await erase(case, fake)).outcome in ("ok", "accepted")
    assert "joe@example.com" in fake.known() or "joe@example.com" not in before


LINES = [
    pytest.param(case, error, id=f"{case.preset}: {error.id}")
    for case in CASES
    for error in case.errors
]


@pytest.mark.parametrize(("case", "error"), LINES)
async def test_each_error_becomes_what_the_table_says(case: Case, error: Error) -> None:
    """A platform's own ways to say no; a status alone tells little."""
    fake = case.fake()
    fake.then(error.on, *[error.answer] * 5)
    ways: dict[str, Callable[[Case, Fake], Awaitable[Verdict]]]
    ways = {"push": push, "act": act, "erase": erase}
    verdict = await ways[error.asked](case, fake)
    assert verdict.outcome == error.outcome, verdict.reason
    if error.wait is not None:
        assert verdict.wait == timedelta(seconds=error.wait)


@every
async def test_no_reason_repeats_what_the_platform_said(case: Case) -> None:
    """Error texts quote customers; reasons are stored and shown."""
    fake = case.fake()
    said = {"message": "jane@example.com is refused", "detail": "Jane", "code": "JANE-1"}
    fake.then("/", *[httpx.Response(400, json=said)] * 5)
    verdict = await (push if case.pushing else act)(case, fake)
    assert "jane" not in verdict.reason.lower()


@every
def test_each_case_has_a_table_of_errors(case: Case) -> None:
    """No preset counts without it: at least bad credentials, a refused value and a throttle."""
    assert case.told <= {error.outcome for error in case.errors}


def golden(case: Case, what: str, fake: Fake) -> None:
    """Compare every call with its golden file, in order."""
    for number, call in enumerate(fake.calls, 1):
        name = f"{case.preset}-{what}-{number}"
        if os.environ.get("NPS_WRITE_GOLDEN"):
            (GOLDEN / f"{name}.http").write_bytes(written(call))
        compare(name, call)
