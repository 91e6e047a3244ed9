"""Each service signs in to Kafka as itself, and may do there what the chart says and no more."""

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
import yaml

from services.ingest.examples import Answer
from shared.bus.dead_letters import dead_letter
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_security import Security, security_of
from shared.bus.port import Message, Partition, Record
from shared.bus.topics import declared
from shared.errors import BusAway
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES, encode
from shared.process import read_settings
from shared.settings import Secrets
from shared.times import utc_now
from tests.builders.charts import CHART
from tests.builders.facts import answered
from tests.builders.secured import SecuredBroker
from tests.builders.sink import Sink
from tests.builders.system import System, open_system
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka

ACLS = yaml.safe_load((CHART / "files" / "kafka-acls.yaml").read_text(encoding="utf-8"))
PASSWORDS = {f"nps-{service}": f"made-up-password-of-{service}" for service in ACLS}
LATE = "late@example.com"


def environ_of(broker: SecuredBroker, service: str) -> Mapping[str, str]:
    """What a service is told: everybody's password is its own."""
    return {
        "NPS_KAFKA_BOOTSTRAP_SERVERS": broker.signed_in,
        "NPS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "NPS_KAFKA_SASL_USER": f"nps-{service}",
        "NPS_SECRET_KAFKA": PASSWORDS[f"nps-{service}"],
        "NPS_KAFKA_TLS_CA": str(broker.authority.ca),
    }


def security(broker: SecuredBroker, service: str) -> Security:
    """The same for a bus of the test."""
    settings = read_settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_user=f"nps-{service}",
        kafka_tls_ca=broker.authority.ca,
    )
    return security_of(settings, Secrets({"NPS_SECRET_KAFKA": PASSWORDS[f"nps-{service}"]}))


async def test_each_service_does_its_work_with_its_own_rights_and_no_others(
    tmp_path: Path, server: str, secured_kafka_folder: Path, sink: Sink
) -> None:
    """An answer's whole way, a dead letter of each topic told again, somebody forgotten."""
    broker = SecuredBroker(secured_kafka_folder, PASSWORDS)
    await broker.start()
    try:
        async with open_system(
            tmp_path,
            server,
            broker.bootstrap_servers,
            sink,
            environ_of=lambda service: environ_of(broker, service),
        ) as system:
            await broker.allow(ACLS, [topic.name for topic in declared()], system.prefix)
            await system.start()
            await system.answer(
                Answer("r1", score=2, comment="Trop cher.", email="ana@example.com")
            )
            await system.settled("ana@example.com", 2)
            await _told_again(system)
            await _refused(system, broker)
            await _forgotten(system, "ana@example.com")
            logs = system.logs()
    finally:
        await broker.stop()

    assert "uthorization" not in logs
    assert not any(password in logs for password in PASSWORDS.values())


async def _told_again(system: System) -> None:
    """Put a letter to the dead of each topic and have the segmenter tell them."""
    plain = KafkaBus(system.kafka, client_id="tests", topic_prefix=system.prefix, partitions=4)
    event = answered("late", 9, email=LATE, at=utc_now())
    await plain.publisher.publish([_letter(FEEDBACK, encode(event))])
    broken = b"no event, though it says customer.erased"
    await plain.publisher.publish([_letter(topic, broken) for topic in (DECISIONS, OUTCOMES)])
    for topic in (FEEDBACK, DECISIONS, OUTCOMES):
        told = await system.operate(
            system.segmenter, f"/v1/dead-letters/{topic}/replay", {"dry_run": False}
        )
        assert told["told"] == 1
    await system.customer(LATE)

    async def dead_again() -> bool:
        """What nobody understands is refused anew: by the dispatcher, and by ingest."""
        letters = [
            orjson.loads(record.value)
            for topic in (DECISIONS, OUTCOMES)
            async for record in plain.read(f"{topic}.dead")
        ]
        origins = [letter["topic"] for letter in letters if "topic" in letter]
        # The one put there, and one of each service that reads the topic.
        return origins.count(DECISIONS) >= 3 and origins.count(OUTCOMES) >= 3

    await eventually(dead_again, within=60, what="both refused by each of their readers")
    await plain.close()


def _letter(topic: str, value: bytes) -> Message:
    record = Record(Partition(topic, 0), 0, "route", value, utc_now())
    return dead_letter(record, "made up", utc_now())


async def _refused(system: System, broker: SecuredBroker) -> None:
    """What the list does not say, nobody may."""
    bus = KafkaBus(
        broker.signed_in,
        client_id="tests",
        topic_prefix=system.prefix,
        partitions=4,
        security=security(broker, "dispatcher"),
    )
    with pytest.raises(BusAway, match="TopicAuthorizationFailed"):
        await bus.publisher.publish([Message(FEEDBACK, "route", b"told")])
    await bus.close()


async def _forgotten(system: System, email: str) -> None:
    """All three services say that they have done it, by the bus."""
    await system.operate(system.segmenter, "/v1/customers/erase", {"email": email})

    async def done() -> bool:
        ((ingest, dispatcher),) = await system.rows(
            "SELECT ingest_at, dispatcher_at FROM segmenter.erasures"
        )
        return bool(ingest and dispatcher)

    await eventually(done, within=60, what="an erasure confirmed by all")
