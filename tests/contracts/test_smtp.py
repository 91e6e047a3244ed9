"""Mail against a real SMTP server that misbehaves: what it took is sent, silence is doubt."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.dispatcher.calls.calls import ActionCall, Carrier, Verdict
from shared.stop_links import Stop
from tests.builders import platforms
from tests.builders.mail_server import (
    LINKS,
    SOURCES,
    MailServer,
    mail_carrier,
    mail_server,
    one_line_server,
)
from tests.builders.platforms import DELIVERY, NOW, person

BUDGET = timedelta(seconds=20)
#: Long enough to come as far as DATA on a busy machine, and short enough to wait for.
SHORT = timedelta(seconds=2)
CALL = replace(
    platforms.ACTION,
    template="HI",
    attributes={"called_by": "Jane", "note": "All is well."},
    context={"signed_by": "Zoé Martin", "reply_to": "zoe@shop.example"},
)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    """Run a server that offers STARTTLS and wants a sign-in."""
    async with mail_server() as running:
        yield running


async def act(server: MailServer, call: ActionCall = CALL, **changes: Any) -> Verdict:
    """Send one message."""
    carrier: Carrier = mail_carrier(server.port, **changes)
    return await carrier.act(call, budget=BUDGET, now=NOW)


async def test_a_message_is_taken_under_tls(server: MailServer) -> None:
    """The reference is the message's own id, which is the delivery's."""
    verdict = await act(server)
    assert verdict == Verdict(
        "accepted", "taken by the mail server", reference=f"<{DELIVERY}@shop.example>"
    )
    assert server.under_tls == [True]
    assert server.received[0].mail_from == "hello@shop.example"
    assert server.received[0].rcpt_tos == ["jane@example.com"]


async def test_what_a_reader_gets(server: MailServer) -> None:
    """A person of a company, who can be answered, in two parts that say the same."""
    await act(server)
    message = server.message()
    assert message["From"] == '"Zoé Martin, Maison Exemple" <hello@shop.example>'
    assert message["To"] == "jane@example.com"
    assert message["Reply-To"] == "zoe@shop.example"
    assert message["Subject"] == "For Jane"
    assert message["Message-ID"] == f"<{DELIVERY}@shop.example>"
    assert message["X-Delivery-ID"] == str(DELIVERY)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "en"
    assert message["Date"].datetime == NOW
    assert message["List-Unsubscribe"] is None
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == ["Hello Jane. All is well.", "Zoé Martin"]
    assert "<p>Zoé Martin</p>" in html.get_content()


async def test_a_message_goes_in_her_language(server: MailServer) -> None:
    """Where the template has it; else in the first it has."""
    call = replace(CALL, attributes={**CALL.attributes, "language": "fr-CA"})
    await act(server, call)
    assert server.message()["Subject"] == "Pour Jane"
    assert server.message()["Content-Language"] == "fr"


@pytest.mark.parametrize("contact_class", ["marketing", "survey"])
async def test_what_may_be_stopped_is_stopped_by_one_click(
    server: MailServer, contact_class: str
) -> None:
    """RFC 8058, without an address in the URL."""
    assert (await act(server, replace(CALL, contact_class=contact_class))).outcome == "accepted"
    ways = server.message()["List-Unsubscribe"].split()
    assert " ".join(ways) == (
        f"<https://shop.example/stop/{DELIVERY}>, "
        f"<mailto:stop@shop.example?subject=unsubscribe%20{DELIVERY}>"
    )
    assert server.message()["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("contact_class", ["marketing", "survey"])
async def test_one_click_leads_to_our_own_page(server: MailServer, contact_class: Any) -> None:
    """The link of the header and the one that a reader sees are one, and ingest can read it."""
    sources = {**SOURCES, "HI.en.txt.j2": "Stop: {{ unsubscribe_url }}"}
    ours = "https://nps.shop.example/u/{{token}}"
    call = replace(CALL, contact_class=contact_class)
    await act(server, call, sources=sources, unsubscribe_url=ours, unsubscribe_mail="")
    message = server.message()
    token = LINKS.token(Stop(DELIVERY, contact_class))
    assert "".join(message["List-Unsubscribe"].split()) == f"<https://nps.shop.example/u/{token}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert LINKS.read(token) == Stop(DELIVERY, contact_class)
    text = message.get_body(("plain",))
    assert text is not None
    assert f"https://nps.shop.example/u/{token}" in text.get_content()


@pytest.mark.parametrize("contact_class", ["service", "asked_for"])
async def test_what_she_needs_or_asked_for_offers_no_way_to_stop_it(
    server: MailServer, contact_class: Any
) -> None:
    """An answer to her complaint is no newsletter."""
    await act(server, replace(CALL, contact_class=contact_class))
    assert server.message()["List-Unsubscribe"] is None
    assert server.message()["List-Unsubscribe-Post"] is None


async def test_what_nobody_could_stop_is_not_sent(server: MailServer) -> None:
    """A marketing message of an account without a way out waits for a person."""
    call = replace(CALL, contact_class="marketing")
    verdict = await act(server, call, unsubscribe_url="", unsubscribe_mail="")
    assert verdict.outcome == "park"
    assert server.received == []


async def test_tls_from_the_first_byte() -> None:
    """Port 465, as RFC 8314 wants it."""
    async with mail_server(direct=True) as server:
        assert (await act(server, security="tls")).outcome == "accepted"
        assert server.under_tls == [True]


@pytest.mark.parametrize(
    ("stage", "said", "outcome", "reason"),
    [
        pytest.param(
            "MAIL", "421 4.7.0 later", "throttle", "SMTP 421 4.7.0 at sender", id="it closes"
        ),
        pytest.param("MAIL", "451 4.3.0 x", "throttle", "SMTP 451 4.3.0 at sender", id="a limit"),
        pytest.param(
            "MAIL", "550 5.7.1 x", "disable_target", "SMTP 550 5.7.1 at sender", id="not our From"
        ),
        pytest.param("MAIL", "552 5.3.4 x", "reject", "SMTP 552 5.3.4 at sender", id="too large"),
        pytest.param(
            "MAIL", "530 5.7.0 x", "disable_target", "SMTP 530 5.7.0 at sender", id="not signed in"
        ),
        pytest.param("RCPT", "450 4.2.1 x", "retry", "SMTP 450 4.2.1 at recipient", id="busy"),
        pytest.param("RCPT", "451 4.7.1 x", "retry", "SMTP 451 4.7.1 at recipient", id="greylist"),
        pytest.param("RCPT", "421 x", "throttle", "SMTP 421 at recipient", id="closing"),
        pytest.param(
            "RCPT",
            "550 5.1.1 <jane@example.com> unknown",
            "reject",
            "SMTP 550 5.1.1 at recipient: no such mailbox",
            id="no such mailbox",
        ),
        pytest.param("RCPT", "550 no", "reject", "SMTP 550 at recipient", id="no enhanced code"),
        pytest.param("DATA", "451 4.3.2 x", "retry", "SMTP 451 4.3.2 at message", id="not taken"),
        pytest.param(
            "DATA", "554 5.7.1 x", "reject", "SMTP 554 5.7.1 at message", id="not as it is"
        ),
        pytest.param("DATA", "421 4.3.2 x", "throttle", "SMTP 421 4.3.2 at message", id="leaving"),
        pytest.param("DATA", "299 hm", "in_doubt", "not understood", id="neither yes nor no"),
    ],
)
async def test_every_refusal_has_its_consequence(
    server: MailServer, stage: str, said: str, outcome: str, reason: str
) -> None:
    """Permanent is final, temporary is later, and who we are concerns the whole target."""
    server.says[stage] = said
    verdict = await act(server)
    assert verdict.outcome == outcome
    assert reason in verdict.reason
    assert "jane" not in verdict.reason


async def test_a_wrong_password_stops_the_target(server: MailServer) -> None:
    """535 is not the customer's fault, and knocking on would lock the account."""
    verdict = await act(server, password="wrong")
    assert verdict.outcome == "disable_target"
    assert verdict.reason.startswith("SMTP 535")
    assert server.received == []


async def test_a_connection_that_breaks_after_the_message_leaves_doubt(server: MailServer) -> None:
    """The server has it, and nobody said so: a repeat would be a second message."""
    server.closes = "DATA"
    verdict = await act(server)
    assert verdict == Verdict("in_doubt", "sent, but not answered: the connection broke")
    assert len(server.received) == 1


@pytest.mark.parametrize("stage", ["MAIL", "RCPT"])
async def test_a_connection_that_breaks_before_the_message_is_tried_again(
    server: MailServer, stage: str
) -> None:
    """Nothing was sent."""
    server.closes = stage
    assert (await act(server)).outcome == "retry"
    assert server.received == []


@pytest.mark.parametrize(("stage", "outcome"), [("RCPT", "retry"), ("DATA", "in_doubt")])
async def test_a_server_that_says_nothing_is_left_in_time(
    server: MailServer, stage: str, outcome: str
) -> None:
    """What the silence means depends on what had been said before."""
    server.hangs = stage
    began = asyncio.get_running_loop().time()
    verdict = await mail_carrier(server.port).act(CALL, budget=SHORT, now=NOW)
    assert verdict.outcome == outcome
    assert asyncio.get_running_loop().time() - began < BUDGET.total_seconds()


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        pytest.param(b"421 4.3.2 full\r\n", "throttle", id="full"),
        pytest.param(b"554 5.7.1 not you\r\n", "disable_target", id="not you"),
        pytest.param(b"", "retry", id="silence"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n", "retry", id="no mail server"),
    ],
)
async def test_a_greeting_that_is_none(line: bytes, outcome: str) -> None:
    """Before we said a word."""
    async with one_line_server(line) as port:
        verdict = await mail_carrier(port).act(CALL, budget=BUDGET, now=NOW)
    assert verdict.outcome == outcome


async def test_no_server_is_tried_again() -> None:
    """Nobody listens: nothing left us."""
    async with one_line_server(b"") as port:
        pass
    verdict = await mail_carrier(port).act(CALL, budget=BUDGET, now=NOW)
    assert verdict.outcome == "retry"
    assert "localhost" not in verdict.reason


async def test_nothing_goes_in_the_clear() -> None:
    """A server that offers no STARTTLS gets neither password nor message."""
    async with mail_server(tls=False) as server:
        verdict = await act(server)
        assert verdict.outcome == "disable_target"
        assert "STARTTLS" in verdict.reason
        assert server.received == []


async def test_a_certificate_of_somebody_else_is_not_trusted(server: MailServer) -> None:
    """Whoever listens between us and the server reads nothing."""
    verdict = await act(server, trusting=False)
    assert verdict.outcome == "disable_target"
    assert "certificate" in verdict.reason
    assert server.received == []


async def test_addresses_inside_are_refused_unless_allowed(server: MailServer) -> None:
    """A setting must not turn the connector against its own network."""
    verdict = await act(server, allow_private=False)
    assert verdict.outcome == "disable_target"
    assert "allow_private" in verdict.reason
    assert server.received == []


HOSTILE = [
    "Jane\r\nBcc: all@example.org",
    "Jane\nSubject: other\n\nbody",
    "{{ 7 * 7 }}{% for x in range(9) %}x{% endfor %}",
    "{{ self.__init__.__globals__ }}",
    "</td></tr></table><script>alert(1)</script>",
    '" onmouseover="x',
    "Jane\x00\x1b[31m\u202e\u2028",
    ".\r\n.\r\nQUIT\r\n",
    "=?utf-8?q?Bcc=3A?=",
    "é" * 500,
    "\ud800",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_values_are_only_values(server: MailServer, name: str) -> None:
    """No header more, no element more, nothing run; the message says what was written."""
    call = replace(CALL, attributes={"called_by": name, "note": name})
    assert (await act(server, call)).outcome == "accepted"
    message = server.message()
    assert message["Bcc"] is None
    assert len(message.get_all("Subject", [])) == 1
    assert "\n" not in message["Subject"]
    assert message["Message-ID"] == f"<{DELIVERY}@shop.example>"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    html = message.get_body(("html",))
    text = message.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "<script>" not in html.get_content()
    assert html.get_content().count("<td") == 1
    assert '" onmouseover' not in html.get_content()
    assert text.get_content().rstrip().endswith("Zoé Martin")
    if "{{" in name:
        assert name in text.get_content()


@pytest.mark.parametrize(
    "signed_by", ["Zoé\r\nBcc: all@example.org", 'Zoé" <all@example.org>', "a, b <c@example.org>"]
)
async def test_a_signature_names_one_sender(server: MailServer, signed_by: str) -> None:
    """Whatever it holds, the address is that of the account."""
    call = replace(CALL, context={"signed_by": signed_by})
    assert (await act(server, call)).outcome == "accepted"
    (sender,) = server.message()["From"].addresses
    assert sender.addr_spec == "hello@shop.example"
    assert server.message()["Bcc"] is None


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("jane@example.com>\r\nRCPT TO:<all@example.org", id="a second command"),
        pytest.param("jane@example.com, all@example.org", id="two"),
        pytest.param("jane", id="no domain"),
        pytest.param("jané@example.com", id="a name that needs SMTPUTF8"),
        pytest.param("jane..x@example.com", id="two dots"),
        pytest.param("jane@exa mple.com", id="a space"),
    ],
)
async def test_an_address_that_is_none_is_refused(server: MailServer, address: str) -> None:
    """Before a connection, without saying it."""
    verdict = await act(server, replace(CALL, identifiers=person(email=address)))
    assert verdict == Verdict("reject", "the address is none that mail can go to")
    assert server.received == []


async def test_a_domain_in_other_letters_is_written_for_the_wire(server: MailServer) -> None:
    """As the registries know it."""
    assert (
        await act(server, replace(CALL, identifiers=person(email="jane@bücher.example")))
    ).outcome == "accepted"
    assert server.received[0].rcpt_tos == ["jane@xn--bcher-kva.example"]


async def test_a_value_that_is_missing_waits_for_a_person(server: MailServer) -> None:
    """Named, and nothing of hers with it."""
    verdict = await act(server, replace(CALL, attributes={"called_by": "Jane"}))
    assert verdict == Verdict("park", "template HI.en.txt.j2: no value for note")
    assert server.received == []


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({"template": "OTHER"}, "park", id="no such template"),
        pytest.param({"contact_class": "internal"}, "reject", id="an alert would reach her"),
        pytest.param({"channel": "sms"}, "reject", id="not a channel of mail"),
        pytest.param({"identifiers": person(phone="+33612345678")}, "reject", id="no address"),
        pytest.param({"deadline": NOW}, "retry", id="too late"),
    ],
)
async def test_what_cannot_be_sent_is_told_before_a_connection(
    server: MailServer, changes: dict[str, Any], outcome: str
) -> None:
    """Nothing leaves."""
    assert (await act(server, replace(CALL, **changes))).outcome == outcome
    assert server.received == []


async def test_the_same_delivery_is_the_same_bytes(server: MailServer) -> None:
    """So that a repeat after a doubt is recognised by who reads it."""
    await act(server)
    await act(server)
    first, second = (envelope.content for envelope in server.received)
    assert first == second
