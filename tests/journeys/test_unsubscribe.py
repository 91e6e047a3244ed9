"""Mail sent, one click, and nothing of marketing goes any more: through all three services."""

import uuid
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.examples import Answer
from tests.builders.mail_server import MailServer, mail_server
from tests.builders.sink import Sink
from tests.builders.system import System, open_system, to_the_sink
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
YES = {"consent_email": "yes"}
TEMPLATES = {
    f"{name}.en.{kind}.j2": text
    for name in ("OFFER", "SORRY")
    for kind, text in (
        ("subject.txt", f"{name}"),
        ("txt", "Hello.{% if unsubscribe_url is defined %} {{ unsubscribe_url }}{% endif %}"),
        ("html", '<html lang="en"><body><p>Hello.</p></body></html>'),
    )
}


def by_mail(port: int) -> Callable[[dict[str, Any]], None]:
    """Add a mail account at a server of this machine, with the page of ingest behind its links."""

    def edit(targets: dict[str, Any]) -> None:
        to_the_sink(targets)
        targets["targets"]["mail"] = {
            "preset": "smtp",
            "vars": {
                "host": "localhost",
                "port": str(port),
                "security": "none",
                "from": "hello@shop.example",
                "brand": "Maison Exemple",
                "unsubscribe_url": "https://nps.shop.example/u/{{token}}",
            },
            "allow_http": True,
            "allow_private": True,
            "sandbox": True,
            "skip_delay_and_quiet_hours": True,
        }

    return edit


def offers_and_sorrow(playbook: dict[str, Any]) -> None:
    """An offer to promoters, which is marketing, and an apology to detractors, which is service."""
    offer = {"action": "offer", "class": "marketing", "variants": {"default": "OFFER"}}
    sorry = {
        "action": "sorry",
        "class": "service",
        "legal_basis": "contract",
        "variants": {"default": "SORRY"},
    }
    playbook["plays"] = [
        {
            "name": str(do["action"]),
            "when": {"trigger": "received", "segment": [segment]},
            "do": {"channels": ["email"], "target": "mail", **do},
        }
        for segment, do in (("promoter", offer), ("detractor", sorry))
    ]


def mails(server: MailServer) -> list[EmailMessage]:
    """Read what the server took."""
    read = [message_from_bytes(one.original_content or b"", policy=default)
            for one in server.received]  # fmt: skip
    return [one for one in read if isinstance(one, EmailMessage)]


async def click(system: System, message: EmailMessage) -> httpx.Response:
    """Do what a mail program does with the two headers (RFC 8058)."""
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = "".join(message["List-Unsubscribe"].split()).strip("<>")
    path = address.removeprefix("https://nps.shop.example")
    async with httpx.AsyncClient() as client:
        looked = await client.get(f"{system.ingest.url}{path}")
        assert looked.status_code == 200
        return await client.post(
            f"{system.ingest.url}{path}", data={"List-Unsubscribe": "One-Click"}
        )


async def test_after_one_click_nothing_of_marketing_goes_and_an_apology_does(
    tmp_path: Path, server: str, kafka: str, sink: Sink, someone: Callable[[], str]
) -> None:
    """She gets an offer, stops it, and later answers earn no offer; her complaint is answered."""
    email = someone()
    async with (
        mail_server(tls=False) as post,
        open_system(
            tmp_path, server, kafka, sink, playbook=offers_and_sorrow, targets=by_mail(post.port)
        ) as system,
    ):
        folder = tmp_path / "config" / "templates"
        folder.mkdir()
        for name, text in TEMPLATES.items():
            (folder / name).write_text(text)
        await system.start()
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=10, email=email, hidden=YES))
        await system.settled(email, 1)
        (offer,) = mails(post)
        done = await click(system, offer)
        assert done.status_code == 200

        async def known() -> bool:
            told = await system.customer(email)
            refused = [p for p in told["permits"] if p["contact_class"] == "marketing"]
            (sent,) = await system.deliveries(email)
            return sent["message"] == "unsubscribed" and not any(p["allowed"] for p in refused)

        await eventually(known, what="segmenter and dispatcher know that she unsubscribed")
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=9, email=email))
        found = {d["state"]: d for d in await system.settled(email, 2)}
        assert set(found) == {"accepted", "suppressed"}
        assert found["suppressed"]["reason"].startswith("no permit for marketing: email: ")
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=1, email=email))
        await system.settled(email, 3)
        assert [message["Subject"] for message in mails(post)] == ["OFFER", "SORRY"]
        assert mails(post)[1]["List-Unsubscribe"] is None
        token = offer["List-Unsubscribe"].rpartition("/")[2].strip("<> \r\n")
        assert token not in system.logs()
        assert email not in system.logs()
