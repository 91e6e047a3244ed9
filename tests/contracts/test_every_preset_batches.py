"""What every preset with a batch promises of it, each against the fake of its platform.

The cases are those of the suite of all presets; `NPS_WRITE_GOLDEN=1` writes the golden bytes.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.dispatcher.calls.calls import ProfilePush, Verdict
from services.dispatcher.platforms.operation import Batch
from services.dispatcher.platforms.preset import load_preset
from services.dispatcher.targets.settings import TargetSettings, batch_of
from tests.builders import platforms
from tests.builders.fakes import Case, carrier_of, cases
from tests.builders.platforms import NOW, Fake, Waits, person
from tests.contracts.test_every_preset import JANE, JOE, golden
from tests.contracts.test_every_preset_hostile import HOSTILE, shape

BUDGET = timedelta(seconds=20)
WORD = re.compile(r"`(\w+)`").findall
POISON = "a name that it cannot write"


def _batches(case: Case) -> bool:
    operation = load_preset(case.preset).push_profile
    return operation is not None and operation.batch is not None


CASES = [case for case in cases() if _batches(case)]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)


def _batch(case: Case) -> Batch:
    operation = load_preset(case.preset).push_profile
    assert operation is not None
    assert operation.batch is not None
    return operation.batch


#: Those whose good answers may tell of failures.
naming = pytest.mark.parametrize(
    "case",
    [case for case in CASES if _batch(case).failures is not None],
    ids=lambda case: case.preset,
)


def pushes(count: int, **names: str) -> list[ProfilePush]:
    """Make pushes of invented people, Jane and Joe first; `names` are first names by `p<place>`."""
    made = []
    for place in range(count):
        whom = person(email=f"p{place}@example.com", external_id=f"P-{place}")
        said = names.get(f"p{place}", f"Name {place}")
        made.append(
            replace(
                platforms.PUSH,
                customer_id=UUID(int=place + 1),
                identifiers=[JANE, JOE, whom][min(place, 2)],
                attributes={**platforms.PUSH.attributes, "first_name": said},
            )
        )
    return made


async def push_all(
    case: Case, fake: Fake, asked: Sequence[ProfilePush], waits: Waits | None = None
) -> list[Verdict]:
    """Push all of them together."""
    target = carrier_of(case, fake, waits=waits)
    return await target.push_profiles(asked, budget=BUDGET, now=NOW)


def outcomes(verdicts: Sequence[Verdict]) -> list[str]:
    """List what became of each."""
    return [verdict.outcome for verdict in verdicts]


def together(case: Case) -> str:
    """Name the path of a batch."""
    return case.batching or case.pushing


def asked_for(case: Case, fake: Fake) -> list[httpx.Request]:
    """List the requests that write profiles, one's or several's: a sign-in is none."""
    paths = (case.pushing, together(case))
    return [call for call in fake.calls if any(path in call.url.path for path in paths)]


def items(call: httpx.Request) -> list[Any]:
    """Read the list that a batch's body is, or the only one that it holds."""
    body = json.loads(call.content)
    if isinstance(body, list):
        return body
    (held,) = (value for value in body.values() if isinstance(value, list))
    return held


def whole(fake: Fake, answer: httpx.Response, poison: str = POISON) -> None:
    """Let the platform answer so to every request that has the poison in it, whatever else."""
    plain = fake.answer

    def strict(request: httpx.Request) -> httpx.Response:
        return answer if poison.encode() in request.content else plain(request)

    fake.answer = strict  # type: ignore[method-assign]


@every
async def test_several_pushes_are_one_request(case: Case) -> None:
    """To the byte; all are taken."""
    fake = case.fake()
    assert outcomes(await push_all(case, fake, pushes(3))) == ["ok"] * 3
    golden(case, "batch", fake)
    assert len(asked_for(case, fake)) == 1


@every
async def test_no_request_holds_more_than_the_platform_takes(case: Case) -> None:
    """By number and by bytes: what does not fit goes with the next."""
    fake, batch = case.fake(), _batch(case)
    count = batch.max_items + 1
    assert outcomes(await push_all(case, fake, pushes(count))) == ["ok"] * count
    assert len(asked_for(case, fake)) == 2
    long = {f"p{place}": "x" * (batch.max_bytes // 3) for place in range(6)}
    fake.calls.clear()
    await push_all(case, fake, pushes(6, **long))
    sizes = [len(call.content) for call in asked_for(case, fake)]
    assert [size <= batch.max_bytes for size in sizes] == [True] * 3


@every
async def test_one_that_fails_fails_alone(case: Case) -> None:
    """The platform says which it did not take, or refuses all and is asked for fewer."""
    fake = case.fake()
    fake.poison = POISON
    verdicts = await push_all(case, fake, pushes(5, p3=POISON))
    assert outcomes(verdicts) == ["ok", "ok", "ok", "reject", "ok"]
    assert (len(asked_for(case, fake)) == 1) is (_batch(case).failures is not None)


@every
@pytest.mark.parametrize("count", [2, 3, 10, 50])
async def test_what_is_refused_as_a_whole_is_halved_until_the_one_is_alone(
    case: Case, count: int
) -> None:
    """One poisonous item holds nobody else, and only what was said to it alone is believed."""
    fake = case.fake()
    whole(fake, httpx.Response(400, json={"message": "no"}))
    verdicts = await push_all(case, fake, pushes(count, p1=POISON))
    assert outcomes(verdicts) == ["ok", "reject", *["ok"] * (count - 2)]
    assert len(asked_for(case, fake)) <= 2 * (count - 1).bit_length() + 1


@every
async def test_many_that_are_poisonous_are_found_little_by_little(case: Case) -> None:
    """The requests of one call are bounded; whoever was not reached is tried again."""
    fake = case.fake()
    whole(fake, httpx.Response(400, json={"message": "no"}), "Name")
    verdicts = await push_all(case, fake, pushes(50))
    assert set(outcomes(verdicts)) == {"reject", "retry"}
    requests = len(asked_for(case, fake))
    assert 8 <= outcomes(verdicts).count("reject") < requests <= 32


@naming
@pytest.mark.parametrize("errors", [[{}], ["?"], [{"index": 9, "batch_index": 9}]])
async def test_a_failure_that_names_nobody_is_looked_for(case: Case, errors: object) -> None:
    """Nobody is taken for written, or for refused, who may not be meant."""
    fake = case.fake()
    whole(fake, httpx.Response(200, json={"errors": errors}))
    asked = pushes(5, p2=POISON)
    alone = await push_all(case, fake, [asked[2]])
    fake.calls.clear()
    verdicts = await push_all(case, fake, asked)
    assert outcomes(verdicts) == ["ok", "ok", alone[0].outcome, "ok", "ok"]
    assert len(asked_for(case, fake)) > 3


@every
@pytest.mark.parametrize(
    ("answer", "outcome", "calls"),
    [
        pytest.param(httpx.Response(500), "retry", 3, id="outage"),
        pytest.param(httpx.Response(429, headers={"Retry-After": "30"}), "throttle", 1, id="slow"),
        pytest.param(httpx.Response(403), "disable_target", 1, id="credentials"),
        pytest.param(httpx.ReadTimeout("no answer in time"), "retry", 3, id="unanswered"),
    ],
)
async def test_what_is_said_of_the_target_is_said_to_all(
    case: Case, answer: httpx.Response | httpx.TransportError, outcome: str, calls: int
) -> None:
    """A whole answer is classified like that of one push, and nothing more is asked."""
    if outcome == "disable_target" and outcome not in case.told:
        return
    fake = case.fake()
    fake.then(together(case), *[answer] * 9)
    verdicts = await push_all(case, fake, pushes(5))
    assert outcomes(verdicts) == [outcome] * 5
    assert len(asked_for(case, fake)) == calls
    if outcome == "throttle":
        assert verdicts[4].wait == timedelta(seconds=30)


@every
async def test_a_throttle_on_the_way_ends_the_search(case: Case) -> None:
    """After it nothing is asked any more: the rest would hear the same."""
    fake = case.fake()
    refused = httpx.Response(400, json={"message": "no"})
    fake.then(together(case), refused, httpx.Response(429))
    assert outcomes(await push_all(case, fake, pushes(8))) == ["throttle"] * 8
    assert len(asked_for(case, fake)) == 2


@every
async def test_who_lacks_what_the_platform_needs_holds_nobody(case: Case) -> None:
    """She is told so alone, without a request; a value that is no text is hers, too."""
    fake = case.fake()
    asked = pushes(4, p3="\ud800")
    asked[2] = replace(asked[2], identifiers=person(phone="+33611111111"))
    third = "ok" if case.knows_our_id else "reject"
    assert outcomes(await push_all(case, fake, asked)) == ["ok", "ok", third, "reject"]
    assert len(asked_for(case, fake)) == 1


@every
@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_value_stays_with_its_item(case: Case, hostile: str) -> None:
    """What one customer wrote is in her own item, and changes no other."""
    fake, plain = case.fake(), case.fake()
    for one, said in ((fake, hostile), (plain, "plain")):
        assert outcomes(await push_all(case, one, pushes(4, p2=said))) == ["ok"] * 4
    (call,), (like,) = asked_for(case, fake), asked_for(case, plain)
    assert (call.url, call.headers.keys()) == (like.url, like.headers.keys())
    assert shape(call) == shape(like)
    theirs, others = items(call), items(like)
    assert theirs[2] != others[2]
    assert [*theirs[:2], theirs[3]] == [*others[:2], others[3]]


@every
async def test_a_batch_changes_no_consent(case: Case) -> None:
    """Who has opted out is in it, and has opted out after it."""
    fake = case.fake()
    before = fake.consent()
    await push_all(case, fake, pushes(2))
    assert fake.consent() == before


@every
async def test_her_consent_is_seen_in_a_batch_as_it_is_alone(case: Case) -> None:
    """Where the push of one passes by it; also beside one that failed."""
    asked = [*pushes(2), replace(pushes(3)[2], attributes={"first_name": POISON})]
    alone = [(await push_all(case, case.fake(), [one]))[0].shown for one in asked[:2]]
    fake = case.fake()
    fake.poison = POISON
    verdicts = await push_all(case, fake, [asked[2], *asked[:2]])
    assert [verdict.shown for verdict in verdicts] == [None, *alone]
    assert outcomes(verdicts) == ["reject", "ok", "ok"]


@naming
async def test_no_reason_repeats_what_the_platform_said(case: Case) -> None:
    """Reasons are stored and shown: nothing of the answer is in them."""
    fake = case.fake()
    error = {"index": 0, "batch_index": 0, "category": "Jane", "type": "Jane", "message": "Jane"}
    said = {
        "errors": [{**error, "context": {"ids": ["jane@example.com"]}}],
        "responses": [{"statusCode": 400, "message": "Jane"}, {"xactionId": "1"}],
        "statusCodes": [400, 200],
    }
    fake.then(together(case), httpx.Response(207, json=said))
    first, second = await push_all(case, fake, pushes(2))
    assert (first.outcome, second.outcome) == ("reject", "ok")
    assert "jane" not in f"{first.reason} {second.reason}".lower()


@every
def test_a_target_may_ask_for_smaller_batches_or_none(case: Case) -> None:
    """Contracts differ: the preset's number is the most."""
    preset, most_of_all = load_preset(case.preset), _batch(case).max_items
    for asked, most in ((None, most_of_all), (20, 20), (1, 1)):
        settings = TargetSettings.model_validate(
            {"preset": case.preset, **case.settings, "batch": asked}
        )
        assert batch_of(preset, settings) == most


def test_the_page_on_targets_says_how_every_profile_goes() -> None:
    """A row with its number for whoever has a batch, a reason for whoever has none."""
    page = (platforms.SHIPPED.parents[2] / "docs/targets/README.md").read_text("utf-8")
    part = page.partition("## Several pushes in one request")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+)", part, re.MULTILINE))
    assert rows == {case.preset: str(_batch(case).max_items) for case in CASES}
    pushed = {case.preset for case in cases() if case.pushing}
    named = {name for line in part.splitlines() if line.startswith("- `") for name in WORD(line)}
    assert pushed - set(rows) <= named
