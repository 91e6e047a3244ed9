"""Signing in to Kafka and TLS towards it: settings held against each other, and read."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from shared.bus.kafka_connection import KafkaConnection
from shared.bus.kafka_security import OPEN, security_of
from shared.errors import ConfigError
from shared.process import read_settings
from shared.settings import Secrets
from tests.builders.authority import Authority

PASSWORD = "made-up password"
SECRETS = Secrets({"NPS_SECRET_KAFKA": PASSWORD})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Somebody who signs."""
    return Authority(tmp_path_factory.mktemp("authority"))


def test_unless_told_otherwise_nothing_is_said_to_a_broker() -> None:
    """As within a network of one's own; no secret is asked for."""
    assert security_of(read_settings(), Secrets({})) == OPEN
    assert KafkaConnection("a:9092", "me").options() == {
        "bootstrap_servers": "a:9092",
        "client_id": "me",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }


def test_a_user_signs_in_under_tls_with_the_password_that_is_referred_to(
    authority: Authority,
) -> None:
    """The broker's certificate must hold, by this authority alone, for the host that was called."""
    settings = read_settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_user="nps-ingest",
        kafka_tls_ca=authority.ca,
    )
    security = security_of(settings, SECRETS)
    said = KafkaConnection("a:9092", "me", security).options()

    assert said["security_protocol"] == "SASL_SSL"
    assert said["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (said["sasl_plain_username"], said["sasl_plain_password"]) == ("nps-ingest", PASSWORD)
    context = said["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1


def test_a_password_is_no_part_of_what_is_printed() -> None:
    """Not of the value, nor of what holds it."""
    settings = read_settings(kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_user="nps-ingest")
    connection = KafkaConnection("a:9092", "me", security_of(settings, SECRETS))

    assert PASSWORD not in repr(connection)
    assert "env:NPS_SECRET_KAFKA" in repr(connection)


def test_a_password_may_be_the_content_of_a_file(tmp_path: Path) -> None:
    """As every other secret."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    settings = read_settings(
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_user="nps-ingest",
        kafka_sasl_password=f"file:{tmp_path}/password",
    )

    assert security_of(settings, Secrets({})).password == PASSWORD


def test_without_an_authority_of_its_own_those_of_the_system_count() -> None:
    """A cloud's brokers have certificates that everybody knows."""
    context = security_of(read_settings(kafka_security_protocol="SSL"), SECRETS).context

    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of a compose file without a value is nothing set."""
    monkeypatch.setenv("NPS_KAFKA_TLS_CA", "")

    assert read_settings().kafka_tls_ca is None


SIGNS_IN = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_user": "nps-ingest"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            {"kafka_sasl_user": "nps-ingest"},
            "NPS_KAFKA_SASL_USER: is not used with NPS_KAFKA_SECURITY_PROTOCOL=PLAINTEXT",
            id="a user without signing in",
        ),
        pytest.param(
            {"kafka_security_protocol": "SASL_SSL"},
            "NPS_KAFKA_SASL_USER: is not set",
            id="signing in without a user",
        ),
        pytest.param(
            {"kafka_tls_ca": "ca.crt"},
            "NPS_KAFKA_TLS_CA: is not used with NPS_KAFKA_SECURITY_PROTOCOL=PLAINTEXT",
            id="an authority without TLS",
        ),
        pytest.param(
            {"kafka_tls_check_hostname": False},
            "NPS_KAFKA_TLS_CHECK_HOSTNAME: is not used",
            id="no check without TLS",
        ),
        pytest.param(
            {"kafka_security_protocol": "SSL", "kafka_tls_certificate": "user.crt"},
            "NPS_KAFKA_TLS_KEY: is not set",
            id="a certificate without its key",
        ),
        pytest.param(
            {"kafka_security_protocol": "SSL", "kafka_tls_key": "user.key"},
            "NPS_KAFKA_TLS_CERTIFICATE: is not set",
            id="a key without its certificate",
        ),
        pytest.param(
            {**SIGNS_IN, "kafka_sasl_password": "env:NPS_NOWHERE"},
            "secret env:NPS_NOWHERE is empty or not set",
            id="no password",
        ),
        pytest.param(
            {**SIGNS_IN, "kafka_sasl_password": "hunter2"},
            "NPS_KAFKA_SASL_PASSWORD: a secret is given by reference",
            id="a password in place of a reference",
        ),
        pytest.param(
            {**SIGNS_IN, "kafka_sasl_mechanism": "GSSAPI"},
            "NPS_KAFKA_SASL_MECHANISM: must be 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'",
            id="a mechanism that there is not",
        ),
        pytest.param(
            {"kafka_security_protocol": "TLS"},
            "NPS_KAFKA_SECURITY_PROTOCOL: must be 'PLAINTEXT', 'SSL'",
            id="a protocol that there is not",
        ),
        pytest.param(
            {**SIGNS_IN, "kafka_tls_ca": "/nowhere/ca.crt"},
            "NPS_KAFKA_TLS_CA: /nowhere/ca.crt: No such file",
            id="no such file",
        ),
        pytest.param(
            {**SIGNS_IN, "kafka_tls_ca": __file__},
            "holds no certificate: give a file in PEM",
            id="a file of something else",
        ),
    ],
)
def test_a_mistake_is_told_by_the_name_of_its_setting(changes: dict[str, Any], words: str) -> None:
    """What is given and would not be used is one, too: it would be a false comfort."""
    with pytest.raises(ConfigError) as error:
        security_of(read_settings(**changes), SECRETS)

    assert words in str(error.value)
    assert "hunter2" not in str(error.value)


def test_the_key_of_another_certificate_is_told(authority: Authority) -> None:
    """Both files are named; nobody is asked for a password."""
    certificate, _ = authority.signs("one")
    _, key = authority.signs("other")

    with pytest.raises(ConfigError, match="is no key of"):
        security_of(
            read_settings(
                kafka_security_protocol="SSL",
                kafka_tls_certificate=certificate,
                kafka_tls_key=key,
            ),
            SECRETS,
        )
