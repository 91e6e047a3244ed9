"""One message as bytes: headers, a text part and an HTML part (RFC 5322). Pure.

In: what is said, by whom, to whom, the moment. Out: bytes that are the same for the same delivery
and moment. Raises `Unwritable` for an address that no message can go to. No value can add a header
or a line: control characters are gone before, and what is not ASCII is encoded.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from uuid import UUID

import idna

from services.dispatcher.platforms.smtp.account import Account
from services.dispatcher.platforms.smtp.shelf import Unwritable, Written, one_line
from shared.stop_links import Stop

_ADDRESS: Final = re.compile(r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@([^@\s]{1,253})")
_DOMAIN: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})+")
#: Readers show some 40 characters of who wrote.
_LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, in the play's words; empty where it names nobody."""

    name: str = ""
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """All that one message says and shows."""

    written: Written
    delivery_id: UUID
    to: str
    signer: Signer
    now: datetime
    #: What its reader may stop by one click; None: such messages cannot be stopped.
    stop: Stop | None


def message_id(account: Account, delivery_id: UUID) -> str:
    """Name the message; the same at every attempt of a delivery."""
    return f"<{delivery_id}@{account.sender.rpartition('@')[2].lower()}>"


def unsubscribe_url(account: Account, stop: Stop) -> str:
    """Address the page that stops such messages; empty if the account has none."""
    url = account.unsubscribe_url.replace("{{delivery_id}}", str(stop.delivery_id))
    return url.replace("{{token}}", account.sign(stop)) if "{{token}}" in url else url


def write_letter(account: Account, letter: Letter) -> bytes:
    """Write the bytes as they go over the wire, lines ended by CRLF."""
    made = EmailMessage(policy=SMTP)
    made["Message-ID"] = message_id(account, letter.delivery_id)
    made["Date"] = format_datetime(letter.now)
    made["From"] = Address(_sender_name(account, letter.signer), addr_spec=account.sender)
    made["To"] = Address(addr_spec=mailable(letter.to))
    reply_to = letter.signer.reply_to or account.reply_to
    if reply_to:
        made["Reply-To"] = Address(addr_spec=mailable(reply_to))
    made["Subject"] = one_line(letter.written.subject)
    # A machine wrote: holiday notes and other machines do not answer (RFC 3834).
    made["Auto-Submitted"] = "auto-generated"
    made["X-Delivery-ID"] = str(letter.delivery_id)
    if letter.stop is not None:
        _let_stop(made, account, letter.stop)
    made.set_content(letter.written.text, cte="quoted-printable")
    made.add_alternative(letter.written.html, subtype="html", cte="quoted-printable")
    # Only now: a part that is made takes all that begins with "Content-" along.
    made["Content-Language"] = letter.written.language
    # By chance otherwise: the same message is the same bytes.
    made.set_boundary(f"nps-{letter.delivery_id.hex}")
    return made.as_bytes()


def mailable(address: str) -> str:
    """Write an address as SMTP takes it everywhere. Raises `Unwritable`."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise Unwritable("the address is none that mail can go to")
    try:
        domain = found[2] if found[2].isascii() else idna.encode(found[2], uts46=True).decode()
    except idna.IDNAError:
        domain = ""
    dotted = found[1].startswith(".") or found[1].endswith(".") or ".." in found[1]
    if dotted or not _DOMAIN.fullmatch(domain):
        raise Unwritable("the address is none that mail can go to")
    return f"{found[1]}@{domain}"


def _sender_name(account: Account, signer: Signer) -> str:
    """Name a person of a company: "Camille Roux, Shop"."""
    parts = [one_line(signer.name), one_line(account.brand)]
    return ", ".join(part for part in parts if part)[:_LONGEST_NAME].strip(" ,")


def _let_stop(made: EmailMessage, account: Account, stop: Stop) -> None:
    """Offer to unsubscribe: by one click where there is a URL (RFC 2369, RFC 8058)."""
    url = unsubscribe_url(account, stop)
    mail = f"mailto:{account.unsubscribe_mail}?subject=unsubscribe%20{stop.delivery_id}"
    ways = [f"<{way}>" for way in (url, mail if account.unsubscribe_mail else "") if way]
    made["List-Unsubscribe"] = ", ".join(ways)
    if url:
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
