"""A real broker that asks who is there: who is let in, and how a refusal is told."""

import asyncio
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.kafka_security import security_of
from shared.bus.port import Message
from shared.bus.topics import dead_topic, declared
from shared.errors import BusAway, ConfigError, DependencyAway
from shared.events.envelope import FEEDBACK
from shared.process import read_settings
from shared.settings import Secrets
from tests.builders.authority import Authority
from tests.builders.buses import take
from tests.builders.processes import ROOT
from tests.builders.secured import SecuredBroker

pytestmark = pytest.mark.kafka

PASSWORD = "made-up-password-of-admin"
NOBODY = "made-up-password-of-nobody"
MAKER = "made-up-password-of-maker"


@pytest.fixture(scope="module")
async def broker(secured_kafka_folder: Path) -> AsyncIterator[SecuredBroker]:
    """One for all tests here; `admin` may do everything, the others what they are given."""
    users = {"admin": PASSWORD, "nobody": NOBODY, "maker": MAKER}
    made = SecuredBroker(secured_kafka_folder, users)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def bus_of(servers: str, *, prefix: str = "", password: str = PASSWORD, **known: Any) -> KafkaBus:
    """Make a bus as a start makes it of its settings."""
    settings = read_settings(**known)
    return KafkaBus(
        servers,
        client_id="tests",
        topic_prefix=prefix,
        partitions=1,
        security=security_of(settings, Secrets({"NPS_SECRET_KAFKA": password})),
    )


def with_password(broker: SecuredBroker, **changes: Any) -> dict[str, Any]:
    """Settings by which `admin` is let in."""
    return {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_user": "admin",
        "kafka_tls_ca": broker.authority.ca,
        **changes,
    }


def with_certificate(broker: SecuredBroker, name: str = "admin") -> dict[str, Any]:
    """Settings by which a name is let in without a password."""
    certificate, key = broker.authority.signs(name)
    return {
        "kafka_security_protocol": "SSL",
        "kafka_tls_ca": broker.authority.ca,
        "kafka_tls_certificate": certificate,
        "kafka_tls_key": key,
    }


@pytest.mark.parametrize("way", ["SCRAM-SHA-512", "PLAIN", "certificate"])
async def test_whoever_is_known_makes_topics_publishes_and_reads(
    broker: SecuredBroker, way: str
) -> None:
    """Admin, producer and consumer of a process sign in alike."""
    servers = broker.shown if way == "certificate" else broker.signed_in
    known = (
        with_certificate(broker)
        if way == "certificate"
        else with_password(broker, kafka_sasl_mechanism=way)
    )
    bus = bus_of(servers, prefix=f"{uuid.uuid4().hex[:8]}.", **known)

    assert len(await bus.create_topics()) == 6
    await bus.check()
    await bus.publisher.publish([Message(FEEDBACK, "route", b"told")])
    await bus.publisher.publish([Message(dead_topic(FEEDBACK), "route", b"dead")])
    (record,) = await take(await bus.subscribe("g", [FEEDBACK]), 1)
    dead = [record async for record in bus.read(dead_topic(FEEDBACK))]
    await bus.close()

    assert record.value == b"told"
    assert [record.value for record in dead] == [b"dead"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            {"password": "wrong-password"},
            "refuses the user 'admin' by SCRAM-SHA-512: correct NPS_KAFKA_SASL_USER, or the "
            "password in env:NPS_SECRET_KAFKA",
            id="a wrong password",
        ),
        pytest.param(
            {"password": "wrong-password", "kafka_sasl_mechanism": "PLAIN"},
            "refuses the user 'admin' by PLAIN",
            id="a wrong password in plain",
        ),
        pytest.param(
            {"kafka_sasl_user": "stranger"}, "refuses the user 'stranger'", id="an unknown user"
        ),
        pytest.param(
            {"kafka_sasl_mechanism": "SCRAM-SHA-256"},
            "does not know SCRAM-SHA-256: set NPS_KAFKA_SASL_MECHANISM",
            id="another mechanism",
        ),
        pytest.param(
            {"kafka_tls_ca": None},
            "name the file of its authority in NPS_KAFKA_TLS_CA",
            id="an authority that is not known",
        ),
        pytest.param(
            {"host": "127.0.0.1"},
            "call it by a name that is in it, in NPS_KAFKA_BOOTSTRAP_SERVERS",
            id="a certificate for another name",
        ),
    ],
)
async def test_a_refusal_names_the_setting_and_never_the_password(
    broker: SecuredBroker,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
    words: str,
) -> None:
    """One line that a person can act on, before anything else of a start."""
    known = with_password(broker, **changes)
    servers = broker.signed_in.replace("localhost", known.pop("host", "localhost"))

    with caplog.at_level(logging.INFO), pytest.raises(ConfigError) as error:
        await bus_of(servers, **known).check()

    assert words in str(error.value)
    assert "\n" not in str(error.value)
    for text in (str(error.value), caplog.text):
        assert PASSWORD not in text
        assert "wrong-password" not in text


async def test_to_a_process_that_runs_a_refusal_is_a_broker_that_is_away(
    broker: SecuredBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """Ingest spools and consumers wait: the password may have been changed there first."""
    bus = bus_of(broker.signed_in, password="wrong-password", **with_password(broker))

    with caplog.at_level(logging.INFO):
        with pytest.raises(BusAway):
            await bus.publisher.publish([Message(FEEDBACK, "route", b"told")])
        with pytest.raises(DependencyAway):
            await bus.subscribe("g", [FEEDBACK])
        await bus.close()

    assert "wrong-password" not in caplog.text


async def test_an_authority_that_signed_something_else_is_told(
    broker: SecuredBroker, tmp_path: Path
) -> None:
    """Not only one that the system knows."""
    other = Authority(tmp_path, "another authority").ca

    with pytest.raises(ConfigError, match="NPS_KAFKA_TLS_CA"):
        await bus_of(broker.signed_in, **with_password(broker, kafka_tls_ca=other)).check()


async def test_the_check_of_the_host_may_be_left_out(broker: SecuredBroker) -> None:
    """Where brokers are called by addresses that no certificate names."""
    known = with_password(broker, kafka_tls_check_hostname=False)
    bus = bus_of(broker.signed_in.replace("localhost", "127.0.0.1"), **known)

    with pytest.raises(ConfigError, match="does not exist"):
        await bus.check()


@pytest.mark.parametrize("way", ["in plain text", "without a certificate"])
async def test_a_broker_that_hangs_up_is_away_with_the_settings_that_may_be_why(
    broker: SecuredBroker, way: str
) -> None:
    """It does not say why, and it might be its end: so it is asked again later."""
    if way == "in plain text":
        bus, said = bus_of(broker.signed_in), "NPS_KAFKA_SECURITY_PROTOCOL=PLAINTEXT"
    else:
        known: dict[str, Any] = {"kafka_security_protocol": "SSL"}
        known["kafka_tls_ca"] = broker.authority.ca
        bus, said = bus_of(broker.shown, **known), "NPS_KAFKA_TLS_CERTIFICATE"

    with pytest.raises(DependencyAway) as error:
        await bus.check()

    assert "which hangs up" in str(error.value)
    assert said in str(error.value)


async def test_who_may_do_nothing_hears_that_too(broker: SecuredBroker) -> None:
    """To see a topic is a right: without it, it looks as if there were none."""
    prefix = f"{uuid.uuid4().hex[:8]}."
    await bus_of(broker.signed_in, prefix=prefix, **with_password(broker)).create_topics()
    known = with_password(broker, kafka_sasl_user="nobody")
    bus = bus_of(broker.signed_in, prefix=prefix, password=NOBODY, **known)

    with pytest.raises(ConfigError) as error:
        await bus.check()
    with pytest.raises(BusAway):
        await bus.publisher.publish([Message(FEEDBACK, "route", b"told")])
    await bus.close()

    assert f"topic {prefix}{FEEDBACK} does not exist, or this user may not see it" in str(
        error.value
    )


async def test_whoever_makes_the_topics_needs_three_rights_on_their_names(
    broker: SecuredBroker,
) -> None:
    """As docs/operations.md says of the job `topics`."""
    prefix = f"{uuid.uuid4().hex[:8]}."
    known = with_password(broker, kafka_sasl_user="maker")
    bus = bus_of(broker.signed_in, prefix=prefix, password=MAKER, **known)
    with pytest.raises(ConfigError, match="TopicAuthorizationFailed"):
        await bus.create_topics()

    names = [topic.name for topic in declared()]
    for right in ("Create", "Describe", "DescribeConfigs"):
        await broker.give("maker", [("topic", name, right) for name in names], prefix)

    assert await bus.create_topics() == [f"{prefix}{name}" for name in names]
    await bus.check()


@pytest.mark.parametrize(
    ("environ", "code", "words"),
    [
        pytest.param({}, 0, "All are as declared.", id="right"),
        pytest.param(
            {"NPS_SECRET_KAFKA": "wrong-password"}, 2, "refuses the user 'admin'", id="wrong"
        ),
        pytest.param(
            {"NPS_KAFKA_SASL_USER": ""}, 2, "NPS_KAFKA_SASL_USER: is not set", id="no user"
        ),
    ],
)
async def test_a_command_ends_with_that_line_alone(
    broker: SecuredBroker, environ: dict[str, str], code: int, words: str
) -> None:
    """No traceback, no line of a library, no password."""
    known = {
        "PATH": os.environ["PATH"],
        "PYTHONWARNINGS": "error",
        "NPS_KAFKA_BOOTSTRAP_SERVERS": broker.signed_in,
        "NPS_KAFKA_TOPIC_PREFIX": f"{uuid.uuid4().hex[:8]}.",
        "NPS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "NPS_KAFKA_SASL_USER": "admin",
        "NPS_SECRET_KAFKA": PASSWORD,
        "NPS_KAFKA_TLS_CA": str(broker.authority.ca),
        **environ,
    }
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services", "topics"],
        cwd=ROOT,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr

    assert ended.returncode == code, said
    assert words in said
    assert len(said.splitlines()) == 1
    assert PASSWORD not in said
    assert "wrong-password" not in said
