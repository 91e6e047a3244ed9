"""What a platform shows of consent by the way, read field by field."""

from typing import Any

import pytest

from services.dispatcher.calls.calls import Shown
from services.dispatcher.platforms.preset import Preset, load_preset
from services.dispatcher.platforms.shown import Shows, read_shown
from shared.events.vocabulary import Identifier
from tests.unit.dispatcher.platforms.test_exchange import (
    CREATED,
    DONE,
    DUPLICATE,
    PUSH,
    TOKEN,
    act,
    found,
    jane,
    talk,
)
from tests.unit.dispatcher.platforms.test_reading import preset

JANE = Identifier(kind="email", value="jane@example.com")
NAMES = {"email": JANE.value, "email_channel": "12", "sms_channel": "13"}
LISTED = {
    "path": "$.refusals",
    "each": "$.channel",
    "refuses": ["email"],
    "unless": {"$.reason": ["2"]},
}
BLOCKED = {"path": "$.blocked", "refuses": ["true"], "unless": {"$.bounces[0]": []}}


@pytest.mark.parametrize(
    ("word", "people", "says"),
    [
        pytest.param("$.flag", [{"flag": True}], "flag", id="a flag"),
        pytest.param("$.flag", [{"flag": "TRUE"}], "flag", id="a flag as a text"),
        pytest.param("$.flag", [{"flag": 0}], None, id="a flag that is off"),
        pytest.param("$.flag", [{}], "nothing", id="no flag"),
        pytest.param("$.flag", [{"flag": None}], "nothing", id="an empty flag"),
        pytest.param("$.flag", [], "nothing", id="nobody is found"),
        pytest.param("$.flag", [None], "nothing", id="no JSON at all"),
        pytest.param("$.flag", [{"flag": False}, {"flag": True}], "flag", id="the strictest"),
        pytest.param(
            {"path": "$.is", "refuses": ["Out"]}, [{"is": "OUT"}], "is", id="a word, in any case"
        ),
        pytest.param(
            {"path": "$.left", "refuses": ["{{email_channel}}"]}, [{"left": [11, 12]}], "left",
            id="a value of the target's",
        ),
        pytest.param(
            {"path": "$.left", "refuses": ["{{email_channel}}"]}, [{"left": [13]}], None,
            id="another value",
        ),
        pytest.param(LISTED, [{"refusals": [{"channel": "email", "reason": 1}]}], "refusals",
                     id="one of a list"),
        pytest.param(LISTED, [{"refusals": [{"channel": "email", "reason": 2}]}], None,
                     id="one of a list, which bounced"),
        pytest.param(
            LISTED,
            [{"refusals": [{"channel": "email", "reason": 2}, {"channel": "email", "reason": 3}]}],
            "refusals",
            id="bounced, and refused as well",
        ),
        pytest.param(LISTED, [{"refusals": []}], None, id="an empty list"),
        pytest.param(BLOCKED, [{"blocked": True, "bounces": []}], "blocked", id="blocked"),
        pytest.param(BLOCKED, [{"blocked": True, "bounces": [{}]}], None, id="blocked by a bounce"),
    ],
)  # fmt: skip
def test_a_refusal_is_read_in_the_platforms_own_words(
    word: object, people: list[Any], says: str | None
) -> None:
    """Refused by a field, not refused, or nothing said at all."""
    shows = Shows.model_validate({"by": "email", "refused": {"email": [word]}})
    told = read_shown(shows, people, NAMES)
    assert told == (None if says == "nothing" else Shown(JANE, {"email": says}))


def test_of_nobody_nothing_is_told() -> None:
    """Without the identifier it is nobody's word."""
    shows = Shows.model_validate({"by": "phone", "refused": {"sms": ["$.flag"]}})
    assert read_shown(shows, [{"flag": True}], NAMES) is None


AGREED = {"any": None, "email": None, "sms": None}


@pytest.mark.parametrize(
    ("deal", "answers", "outcome", "refused"),
    [
        pytest.param(PUSH, [TOKEN, found(jane()), DONE], "ok", AGREED, id="a push sees a yes"),
        pytest.param(
            PUSH,
            [TOKEN, found(jane(blackListEmail=True, blackListPostalMail=True)), DONE],
            "ok",
            {**AGREED, "email": "blackListEmail", "post": "blackListPostalMail"},
            id="a push sees a refusal, and goes on",
        ),
        pytest.param(PUSH, [TOKEN, found(), CREATED], "ok", None, id="a push that finds nobody"),
        pytest.param(
            PUSH,
            [TOKEN, found(), DUPLICATE, found(jane(blackList=True)), DONE],
            "ok",
            {**AGREED, "any": "blackList"},
            id="a push that finds her at the second look",
        ),
        pytest.param(
            PUSH,
            [TOKEN, found(jane(), jane(blackListMobile=True))],
            "park",
            {**AGREED, "sms": "blackListMobile"},
            id="a push that is parked saw it all the same",
        ),
        pytest.param(
            act(),
            [TOKEN, found(jane(blackListEmail=True))],
            "suppressed",
            {**AGREED, "email": "blackListEmail"},
            id="an action that it ends",
        ),
        pytest.param(
            act(),
            [TOKEN, found(jane(blackListMobile=True)), DONE],
            "accepted",
            {**AGREED, "sms": "blackListMobile"},
            id="an action by another channel",
        ),
    ],
)
def test_whatever_becomes_of_the_call_the_refusal_was_seen(
    deal: Any, answers: list[Any], outcome: str, refused: dict[str, str | None] | None
) -> None:
    """The find of a push and the look before an action alike."""
    verdict, _ = talk(deal, answers)
    assert verdict.outcome == outcome
    assert verdict.shown == (None if refused is None else Shown(JANE, refused))  # type: ignore[arg-type]


def test_a_name_that_nobody_gives_is_refused_in_a_preset() -> None:
    """As in any other template."""
    shows = {"by": "email", "refused": {"email": [{"path": "$.x", "refuses": ["{{nobody}}"]}]}}
    with pytest.raises(ValueError, match=r"unknown name \['nobody'\]"):
        preset("$.flag", shows=shows)


#: One line for each field that a preset's documented answer shows her refusal in.
FIELDS: dict[str, dict[str, list[Any]]] = {
    "activecampaign": {"email": [{"status": "2"}]},
    "adobe_campaign_standard": {
        "any": [{"blackList": True}],
        "email": [{"blackListEmail": True}],
        "sms": [{"blackListMobile": True}],
        "call": [{"blackListPhone": True}],
        "post": [{"blackListPostalMail": True}],
    },
    "adobe_campaign_v8": {
        "any": [{"blackList": True}],
        "email": [{"blackListEmail": True}],
        "sms": [{"blackListMobile": True}],
        "call": [{"blackListPhone": True}],
        "post": [{"blackListPostalMail": True}],
    },
    "braze": {"email": [{"email_subscribe": "unsubscribed"}]},
    "brevo": {
        "email": [{"emailBlacklisted": True, "statistics": {"hardBounces": []}}],
        "sms": [{"smsBlacklisted": True}],
    },
    "customerio": {
        "any": [{"customer": {"unsubscribed": True}},
                {"customer": {"attributes": {"unsubscribed": "true"}}}],
    },
    "customerio_email": {
        "any": [{"customer": {"unsubscribed": True}},
                {"customer": {"attributes": {"unsubscribed": "1"}}}],
    },
    "hubspot": {"email": [{"results": [{"channel": "EMAIL", "status": "UNSUBSCRIBED"}]}]},
    "iterable": {
        "email": [{"dataFields": {"unsubscribedChannelIds": [12]}}],
        "sms": [{"dataFields": {"unsubscribedChannelIds": [13]}}],
    },
    "klaviyo": {
        channel: [{"attributes": {"subscriptions": {channel: {
            "marketing": {"consent": "UNSUBSCRIBED"}}}}}]
        for channel in ("email", "sms")
    },
    "listmonk": {"email": [{"status": "blocklisted"}]},
    "mailchimp": {"email": [{"status": "unsubscribed"}]},
    "mautic": {
        channel: [{"contact": {"doNotContact": [{"channel": channel, "reason": reason}]}}
                  for reason in (1, 3)]
        for channel in ("email", "sms")
    },
    "qualtrics": {"any": [{"directoryUnsubscribed": True}, {"unsubscribed": True}]},
}  # fmt: skip
#: What looks like one and is none: it bounced, was never asked, or says yes.
NO_WORDS: list[tuple[str, Any]] = [
    ("activecampaign", {"status": "3"}),
    ("activecampaign", {"status": "1"}),
    ("adobe_campaign_standard", {"blackListEmail": False, "ccpaOptOut": True}),
    ("braze", {"email_subscribe": "opted_in"}),
    ("brevo", {"emailBlacklisted": True, "statistics": {"hardBounces": [{"campaignId": 3}]}}),
    ("hubspot", {"results": []}),
    ("klaviyo", {"attributes": {"subscriptions": {"email": {"marketing": {
        "consent": "NEVER_SUBSCRIBED", "can_receive_email_marketing": False}}}}}),
    ("listmonk", {"status": "enabled"}),
    ("mailchimp", {"status": "cleaned"}),
    ("mautic", {"contact": {"doNotContact": [{"channel": "email", "reason": 2}]}}),
]  # fmt: skip


def shows_of(made: Preset) -> list[Shows]:
    """Every place where a preset reads consent."""
    operations = [one for one in (made.push_profile, made.act) if one is not None]
    steps = [step for operation in operations for step in operation.steps]
    return [step.shows for step in steps if step.shows is not None]


@pytest.mark.parametrize(
    ("name", "scope", "item"),
    [
        pytest.param(name, scope, item, id=f"{name}-{scope}-{place}")
        for name, scopes in FIELDS.items()
        for scope, items in scopes.items()
        for place, item in enumerate(items)
    ],
)
def test_each_field_of_a_preset_is_understood(name: str, scope: str, item: Any) -> None:
    """The closed list, one by one, in each operation that passes by."""
    places = shows_of(load_preset(name))
    assert places
    assert all(set(shows.refused) == set(FIELDS[name]) for shows in places)
    for shows in places:
        told = read_shown(shows, [item], {**NAMES, "external_id": "C-1"})
        assert told is not None
        assert [one for one, field in told.refused.items() if field] == [scope]


@pytest.mark.parametrize(
    ("name", "item"), [pytest.param(n, i, id=f"{n}-{k}") for k, (n, i) in enumerate(NO_WORDS)]
)
def test_what_is_no_word_of_hers_is_not_told(name: str, item: Any) -> None:
    """A bounce passes, a yes opens nothing, and who was never asked has said nothing."""
    for shows in shows_of(load_preset(name)):
        told = read_shown(shows, [item], {**NAMES, "external_id": "C-1"})
        assert told is None or not any(told.refused.values())
