"""Conversations without I/O: what is asked after which answer, and the verdict at the end."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest

from services.dispatcher.calls.calls import Outcome, Verdict
from services.dispatcher.platforms.compose import completed, same_origin
from services.dispatcher.platforms.deals import Account, Deal, Names, action_deal, push_deal
from services.dispatcher.platforms.exchange import Asked, SignIn, Token, Told, exchange
from services.dispatcher.platforms.preset import load_preset
from services.dispatcher.platforms.render import Unrenderable
from services.dispatcher.platforms.verdict import Failure
from shared.events.vocabulary import Channel
from tests.builders import platforms
from tests.builders.platforms import NOW, person

BASE = "https://mc.adobe.io/acme/campaign"
ADOBE = Account(
    preset=load_preset("adobe_campaign_standard"),
    base_url=BASE,
    vars={"org": "acme", "client_id": "c", "client_secret": "hush", "scope": "a,b"},
)
NAMES = Names(events={"reassurance": "EVTone", "reassurance/price": "EVTprice"})
PUSH = cast(Deal, push_deal(ADOBE, NAMES, platforms.PUSH, now=NOW))
HREF = f"{BASE}/profileAndServicesExt/profile/@pkey-1"
TOKEN = Token("t1")


def act(**changes: Any) -> Deal:
    """Make the standard action's deal, with changes."""
    deal = action_deal(ADOBE, NAMES, platforms.action(**changes), keyed=False, now=NOW)
    assert isinstance(deal, Deal)
    return deal


def found(*profiles: dict[str, Any]) -> httpx.Response:
    """Answer a find."""
    return httpx.Response(200, json={"content": list(profiles)})


def jane(**fields: Any) -> dict[str, Any]:
    """Return Jane's profile as a find shows it; she has refused nothing."""
    agreed = {"blackList": False, "blackListEmail": False, "blackListMobile": False}
    return {"email": "jane@example.com", "href": HREF, **agreed, **fields}


def talk(
    deal: Deal, answers: Sequence[Told], account: Account = ADOBE
) -> tuple[Verdict, list[str]]:
    """Hold a conversation with these answers; returns the verdict and what was asked."""
    flow = exchange(account, deal, at=NOW)
    asked: list[str] = []
    try:
        question: Asked = next(flow)
        for answer in answers:
            asked.append(said(question))
            question = flow.send(answer)
        raise AssertionError(f"another question: {said(question)}")
    except StopIteration as stop:
        return stop.value, asked


def said(question: Asked) -> str:
    """Put a question down in short."""
    if isinstance(question, SignIn):
        return f"sign in, not {question.stale}" if question.stale else "sign in"
    return f"{question.method} {question.url.path.removeprefix('/acme/campaign')}"


SIGN, FIND = "sign in", "GET /profileAndServicesExt/profile/byEmail"
CREATE, PATCH = (
    "POST /profileAndServicesExt/profile",
    "PATCH /profileAndServicesExt/profile/@pkey-1",
)
EVENT = "POST /mcacme/EVTprice"
CREATED, DONE = httpx.Response(201, json={}), httpx.Response(200, json={"href": "mcacme/x/@1"})
DUPLICATE = httpx.Response(500, text="PGS-220000 duplicate key")


@pytest.mark.parametrize(
    ("answers", "asked", "outcome"),
    [
        pytest.param([TOKEN, found(), CREATED], [SIGN, FIND, CREATE], "ok", id="nobody is created"),
        pytest.param([TOKEN, found(jane()), DONE], [SIGN, FIND, PATCH], "ok", id="one is patched"),
        pytest.param([TOKEN, found(jane(), jane())], [SIGN, FIND], "park", id="several are parked"),
        pytest.param(
            [TOKEN, found(jane(email="jane@example.com.au"), jane()), DONE],
            [SIGN, FIND, PATCH],
            "ok",
            id="a longer address is somebody else",
        ),
        pytest.param(
            [TOKEN, found(jane(email="Jane@EXAMPLE.com")), DONE],
            [SIGN, FIND, PATCH],
            "ok",
            id="case is not another person",
        ),
        pytest.param(
            [TOKEN, found({"href": HREF}, {"email": None}, jane(email="no address")), CREATED],
            [SIGN, FIND, CREATE],
            "ok",
            id="rows without address are nobody",
        ),
        pytest.param(
            [TOKEN, found(*[jane(email="jane@example.com.au")] * 25)],
            [SIGN, FIND],
            "park",
            id="she may be on the next page",
        ),
        pytest.param(
            [TOKEN, found(), DUPLICATE, found(jane()), DONE],
            [SIGN, FIND, CREATE, FIND, PATCH],
            "ok",
            id="created meanwhile",
        ),
        pytest.param(
            [TOKEN, found(), DUPLICATE, found(), DUPLICATE],
            [SIGN, FIND, CREATE, FIND, CREATE],
            "park",
            id="there and not there",
        ),
        pytest.param(
            [TOKEN, httpx.Response(200, text="<html>")],
            [SIGN, FIND],
            "retry",
            id="no answer to read",
        ),
        pytest.param(
            [TOKEN, httpx.Response(401), Token("t2"), found(), CREATED],
            [SIGN, FIND, "sign in, not t1", FIND, CREATE],
            "ok",
            id="an expired token is renewed once",
        ),
        pytest.param(
            [TOKEN, httpx.Response(401), Token("t2"), httpx.Response(401)],
            [SIGN, FIND, "sign in, not t1", FIND],
            "disable_target",
            id="a fresh token refused is the credential's fault",
        ),
        pytest.param(
            [Verdict("disable_target", "sign-in")], [SIGN], "disable_target", id="no token"
        ),
        pytest.param([TOKEN, Failure("connect", "x")], [SIGN, FIND], "retry", id="away"),
        pytest.param(
            [TOKEN, found(), Failure("sent", "x")], [SIGN, FIND, CREATE], "retry", id="unanswered"
        ),
        pytest.param(
            [TOKEN, found(jane(href="https://evil.example/x"))],
            [SIGN, FIND],
            "reject",
            id="a link that leads away",
        ),
        pytest.param([TOKEN, found(jane(href=None))], [SIGN, FIND], "reject", id="no link at all"),
    ],
)
def test_a_profile_push_goes(answers: list[Told], asked: list[str], outcome: Outcome) -> None:
    """Find, then create or patch; a push never leaves doubt."""
    verdict, questions = talk(PUSH, answers)
    assert (questions, verdict.outcome) == (asked, outcome)


@pytest.mark.parametrize(
    ("changes", "profiles", "reason"),
    [
        pytest.param({}, [jane(blackList=True)], "opted out on the platform (blackList)", id="all"),
        pytest.param(
            {},
            [jane(blackListEmail="true")],
            "opted out on the platform (blackListEmail)",
            id="this channel",
        ),
        pytest.param(
            {"channel": "sms"},
            [jane(blackListMobile=True)],
            "opted out on the platform (blackListMobile)",
            id="sms",
        ),
        pytest.param(
            {},
            [jane(), jane(blackListEmail=True)],
            "opted out on the platform (blackListEmail)",
            id="the strictest of several",
        ),
        pytest.param(
            {"contact_class": "marketing"},
            [{"email": "jane@example.com"}],
            "consent unknown on the platform (blackList)",
            id="unknown is no for marketing",
        ),
        pytest.param(
            {"contact_class": "marketing"},
            [jane(blackListEmail="perhaps")],
            "consent unknown on the platform (blackListEmail)",
            id="and so is what is neither yes nor no",
        ),
    ],
)
def test_consent_that_the_platform_knows_suppresses(
    changes: dict[str, Any], profiles: list[dict[str, Any]], reason: str
) -> None:
    """The transactional call ignores opt-outs, so nothing is triggered."""
    verdict, asked = talk(act(**changes), [TOKEN, found(*profiles)])
    assert replace(verdict, shown=None) == Verdict("suppressed", reason)
    assert asked == [SIGN, FIND]


@pytest.mark.parametrize(
    ("changes", "answers", "asked", "outcome"),
    [
        pytest.param({}, [TOKEN, found(jane()), DONE], [SIGN, FIND, EVENT], "accepted", id="email"),
        pytest.param(
            {"channel": "sms"},
            [TOKEN, found(jane(blackListEmail=True)), DONE],
            [SIGN, FIND, EVENT],
            "accepted",
            id="another channel's refusal",
        ),
        pytest.param({}, [TOKEN, found(), DONE], [SIGN, FIND, EVENT], "accepted", id="no profile"),
        pytest.param(
            {}, [TOKEN, found({"email": "jane@example.com"}), DONE], [SIGN, FIND, EVENT],
            "accepted", id="a service message where consent is not shown",
        ),
        pytest.param(
            {"variant": "other"},
            [TOKEN, found(), DONE],
            [SIGN, FIND, "POST /mcacme/EVTone"],
            "accepted",
            id="the action's own event",
        ),
        pytest.param(
            {}, [TOKEN, Failure("sent", "x")], [SIGN, FIND], "retry", id="unanswered find"
        ),
        pytest.param(
            {}, [TOKEN, found(), Failure("connect", "x")], [SIGN, FIND, EVENT], "retry",
            id="event never left",
        ),
        pytest.param(
            {}, [TOKEN, found(), Failure("sent", "x")], [SIGN, FIND, EVENT], "in_doubt",
            id="event unanswered",
        ),
        pytest.param(
            {}, [TOKEN, found(), httpx.Response(504)], [SIGN, FIND, EVENT], "in_doubt",
            id="event unheard by the gateway",
        ),
        pytest.param(
            {}, [TOKEN, httpx.Response(504)], [SIGN, FIND], "retry",
            id="find unheard by the gateway",
        ),
        pytest.param(
            {}, [TOKEN, found(*[jane(email="jane@example.com.au")] * 25)], [SIGN, FIND], "park",
            id="her consent may be on the next page",
        ),
        pytest.param(
            {},
            [TOKEN, found(), httpx.Response(401), Token("t2"), DONE],
            [SIGN, FIND, EVENT, "sign in, not t1", EVENT],
            "accepted",
            id="a refused token did nothing",
        ),
        pytest.param(
            {}, [TOKEN, found(), httpx.Response(200, text="?")], [SIGN, FIND, EVENT], "accepted",
            id="success without a reference",
        ),
        pytest.param(
            {"identifiers": person(phone="+33612345678"), "channel": "sms"}, [], [],
            "reject", id="consent cannot be looked up",
        ),
    ],
)  # fmt: skip
def test_an_action_goes(
    changes: dict[str, Any], answers: list[Told], asked: list[str], outcome: Outcome
) -> None:
    """Consent first; then the event, which is never sent twice."""
    verdict, questions = talk(act(**changes), answers)
    assert (questions, verdict.outcome) == (asked, outcome)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({"channel": "post"}, "reject", id="channel not served"),
        pytest.param({"identifiers": person(phone="+33612345678")}, "reject", id="no e-mail"),
        pytest.param({"channel": "sms", "identifiers": person(email="j@example.com")}, "reject",
                     id="no phone"),
        pytest.param({"contact_class": "internal"}, "reject", id="an internal alert"),
        pytest.param({"action": "unheard_of"}, "park", id="no event for the action"),
    ],
)  # fmt: skip
def test_what_a_target_cannot_do_is_said_without_a_call(
    changes: dict[str, Any], outcome: Outcome
) -> None:
    """Nothing is asked of the platform."""
    told = action_deal(ADOBE, NAMES, platforms.action(**changes), keyed=False, now=NOW)
    assert isinstance(told, Verdict)
    assert told.outcome == outcome
    assert "example.com" not in told.reason


@pytest.mark.parametrize(("channel", "code"), [("email", "0"), ("sms", "1")])
def test_a_channel_is_said_in_the_platforms_word(channel: Channel, code: str) -> None:
    """Campaign v8 numbers its channels; where a preset has no word, ours is said."""
    v8 = Account(load_preset("adobe_campaign_v8"), BASE, {})
    for account, said in ((v8, code), (ADOBE, channel)):
        call = platforms.action(channel=channel)
        deal = action_deal(account, NAMES, call, keyed=False, now=NOW)
        assert isinstance(deal, Deal)
        assert deal.names["channel_code"] == said


@pytest.mark.parametrize(
    ("href", "reference"),
    [
        pytest.param("mcacme/EVTone/@1", "mcacme/EVTone/@1", id="as it is"),
        pytest.param(7, "7", id="a number"),
        pytest.param("a\x00b", None, id="what no row can hold"),
        pytest.param("a\r\nb", None, id="lines"),
        pytest.param("x" * 513, None, id="a novel"),
        pytest.param(["a"], None, id="no text"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_only_a_plain_reference_is_kept(href: object, reference: str | None) -> None:
    """It is stored as it is; whatever it is, the event was accepted."""
    answer = httpx.Response(200, json={"href": href})
    verdict, _ = talk(act(), [TOKEN, found(), answer])
    assert (verdict.outcome, verdict.reference) == ("accepted", reference)


def test_only_the_request_that_acts_is_marked() -> None:
    """The shell repeats a find, and no marked request that left without a key."""
    flow = exchange(ADOBE, act(), at=NOW)
    next(flow)
    find = flow.send(TOKEN)
    event = flow.send(found())
    assert isinstance(find, httpx.Request)
    assert isinstance(event, httpx.Request)
    assert (find.extensions["effect"], event.extensions["effect"]) == (False, True)


@pytest.mark.parametrize(
    "link",
    [
        "http://mc.adobe.io/x",
        "https://mc.adobe.io:444/x",
        "https://mc.adobe.io.evil.example/x",
        "https://mc.adobe.io@evil.example/x",
        "https://user@mc.adobe.io/x",
        "https://evil.example/mc.adobe.io",
        "//evil.example/x",
        "/acme/x",
        "https://mc.adobe.io/\r\nX: y",
        "",
        7,
        None,
    ],
)
def test_a_link_off_the_platforms_origin_is_refused(link: object) -> None:
    """The token goes nowhere else."""
    with pytest.raises(Unrenderable):
        same_origin(BASE, link)


def test_a_link_on_the_origin_is_taken_as_it_is() -> None:
    """Keys are opaque."""
    assert str(same_origin(BASE, HREF)) == HREF


def test_secrets_do_not_show() -> None:
    """Not in what a debugger or a log would print."""
    assert "t1" not in repr(TOKEN)
    assert "t1" not in repr(SignIn(stale="t1"))
    assert "hush" not in repr(ADOBE)


@pytest.mark.parametrize(
    ("link", "below"),
    [
        pytest.param("mcacme/EVTx/@evt-1", f"{BASE}/mcacme/EVTx/@evt-1", id="below-the-base"),
        pytest.param("a/../../b", "a/../../b", id="dots"),
        pytest.param("/a/b", "/a/b", id="from-the-root"),
        pytest.param("//evil.example/x", "//evil.example/x", id="another-host"),
        pytest.param("a:b/c", "a:b/c", id="another-scheme"),
        pytest.param("a/b?c=d", "a/b?c=d", id="with-a-query"),
        pytest.param("alone", "alone", id="no-path"),
        pytest.param(HREF, HREF, id="whole"),
        pytest.param(7, 7, id="no-text"),
    ],
)
def test_only_a_plain_path_is_completed_below_the_base(link: object, below: object) -> None:
    """Some links come without the platform's own address; all else is for the origin to refuse."""
    assert completed(BASE, link) == below
