"""How a process signs in to Kafka, and by what it knows the broker: from settings to a TLS context.

In: settings, secrets, files of certificates. Out: a value for every client of aiokafka alike, or
`ConfigError` with a line for each mistake. What is read here is read once: a new password or
certificate is a rolling restart.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from shared.errors import ConfigError
from shared.settings import Secrets, Settings


@dataclass(frozen=True, slots=True)
class Security:
    """What is said to a broker before anything else; unless told otherwise, nothing."""

    protocol: str = "PLAINTEXT"
    context: ssl.SSLContext | None = None
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    #: Where the password is, for those who must correct it.
    reference: str = ""

    @property
    def signs_in(self) -> bool:
        """Tell whether a user and a password are given."""
        return self.protocol.startswith("SASL_")

    @property
    def names_us(self) -> bool:
        """Tell whether a broker may know who calls, by a password or by a certificate."""
        return self.protocol != "PLAINTEXT"


#: To a broker that asks nobody for anything, within a network of one's own.
OPEN: Final = Security()


def security_of(settings: Settings, secrets: Secrets) -> Security:
    """Read what the settings name. Raises `ConfigError`."""
    if problems := list(_problems(settings)):
        raise ConfigError("\n".join(problems))
    protocol = settings.kafka_security_protocol
    context = _context(settings) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL_"):
        return Security(protocol, context)
    return Security(
        protocol,
        context,
        settings.kafka_sasl_mechanism,
        settings.kafka_sasl_user,
        secrets.get(settings.kafka_sasl_password),
        settings.kafka_sasl_password,
    )


def _problems(settings: Settings) -> Iterator[str]:
    """Hold the settings against each other: what is given and not used would be a false comfort."""
    protocol = settings.kafka_security_protocol
    tls, signs_in = protocol.endswith("SSL"), protocol.startswith("SASL_")
    files = {
        "NPS_KAFKA_TLS_CA": settings.kafka_tls_ca,
        "NPS_KAFKA_TLS_CERTIFICATE": settings.kafka_tls_certificate,
        "NPS_KAFKA_TLS_KEY": settings.kafka_tls_key,
    }
    if not tls:
        for name in (name for name, path in files.items() if path):
            yield (
                f"{name}: is not used with NPS_KAFKA_SECURITY_PROTOCOL={protocol}: "
                "set that to SSL or SASL_SSL, or take this out"
            )
        if not settings.kafka_tls_check_hostname:
            yield (
                "NPS_KAFKA_TLS_CHECK_HOSTNAME: is not used with "
                f"NPS_KAFKA_SECURITY_PROTOCOL={protocol}: take it out"
            )
    if bool(settings.kafka_tls_certificate) != bool(settings.kafka_tls_key):
        missing = "KEY" if settings.kafka_tls_certificate else "CERTIFICATE"
        yield f"NPS_KAFKA_TLS_{missing}: is not set: certificate and key go together"
    if signs_in and not settings.kafka_sasl_user:
        yield f"NPS_KAFKA_SASL_USER: is not set: {protocol} needs a user"
    if settings.kafka_sasl_user and not signs_in:
        yield (
            f"NPS_KAFKA_SASL_USER: is not used with NPS_KAFKA_SECURITY_PROTOCOL={protocol}: "
            "set that to SASL_SSL (or SASL_PLAINTEXT), or take this out"
        )


def _context(settings: Settings) -> ssl.SSLContext:
    """Make the TLS context: TLS 1.2 or newer, the broker's certificate always verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = settings.kafka_tls_check_hostname
    authority = settings.kafka_tls_ca
    if authority is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cafile=authority)
        except ssl.SSLError:
            raise ConfigError(
                f"NPS_KAFKA_TLS_CA: {authority} holds no certificate: give a file in PEM"
            ) from None
        except OSError as error:
            raise ConfigError(f"NPS_KAFKA_TLS_CA: {authority}: {error.strerror}") from None
    certificate, key = settings.kafka_tls_certificate, settings.kafka_tls_key
    if certificate is not None and key is not None:
        for name, path in (("CERTIFICATE", certificate), ("KEY", key)):
            try:
                path.read_bytes()
            except OSError as error:
                raise ConfigError(f"NPS_KAFKA_TLS_{name}: {path}: {error.strerror}") from None
        try:
            # Without the last argument OpenSSL would ask a person for the key's password.
            context.load_cert_chain(certificate, key, lambda: "")
        except (ssl.SSLError, ValueError):
            raise ConfigError(
                f"NPS_KAFKA_TLS_KEY: {key} is no key of {certificate}: give both in PEM, "
                "the key without a password"
            ) from None
    return context
