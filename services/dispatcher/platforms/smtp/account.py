"""One account at a mail server, as checked values. Pure.

In: the vars of a target. Out: an `Account`, or `ConfigError` with the fix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.errors import ConfigError
from shared.stop_links import Stop

Security = Literal["starttls", "tls", "none"]
#: Makes the token of a link that only its reader has.
Sign = Callable[[Stop], str]


def unsigned(_stop: Stop) -> str:
    """Stand in for a token where nothing is sent."""
    return "hidden"


@dataclass(frozen=True, slots=True)
class Account:
    """Where messages are handed over, as whom, and how a reader may stop them."""

    host: str
    port: int
    security: Security
    user: str
    password: str = field(repr=False)
    sender: str
    brand: str
    sign: Sign = field(repr=False)
    reply_to: str = ""
    unsubscribe_url: str = ""
    unsubscribe_mail: str = ""

    @property
    def can_stop(self) -> bool:
        """Tell whether a reader could unsubscribe at all."""
        return bool(self.unsubscribe_url or self.unsubscribe_mail)


def make_smtp_account(known: Mapping[str, str], *, allow_plain: bool, sign: Sign) -> Account:
    """Make the account of a target whose vars fit their patterns; `sign` for `{{token}}`."""
    security = known["security"]
    if security == "none" and not allow_plain:
        raise ConfigError("vars.security: none needs allow_http: true: mail would go in the clear")
    port = int(known["port"])
    if not 0 < port < 65536:
        raise ConfigError("vars.port: a number from 1 to 65535")
    if bool(known["user"]) != bool(known["password"]):
        raise ConfigError("vars.user and vars.password go together: give both or none")
    return Account(
        host=known["host"],
        port=port,
        security=_security(security),
        user=known["user"],
        password=known["password"],
        sender=known["from"],
        brand=known["brand"],
        sign=sign,
        reply_to=known["reply_to"],
        unsubscribe_url=known["unsubscribe_url"],
        unsubscribe_mail=known["unsubscribe_mail"],
    )


def _security(said: str) -> Security:
    return "tls" if said == "tls" else "none" if said == "none" else "starttls"
