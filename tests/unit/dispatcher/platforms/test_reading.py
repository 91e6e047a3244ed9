"""Reading an answer: consent in a platform's own words, and steps that some channels pass over."""

from contextlib import suppress
from typing import Any

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.platforms.deals import Account, Deal, Names, action_deal
from services.dispatcher.platforms.exchange import exchange
from services.dispatcher.platforms.preset import Preset
from services.dispatcher.platforms.reading import _equal, onward
from shared.events.vocabulary import Channel, ContactClass
from tests.builders import platforms
from tests.builders.platforms import NOW

STATUS = {"path": "$.status", "refuses": ["Blocklisted"], "agrees": ["enabled"]}
LISTED = {"path": "$.refusals", "each": "$.channel", "refuses": ["email"]}


def preset(*refusals: object, **step: object) -> Preset:
    """Make a preset that looks at consent, at another address of the account, and then acts."""
    return Preset.model_validate(
        {
            "name": "one",
            "verified": "documented",
            "base_url": "https://api.example.com/v1",
            "act": {
                "success": "accepted",
                "repeatable": {"kind": "none"},
                "steps": [
                    {
                        "id": "consent",
                        "request": {
                            "method": "GET",
                            "base_url": "https://consent.example.com/of",
                            "path": "/{{email}}",
                        },
                        "refused_by": {"email": list(refusals)},
                        "branch": {"none": "send", "one": "send", "many": "send"},
                        **step,
                    },
                    {
                        "id": "send",
                        "request": {
                            "method": "POST",
                            "path": "/send",
                            "body": {"id": "{{delivery_id}}"},
                        },
                    },
                ],
            },
        }
    )


def deal(made: Preset, channel: Channel = "email", contact: ContactClass = "service") -> Deal:
    """Make the standard action's deal of a preset."""
    account = Account(preset=made, base_url=made.base_url, vars={})
    call = platforms.action(channel=channel, contact_class=contact)
    told = action_deal(account, Names(), call, keyed=False, now=NOW)
    assert isinstance(told, Deal)
    return told


@pytest.mark.parametrize(
    ("refusal", "said", "service", "marketing"),
    [
        pytest.param(STATUS, {"status": "blocklisted"}, False, False, id="a word that refuses"),
        pytest.param(STATUS, {"status": "enabled"}, True, True, id="a word that agrees"),
        pytest.param(STATUS, {"status": "new"}, True, False, id="a word nobody knows"),
        pytest.param(STATUS, {}, True, False, id="not shown"),
        pytest.param(LISTED, {"refusals": []}, True, True, id="an empty list refuses nothing"),
        pytest.param(
            LISTED, {"refusals": [{"channel": "sms"}, {"channel": "email"}]}, False, False, id="one"
        ),
        pytest.param(LISTED, {"refusals": [{"channel": "sms"}]}, True, True, id="another channel"),
        pytest.param(LISTED, {"refusals": "email"}, True, True, id="no list at all"),
        pytest.param(
            {"path": "$.groups", "refuses": ["out"], "agrees": ["in"]},
            {"groups": []},
            True,
            False,
            id="an empty list agrees to nothing",
        ),
        pytest.param(
            {"path": "$.left", "refuses": ["{{template}}"]},
            {"left": [12, "Reassurance_Price"]},
            False,
            False,
            id="a value of ours in the list",
        ),
        pytest.param(
            {"path": "$.left", "refuses": ["{{template}}"]},
            {"left": [12]},
            True,
            True,
            id="no value of ours in the list",
        ),
        pytest.param("$.flag", {"flag": True}, False, False, id="a flag"),
        pytest.param("$.flag", {"flag": 0}, True, True, id="a flag that is off"),
        pytest.param("$.flag", {}, True, False, id="no flag"),
    ],
)
def test_consent_is_read_in_the_platforms_own_words(
    refusal: object, said: dict[str, Any], service: bool, marketing: bool
) -> None:
    """A refusal ends it for all; what is not known ends it for marketing."""
    made = preset(refusal)
    step = made.act.steps[0] if made.act else None
    assert step is not None
    contacts: tuple[ContactClass, ContactClass] = ("service", "marketing")
    for contact, goes_on in zip(contacts, (service, marketing), strict=True):
        whom = deal(made, contact=contact)
        led = onward(whom, step, httpx.Response(200, json=said), dict(whom.names))
        assert led == "send" if goes_on else isinstance(led, Verdict)
        assert goes_on or (isinstance(led, Verdict) and led.outcome == "suppressed")


@pytest.mark.parametrize(
    ("contacts", "led"),
    [
        pytest.param({"7": {"email": "jane@example.com"}}, "send", id="by number"),
        pytest.param([{"email": "jane@example.com"}], "send", id="a list"),
        pytest.param({"7": {"email": "joe@example.com"}}, None, id="somebody else"),
        pytest.param([], None, id="nobody"),
    ],
)
def test_found_items_may_stand_under_their_numbers(contacts: object, led: str | None) -> None:
    """PHP writes a list with gaps as an object, and an empty one as a list."""
    select = {"items": "$.contacts", "field": "$.email", "equal": "email"}
    made = preset(select=select, branch={"none": "done", "one": "send", "many": "park"})
    assert made.act is not None
    whom = deal(made)
    answer = httpx.Response(200, json={"contacts": contacts})
    assert onward(whom, made.act.steps[0], answer, dict(whom.names)) == led


@pytest.mark.parametrize(
    ("channel", "asked"),
    [
        (
            "email",
            [
                "https://consent.example.com/of/jane%40example.com",
                "https://api.example.com/v1/send",
            ],
        ),
        ("sms", ["https://api.example.com/v1/send"]),
    ],
)
def test_a_step_for_one_channel_is_passed_over_by_the_others(
    channel: Channel, asked: list[str]
) -> None:
    """A list of e-mail addresses says nothing of SMS; a step may ask at an address of its own."""
    made = preset("$.flag", channels=["email"])
    account = Account(preset=made, base_url=made.base_url, vars={})
    flow = exchange(account, deal(made, channel), at=NOW)
    urls: list[str] = []
    question = next(flow)
    for _ in asked:
        assert isinstance(question, httpx.Request)
        urls.append(str(question.url))
        with suppress(StopIteration):
            question = flow.send(httpx.Response(200, json={"flag": False}))
    assert urls == asked
    with pytest.raises(StopIteration):
        next(flow)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        pytest.param(["nps", "5f1d"], True, id="among others"),
        pytest.param(["5f1d7"], False, id="a longer one"),
        pytest.param([["5f1d"], None, 7], False, id="nested"),
        pytest.param([], False, id="none"),
    ],
)
def test_what_is_looked_for_may_be_one_of_a_list(tags: list[object], found: bool) -> None:
    """A ticket's tags hold the delivery id beside others."""
    assert _equal(tags, "5f1d", email=False) is found


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"branch": None}, "later step"),
        ({"branch": {"none": "done", "one": "send", "many": "send"}}, "later step"),
    ],
)
def test_a_step_for_one_channel_says_where_the_others_go(
    changes: dict[str, Any], told: str
) -> None:
    """Found when the preset is read, not with the first customer."""
    with pytest.raises(ValueError, match=told):
        preset("$.flag", channels=["email"], **changes)


@pytest.mark.parametrize(
    ("channel", "served"), [pytest.param("chat", True, id="chat"), pytest.param("sms", False)]
)
def test_a_chat_of_the_staff_needs_no_address_of_hers(channel: Channel, served: bool) -> None:
    """A channel without address is served for a person we know nothing of; others still are not."""
    said = {**preset().model_dump(exclude_none=True)}
    said["act"]["channels"] = {"chat": None}
    made = Preset.model_validate(said)
    account = Account(preset=made, base_url=made.base_url, vars={})
    call = platforms.action(channel=channel, identifiers=())
    assert isinstance(action_deal(account, Names(), call, keyed=False, now=NOW), Deal) is served
