"""Whatever a platform answers, there is a verdict: no answer stops a worker or is done twice."""

from typing import Any, get_args

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dispatcher.calls.calls import Outcome, Verdict
from services.dispatcher.platforms.deals import Account, Deal, Names, action_deal, push_deal
from services.dispatcher.platforms.exchange import SignIn, Token, exchange
from services.dispatcher.platforms.preset import Preset, load_preset, preset_names
from services.dispatcher.platforms.verdict import classify
from tests.builders import platforms
from tests.builders.platforms import NOW

NAMES = Names(events={"reassurance": "EVTone"})
WORDS = st.sampled_from(
    [
        *("content", "email", "href", "blackList", "error_code", "jane@example.com", "401013"),
        *("403023", "<plId>7</plId>", "<plId>0</plId>", "errors", "results", "data", "success"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
#: As a find answers, with whatever in it.
FOUND = st.builds(
    lambda rows: {"content": rows},
    st.lists(st.builds(lambda row: {"email": "jane@example.com", **row},
                       st.dictionaries(WORDS, VALUES, max_size=4)), max_size=3),
)  # fmt: skip
BODIES = (VALUES | FOUND).map(lambda v: orjson.dumps(v, default=str)) | st.binary(max_size=60)
ANSWERS = st.builds(
    lambda status, body, wait: httpx.Response(
        status, content=body, headers=[(b"Retry-After", wait.encode())]
    ),
    st.sampled_from([200, 201, 204, 302, 400, 401, 404, 429, 500, 502, 503, 504])
    | st.integers(100, 999),
    BODIES,
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40)
    | st.sampled_from(["7", "Sat, 21 Nov 2026 20:01:00 GMT"]),
)


def deals(name: str) -> tuple[Account, list[Deal]]:
    """Make the standard push and the standard action of a preset."""
    preset = load_preset(name)
    known = {"org": "acme", "url": "https://one.example/in", "account": "main", "client_id": "c"}
    account = Account(
        preset=preset,
        base_url="https://mc.adobe.io/acme/campaign" if name.startswith("adobe") else known["url"],
        vars={**dict.fromkeys(preset.vars, "x"), **known},
    )
    deals = (
        push_deal(account, NAMES, platforms.PUSH, now=NOW),
        action_deal(account, NAMES, platforms.ACTION, keyed=False, now=NOW),
    )
    return account, [deal for deal in deals if isinstance(deal, Deal)]


@pytest.mark.parametrize("name", preset_names())
@settings(max_examples=40, deadline=None)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=6))
def test_every_answer_has_a_verdict(name: str, answers: list[httpx.Response]) -> None:
    """One of the closed set, with a reason in our words; an effect that was granted is the end."""
    account, both = deals(name)
    for deal in both:
        verdict, granted = hold(account, deal, answers)
        assert verdict.outcome in get_args(Outcome)
        assert verdict.reason.isprintable()
        assert "jane" not in verdict.reason
        if granted:
            assert verdict.outcome == deal.operation.success


def grants(preset: Preset, told: httpx.Response) -> bool:
    """Tell whether an answer to the step that acts says that it was done."""
    steps = preset.act.steps if preset.act else ()
    step = next(step.id for step in steps if step.acts)
    ruling = classify(told, preset.classify, step=step, effect=True, now=NOW)
    return ruling.outcome in ("ok", "accepted")


def hold(account: Account, deal: Deal, answers: list[httpx.Response]) -> tuple[Verdict, bool]:
    """Hold the exchange with these answers over and over; tells whether an effect was granted."""
    flow = exchange(account, deal, at=NOW)
    granted = False
    told: Any = None
    try:
        for number in range(50):
            asked = flow.send(told)
            if isinstance(asked, SignIn):
                told = Token("t")
                continue
            told = answers[number % len(answers)]
            granted = bool(asked.extensions["effect"]) and grants(account.preset, told)
    except StopIteration as stop:
        return stop.value, granted
    raise AssertionError("the exchange has no end")
