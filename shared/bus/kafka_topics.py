"""Topics on Kafka: making the missing ones, and comparing all with their declaration."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from shared.bus.kafka_connection import KafkaConnection
from shared.bus.topics import Topic
from shared.errors import ConfigError, DependencyAway

_DEADLINE: Final = 20.0
_LOOK_AGAIN_S: Final = 0.05


def wanted_configs(topic: Topic) -> dict[str, str]:
    """Say a declaration in Kafka's words."""
    return {
        "retention.ms": _ms(topic.retention),
        "segment.ms": _ms(topic.segment),
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(topic.max_message_bytes),
    }


def differences(
    topic: Topic,
    name: str,
    partitions: int | None,
    configs: Mapping[str, str] | None,
    *,
    known: bool = False,
) -> list[str]:
    """Compare one topic with its declaration; each line names the difference and the fix. Pure.

    `partitions` is what the broker has, None if there is no such topic; `configs` its settings,
    None if we may not read them. `known`: the broker knows who we are, so rights may be missing.
    """
    if partitions is None:
        unseen = ", or this user may not see it" if known else ""
        return [f"topic {name} does not exist{unseen}: create it with `python -m services topics`"]
    lines = []
    if partitions != topic.partitions:
        lines.append(
            f"topic {name} has {partitions} partitions, not {topic.partitions}: add partitions, "
            "or set NPS_KAFKA_PARTITIONS to the number all topics have"
        )
    if configs is None:
        return [*lines, f"topic {name}: let this user read its settings (DescribeConfigs)"]
    for key, wanted in wanted_configs(topic).items():
        found = configs.get(key, "")
        if found != wanted:
            lines.append(
                f"topic {name} has {key}={found}, not {wanted}: "
                f"kafka-configs.sh --alter --topic {name} --add-config {key}={wanted}"
            )
    return lines


async def create_missing(
    connection: KafkaConnection, prefix: str, topics: Sequence[Topic], replication: int
) -> list[str]:
    """Create the topics that do not exist; returns their names. Raises `DependencyAway`."""
    async with _admin(connection) as admin:
        known = set(await admin.list_topics())
        missing = [topic for topic in topics if prefix + topic.name not in known]
        if not missing:
            return []
        answer = await admin.create_topics(
            [
                NewTopic(
                    prefix + topic.name,
                    topic.partitions,
                    replication,
                    topic_configs=wanted_configs(topic),
                )
                for topic in missing
            ]
        )
        for error in answer.topic_errors:
            name, kind = error[0], for_code(error[1])
            if error[1] and kind is not TopicAlreadyExistsError:
                raise ConfigError(f"cannot create topic {name}: {kind.__name__}: {error[2]}")
        made = [prefix + topic.name for topic in missing]
        # The controller answers before every broker has heard of it.
        while not set(made) <= set(await admin.list_topics()):  # noqa: ASYNC110 - of another machine
            await asyncio.sleep(_LOOK_AGAIN_S)
    return made


async def compare(connection: KafkaConnection, prefix: str, topics: Sequence[Topic]) -> None:
    """Raise `ConfigError` naming each difference; `DependencyAway` if the broker does not say."""
    async with _admin(connection) as admin:
        described = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics()}
        existing = [topic for topic in topics if prefix + topic.name in described]
        configs = await _configs(admin, [prefix + topic.name for topic in existing])
    lines = [
        line
        for topic in topics
        for name in [prefix + topic.name]
        for line in differences(
            topic,
            name,
            described.get(name),
            configs.get(name, {}),
            known=connection.security.names_us,
        )
    ]
    if lines:
        raise ConfigError("\n".join(lines))


async def _configs(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str] | None]:
    if not names:
        return {}
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    return {
        name: None
        if code == TopicAuthorizationFailedError.errno
        else {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for code, _message, _type, name, entries in answer.resources
    }


@asynccontextmanager
async def _admin(connection: KafkaConnection) -> AsyncIterator[Any]:
    await connection.greet()
    admin = AIOKafkaAdminClient(**connection.options())
    try:
        async with asyncio.timeout(_DEADLINE):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError) as error:
        raise DependencyAway(f"Kafka: {type(error).__name__}") from None
    finally:
        await admin.close()


def _ms(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))
