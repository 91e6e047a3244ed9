"""A real SMTP server on loopback that misbehaves on demand, and the product's carrier for it.

`server.says[stage]` puts a reply in place of the good one at a stage (`MAIL`, `RCPT`, `DATA`);
`closes` and `hangs` name a stage at which it hangs up, or says nothing more.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.dispatcher.calls.calls import Idempotency
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.fields import Written
from services.dispatcher.platforms.smtp.account import make_smtp_account
from services.dispatcher.platforms.smtp.carrier import SmtpCarrier
from services.dispatcher.platforms.smtp.conversation import Line
from services.dispatcher.platforms.smtp.shelf import Shelf
from services.dispatcher.platforms.smtp.writing import Desk
from services.dispatcher.platforms.wired import load_wired
from shared.stop_links import StopLinks
from tests.builders.ingest import ENVIRON
from tests.builders.platforms import NOW

USER, PASSWORD = "made-up-user", "made-up-password"
#: Under the key that ingest has in tests.
LINKS = StopLinks(ENVIRON["NPS_ROUTE_SECRET"].encode())
#: A template of each kind of place where a value may stand.
SOURCES = {
    "HI.en.subject.txt.j2": "For {{ name }}",
    "HI.en.txt.j2": "Hello {{ name }}. {{ note }}\n{{ signed_by }}\n",
    "HI.en.html.j2": (
        '<html lang="en"><body><table><tr><td title="{{ name }}">Hello {{ name }}. {{ note }}'
        "</td></tr></table><p>{{ signed_by }}</p></body></html>"
    ),
    "HI.fr.subject.txt.j2": "Pour {{ name }}",
    "HI.fr.txt.j2": "Bonjour {{ name }}. {{ note }}\n{{ signed_by }}\n",
    "HI.fr.html.j2": (
        '<html lang="fr"><body><p>Bonjour {{ name }}. {{ note }}</p><p>{{ signed_by }}</p>'
        "</body></html>"
    ),
}


@dataclass
class MailServer:
    """What a test tells it, and what it was told."""

    port: int = 0
    says: dict[str, str] = field(default_factory=dict)
    closes: str = ""
    hangs: str = ""
    received: list[Envelope] = field(default_factory=list)
    under_tls: list[bool] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._answer("MAIL", server, "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        said = await self._answer("RCPT", server, "250 OK")
        if said.startswith("2"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        # It was taken, whatever is said of it: that is what makes silence a doubt.
        if self.says.get("DATA", "2").startswith("2"):
            self.received.append(envelope)
        transport = server.transport
        secured = transport is not None and transport.get_extra_info("sslcontext") is not None
        self.under_tls.append(secured)
        return await self._answer("DATA", server, "250 taken")

    async def _answer(self, stage: str, server: SMTP, good: str) -> str:
        if self.hangs == stage:
            await self._released.wait()
        if self.closes == stage and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return self.says.get(stage, good)

    def message(self) -> EmailMessage:
        """The one message that was taken, read as its reader's program would."""
        (envelope,) = self.received
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    def release(self) -> None:
        """Let whatever hangs go on."""
        self._released.set()


@asynccontextmanager
async def mail_server(*, tls: bool = True, direct: bool = False) -> AsyncIterator[MailServer]:
    """Run a server. `tls`: it offers STARTTLS and sign-in; `direct`: it begins with TLS."""
    told = MailServer()
    loop = asyncio.get_running_loop()

    def sign_in(*args: Any) -> AuthResult:
        given = args[-1]
        assert isinstance(given, LoginPassword)
        good = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=good)

    def session() -> SMTP:
        return SMTP(
            told,
            hostname="mail.example",
            tls_context=_server_tls() if tls and not direct else None,
            require_starttls=tls and not direct,
            # It knows of no other TLS than STARTTLS.
            auth_require_tls=not direct,
            authenticator=sign_in,
            loop=loop,
        )

    server = await loop.create_server(
        session, "127.0.0.1", 0, ssl=_server_tls() if direct else None
    )
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        told.release()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def one_line_server(line: bytes) -> AsyncIterator[int]:
    """Run a server that says one line to everybody and hangs up; yields its port."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def mail_carrier(
    port: int,
    *,
    sources: Mapping[str, str] | None = None,
    trusting: bool = True,
    allow_private: bool = True,
    shadow: bool = False,
    at: datetime = NOW,
    **changes: str,
) -> SmtpCarrier:
    """Make the carrier of an account at a server of this machine."""
    preset = load_wired("smtp")
    known = {name: var.default or "" for name, var in preset.vars.items()} | {
        "host": "localhost",
        "port": str(port),
        "user": USER,
        "password": PASSWORD,
        "from": "hello@shop.example",
        "brand": "Maison Exemple",
        "unsubscribe_url": "https://shop.example/stop/{{delivery_id}}",
        "unsubscribe_mail": "stop@shop.example",
        **changes,
    }
    message = {"called_by": Written(field="name"), "note": Written(field="note")}
    return SmtpCarrier(
        "smtp",
        Line(
            account=make_smtp_account(known, allow_plain=True, sign=LINKS.token),
            allow_private=allow_private,
            connect_s=5,
            tls=_client_tls() if trusting else ssl.create_default_context(),
        ),
        Desk(preset, Shelf(SOURCES if sources is None else sources), Names(message=message)),
        idempotency=Idempotency("none"),
        clock=lambda: at,
        shadow=shadow,
    )


@cache
def _key_and_certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, made.public_bytes(serialization.Encoding.PEM)


@cache
def _server_tls() -> ssl.SSLContext:
    private, certificate = _key_and_certificate()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with TemporaryDirectory() as folder:
        key, chain = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        key.write_bytes(private)
        chain.write_bytes(certificate)
        context.load_cert_chain(chain, key)
    return context


@cache
def _client_tls() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=_key_and_certificate()[1].decode())
