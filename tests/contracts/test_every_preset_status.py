"""What every preset that can be asked what became of a message promises of it.

The cases are those of the suite of all presets; `NPS_WRITE_GOLDEN=1` writes the golden bytes.
"""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.dispatcher.calls.calls import Heard, Inquiry
from services.dispatcher.platforms.preset import load_preset, preset_names
from tests.builders import platforms
from tests.builders.fakes import Case, Said, carrier_of, cases
from tests.builders.platforms import NOW, Fake
from tests.contracts.test_every_preset import act, golden

BUDGET = timedelta(seconds=20)
CASES = [case for case in cases() if load_preset(case.preset).status is not None]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)
LINES = [
    pytest.param(case, said, id=f"{case.preset}: {said.id}") for case in CASES for said in case.said
]


async def ask(case: Case, fake: Fake, reference: str | None, now: datetime = NOW) -> Heard:
    """Ask what became of the standard message."""
    inquiry = Inquiry(platforms.DELIVERY, reference, case.channel, NOW - timedelta(minutes=5))
    return await carrier_of(case, fake).inquire(inquiry, budget=BUDGET, now=now)


async def sent(case: Case, fake: Fake) -> str:
    """Perform the standard action; returns the platform's name of it."""
    verdict = await act(case, fake)
    assert verdict.reference, verdict
    fake.calls.clear()
    return verdict.reference


def test_each_preset_that_can_be_asked_is_asked_here() -> None:
    """A new `status` without a table of answers fails here."""
    asked = {name for name in preset_names() if load_preset(name).status is not None}
    assert {case.preset for case in CASES if case.asking and case.said} == asked


@every
async def test_what_the_action_returned_is_enough_to_ask_by(case: Case) -> None:
    """One GET, to the byte; nothing of hers is in it."""
    fake = case.fake()
    reference = await sent(case, fake)
    heard = await ask(case, fake, reference)
    assert heard.verdict.outcome == "ok"
    assert [call.method for call in fake.calls if case.asking in call.url.path] == ["GET"]
    fake.calls = [call for call in fake.calls if case.asking in call.url.path]
    assert b"jane" not in str(fake.calls[0].url).encode() + fake.calls[0].content
    golden(case, "status", fake)


@every
async def test_a_question_changes_nothing(case: Case) -> None:
    """Asked as often as one likes, also after a kill between the answer and its record."""
    fake = case.fake()
    reference = await sent(case, fake)
    before = (fake.consent(), fake.known(), fake.effects)
    first = [await ask(case, fake, reference) for _ in range(3)]
    assert first[0] == first[1] == first[2]
    assert (fake.consent(), fake.known(), fake.effects) == before
    assert not any(call.extensions.get("effect") for call in fake.calls)


@every
async def test_a_message_that_nobody_knows_says_nothing(case: Case) -> None:
    """Not there yet, or no more: it is asked again, and stays as it is."""
    fake = case.fake()
    reference = await sent(case, fake)
    fresh = case.fake()
    heard = await ask(case, fresh, reference)
    assert (heard.verdict.outcome, heard.message, heard.last) == ("ok", None, False)


@every
async def test_without_a_name_nothing_is_asked(case: Case) -> None:
    """A platform that gave no reference is not asked for everybody's messages."""
    fake = case.fake()
    for nothing in (None, ""):
        heard = await ask(case, fake, nothing)
        assert (heard.verdict.outcome, heard.message) == ("reject", None)
    assert fake.calls == []


@every
@pytest.mark.parametrize(
    "reference",
    [
        "../../x",
        "..",
        "a/../../b",
        "//evil.example/x",
        "https://evil.example/",
        "x?y=1&z",
        "{{key}}",
    ],
)
async def test_a_hostile_name_asks_nobody_else(case: Case, reference: str) -> None:
    """A reference comes from outside: it stays in its place, on the platform's own origin."""
    fake = case.fake()
    hosts = {httpx.URL("https://ims-na1.adobelogin.com").host}
    await sent(case, fake)
    plain = await _hosts(case)
    await ask(case, fake, reference)
    assert {call.url.host for call in fake.calls} <= plain | hosts
    asked = [call for call in fake.calls if call.url.host not in hosts]
    assert all(
        call.method == "GET" and b".." not in call.url.raw_path.split(b"/") for call in asked
    )


async def _hosts(case: Case) -> set[str]:
    fake = case.fake()
    await act(case, fake)
    return {call.url.host for call in fake.calls}


@pytest.mark.parametrize(("case", "said"), LINES)
async def test_each_answer_is_understood_as_the_table_says(case: Case, said: Said) -> None:
    """Words differ from platform to platform; ours are few."""
    fake = case.fake()
    reference = await sent(case, fake)
    fake.then(case.asking, *[said.answer] * 3)
    heard = await ask(case, fake, reference)
    found = (heard.message, heard.last, heard.verdict.outcome)
    assert found == (said.message, said.last, said.outcome), heard


@every
@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"\xff", b"[1]", b"null", b'{"events": 7, "message": [], "status": {}}'],
)
async def test_an_answer_without_sense_moves_nothing(case: Case, answer: bytes) -> None:
    """Whatever a 200 says that we cannot read, nothing is made of it."""
    fake = case.fake()
    reference = await sent(case, fake)
    fake.then(case.asking, httpx.Response(200, content=answer))
    heard = await ask(case, fake, reference)
    assert (heard.message, heard.last) == (None, False)


@every
async def test_who_does_not_answer_is_asked_another_time(case: Case) -> None:
    """No quick repeat: nobody waits for it."""
    fake = case.fake()
    reference = await sent(case, fake)
    fake.then(case.asking, httpx.ReadTimeout("no answer in time"))
    heard = await ask(case, fake, reference)
    assert (heard.verdict.outcome, heard.message) == ("retry", None)
    assert len([call for call in fake.calls if case.asking in call.url.path]) == 1


async def test_the_platforms_own_moment_counts_where_it_tells_it() -> None:
    """A bounce closes the addresses that were known when it came, not when we heard of it."""
    (brevo,) = (case for case in CASES if case.preset == "brevo")
    fake = brevo.fake()
    reference = await sent(brevo, fake)
    fake.then(brevo.asking, next(s.answer for s in brevo.said if s.id == "bounced"))
    heard = await ask(brevo, fake, reference, now=NOW + timedelta(days=1))
    assert heard.at == datetime(2026, 11, 21, 20, 59, tzinfo=UTC)
