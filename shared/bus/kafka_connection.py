"""The way to a Kafka: what every client of aiokafka is told, and what is wrong if it does not lead.

aiokafka writes into the log why a broker would not talk, and then says only that it could not
connect. So before topics are compared one connection is made by hand, and its end told in words.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from shared.bus.kafka_security import OPEN, Security
from shared.errors import ConfigError, DependencyAway

_DEADLINE: Final = 10.0


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where the brokers are (host:port, comma separated), who asks, and how it signs in."""

    servers: str
    client_id: str
    security: Security = OPEN

    def options(self) -> dict[str, Any]:
        """Say it as the constructors of aiokafka's producer, consumer and admin want it."""
        return {"bootstrap_servers": self.servers, "client_id": self.client_id, **self._security()}

    async def greet(self) -> None:
        """Have one broker take us, and hang up.

        Raises `ConfigError` where brokers answer and a setting is wrong, naming it; else
        `DependencyAway`.
        """
        words: Sequence[Exception] = ()
        for host, port, _ in collect_hosts(self.servers, randomize=False):
            try:
                async with asyncio.timeout(_DEADLINE):
                    connection = await create_conn(
                        host, port, client_id=self.client_id, **self._security()
                    )
                    await connection.close()
            except (KafkaError, OSError, TimeoutError) as error:
                words = (*words, _judged(self.security, f"{host}:{port}", error))
            else:
                return
        # What a person must correct is told before what may come back by itself.
        raise next((one for one in words if isinstance(one, ConfigError)), words[0])

    def _security(self) -> dict[str, Any]:
        known = self.security
        said: dict[str, Any] = {"security_protocol": known.protocol, "ssl_context": known.context}
        if known.signs_in:
            said |= {
                "sasl_mechanism": known.mechanism,
                "sasl_plain_username": known.user,
                "sasl_plain_password": known.password,
            }
        return said


def _judged(known: Security, broker: str, error: Exception) -> Exception:
    """Say what a connection that was not made asks of whom."""
    fix = _to_correct(known, error)
    if fix is not None:
        return ConfigError(f"Kafka at {broker} {fix}")
    if isinstance(error, ConnectionRefusedError | TimeoutError):
        return DependencyAway(f"Kafka at {broker}")
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | ConnectionError):
        return DependencyAway(f"Kafka at {broker} ({error.strerror or type(error).__name__})")
    hint = f"is NPS_KAFKA_SECURITY_PROTOCOL={known.protocol} what it speaks?"
    if known.context is not None:
        hint += " Does it ask for NPS_KAFKA_TLS_CERTIFICATE?"
    return DependencyAway(f"Kafka at {broker}, which hangs up ({hint}),")


def _to_correct(known: Security, error: Exception) -> str | None:
    """Say what a broker that answers refuses, and the setting to correct; None: it may be away."""
    if isinstance(error, SaslAuthenticationFailed):
        return (
            f"refuses the user {known.user!r} by {known.mechanism}: correct NPS_KAFKA_SASL_USER, "
            f"or the password in {known.reference}"
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        return (
            f"does not know {known.mechanism}: set NPS_KAFKA_SASL_MECHANISM to what its listener "
            "has"
        )
    if isinstance(error, IllegalSaslStateError):
        return (
            "lets nobody sign in at this listener: correct NPS_KAFKA_BOOTSTRAP_SERVERS, or "
            "NPS_KAFKA_SECURITY_PROTOCOL"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "not verified"
        return f"shows a certificate that does not hold ({why}): {_to_verify(why)}"
    return None


def _to_verify(why: str) -> str:
    """Say what to do about a certificate, in answer to OpenSSL's words."""
    if "match" in why:
        return (
            "call it by a name that is in it, in NPS_KAFKA_BOOTSTRAP_SERVERS, or set "
            "NPS_KAFKA_TLS_CHECK_HOSTNAME=false"
        )
    if "expired" in why or "not yet valid" in why:
        return "renew it, or correct the clock of this machine"
    return "name the file of its authority in NPS_KAFKA_TLS_CA"
