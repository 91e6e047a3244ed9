"""One conversation with a mail server: greeting, TLS, sign-in, one message.

In: the account, an envelope, the message's bytes, seconds. Out: a `Verdict`; never raises but for
bugs, and ends in time. A connection serves one message: what breaks is about that message only.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiosmtplib

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.platforms.smtp.account import Account
from services.dispatcher.platforms.smtp.answers import Stage, judge_reply, judge_trouble, read_reply
from services.dispatcher.platforms.smtp.dial import Refused, dial
from services.dispatcher.platforms.smtp.writing import Envelope

#: A message is taken or not before QUIT: its answer is politeness.
_QUIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """How the server is reached. `connect_s`: seconds to a connection, the greeting included."""

    account: Account
    allow_private: bool
    connect_s: float
    #: Made once: reading the machine's certificates takes longer than a message.
    tls: ssl.SSLContext


async def hand_over(line: Line, envelope: Envelope, *, left_s: float) -> Verdict:
    """Hand one message over; `accepted` only once the server said that it took it."""
    talk = _Talk(line, envelope)
    try:
        async with asyncio.timeout(left_s):
            return await talk.hold()
    except TimeoutError:
        return judge_trouble(talk.stage, "late")
    finally:
        talk.close()


class _Talk:
    """The state of one conversation: how far it came."""

    def __init__(self, line: Line, envelope: Envelope) -> None:
        self.stage: Stage = "connection"
        self._line = line
        self._envelope = envelope
        self._socket: socket.socket | None = None
        self._smtp: aiosmtplib.SMTP | None = None

    async def hold(self) -> Verdict:
        """Go through the steps; the first that fails ends it."""
        try:
            smtp = await self._connected()
            trouble = await self._introduced(smtp)
            if trouble is not None:
                return trouble
            await self._handed(smtp)
        except aiosmtplib.SMTPResponseException as error:
            return judge_reply(self.stage, read_reply(error.code, error.message))
        except Refused:
            return judge_trouble(self.stage, "refused")
        except (aiosmtplib.SMTPException, OSError) as error:
            if isinstance(error, TimeoutError):
                return judge_trouble(self.stage, "late")
            untrusted = _caused_by(error, ssl.SSLCertVerificationError)
            return judge_trouble(self.stage, "tls" if untrusted else "lost")
        with suppress(aiosmtplib.SMTPException, OSError):
            await smtp.quit(timeout=_QUIT_S)
        return Verdict("accepted", "taken by the mail server")

    def close(self) -> None:
        """Leave nothing open, whatever happened."""
        if self._smtp is not None:
            self._smtp.close()
        elif self._socket is not None:
            self._socket.close()

    async def _connected(self) -> aiosmtplib.SMTP:
        account, line = self._line.account, self._line
        async with asyncio.timeout(line.connect_s):
            self._socket = await dial(account.host, account.port, allow_private=line.allow_private)
            self.stage = "greeting"
            self._smtp = aiosmtplib.SMTP(
                hostname=account.host,
                sock=self._socket,
                # Asked of the resolver otherwise, which may take seconds and tell an inner name.
                local_hostname=account.sender.rpartition("@")[2],
                use_tls=account.security == "tls",
                start_tls=False,
                tls_context=line.tls,
                # Our own deadline ends it, and knows the stage.
                timeout=None,
            )
            await self._smtp.connect()
        return self._smtp

    async def _introduced(self, smtp: aiosmtplib.SMTP) -> Verdict | None:
        """Say who we are, under TLS; a verdict if that cannot be."""
        account = self._line.account
        self.stage = "hello"
        await smtp.ehlo()
        if account.security == "starttls":
            self.stage = "TLS"
            if not smtp.supports_extension("starttls"):
                return judge_trouble(self.stage, "no_tls")
            await smtp.starttls(tls_context=self._line.tls)
            await smtp.ehlo()
        if account.user:
            self.stage = "sign-in"
            if not smtp.supported_auth_methods:
                return judge_trouble(self.stage, "no_sign_in")
            await smtp.login(account.user, account.password)
        return None

    async def _handed(self, smtp: aiosmtplib.SMTP) -> None:
        self.stage = "sender"
        await smtp.mail(self._line.account.sender)
        self.stage = "recipient"
        await smtp.rcpt(self._envelope.to)
        # The library tells no end of DATA from its beginning: from here on silence is doubt.
        self.stage = "message"
        await smtp.data(self._envelope.content)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
