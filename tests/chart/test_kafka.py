"""Signing in to Kafka and TLS towards it, by reference; and Strimzi's users with their rights."""

import json
import os
import re
from typing import Any

import pytest
import yaml

from shared.bus.topics import declared
from shared.events.asyncapi import OPERATIONS
from tests.builders.charts import CHART, ROOT, Helm, of_kind

SERVICES = ("ingest", "segmenter", "dispatcher")
TOPICS = [topic.name for topic in declared()]
ACLS: dict[str, dict[str, Any]] = yaml.safe_load(
    (CHART / "files" / "kafka-acls.yaml").read_text(encoding="utf-8")
)
PAGE = ROOT / "docs" / "operations.md"
BEGIN = "<!-- acls: begin (made from deploy/helm/nps-connector/files/kafka-acls.yaml) -->\n"
END = "<!-- acls: end -->"
PASSWORD = {
    "kafka.securityProtocol": "SASL_SSL",
    "kafka.caSecret": "brokers",
    **{f"{service}.kafkaUser": f"user-{service}" for service in SERVICES},
    **{f"{service}.kafkaSecret": f"kafka-{service}" for service in SERVICES},
    "jobs.kafkaUser": "user-topics",
    "jobs.kafkaSecret": "kafka-topics",
}
MOUNT = {"name": "kafka", "mountPath": "/etc/nps-kafka", "readOnly": True}


def pod(helm: Helm, kind: str, name: str, values: dict[str, object]) -> dict[str, Any]:
    """Render the pod of a service or a job."""
    found: dict[str, Any] = of_kind(helm.render("small", values), kind)[name]["spec"]["template"]
    return found["spec"]  # type: ignore[no-any-return]


def env_of(rendered: dict[str, Any]) -> dict[str, Any]:
    """Its variables about Kafka: a value, or where it is."""
    return {
        variable["name"]: variable.get("value", variable.get("valueFrom", {}).get("secretKeyRef"))
        for variable in rendered["containers"][0]["env"]
        if "KAFKA" in variable["name"]
    }


def test_unless_told_otherwise_nobody_signs_in(helm: Helm) -> None:
    """No variable, no volume, no user."""
    documents = helm.render("small")
    env = env_of(pod(helm, "Deployment", "ingest", {}))

    assert not {name for name in env if "SASL" in name or "TLS" in name or "SECUR" in name}
    assert "/etc/nps-kafka" not in str(documents)


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("Deployment", service) for service in SERVICES), ("Job", "topics")],
)
def test_each_signs_in_as_itself_with_a_password_by_reference(
    helm: Helm, kind: str, name: str
) -> None:
    """The brokers' authority is a file."""
    rendered = pod(helm, kind, name, dict(PASSWORD))
    env = env_of(rendered)

    assert env["NPS_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
    assert env["NPS_KAFKA_SASL_USER"] == f"user-{name}"
    assert env["NPS_SECRET_KAFKA"] == {"name": f"kafka-{name}", "key": "password"}
    assert env["NPS_KAFKA_TLS_CA"] == "/etc/nps-kafka/ca.crt"
    assert MOUNT in rendered["containers"][0]["volumeMounts"]
    (volume,) = [one for one in rendered["volumes"] if one["name"] == "kafka"]
    assert volume["projected"]["sources"] == [
        {"secret": {"name": "brokers", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    ]


def test_a_certificate_in_place_of_a_password_is_a_file_of_the_pods_group(helm: Helm) -> None:
    """With its key; no user and no password is told."""
    values: dict[str, object] = {
        **PASSWORD,
        "kafka.securityProtocol": "SSL",
        "kafka.clientCertificates": True,
        "kafka.checkHostname": False,
    }
    rendered = pod(helm, "Deployment", "dispatcher", values)
    env = env_of(rendered)
    (volume,) = [one for one in rendered["volumes"] if one["name"] == "kafka"]

    assert env["NPS_KAFKA_TLS_CERTIFICATE"] == "/etc/nps-kafka/user.crt"
    assert env["NPS_KAFKA_TLS_KEY"] == "/etc/nps-kafka/user.key"
    assert env["NPS_KAFKA_TLS_CHECK_HOSTNAME"] == "false"
    assert not {"NPS_KAFKA_SASL_USER", "NPS_SECRET_KAFKA"} & env.keys()
    assert volume["projected"]["defaultMode"] == 0o440
    assert [source["secret"]["name"] for source in volume["projected"]["sources"]] == [
        "brokers",
        "kafka-dispatcher",
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(
            {"kafka.securityProtocol": "SASL_SSL"}, "ingest.kafkaSecret: name", id="no password"
        ),
        pytest.param(
            {**PASSWORD, "jobs.kafkaSecret": ""}, "jobs.kafkaSecret: name", id="none for the job"
        ),
        pytest.param({"kafka.caSecret": "ca"}, "kafka.caSecret: is used with", id="no TLS"),
        pytest.param(
            {"kafka.clientCertificates": True}, "kafka.clientCertificates: are", id="no TLS either"
        ),
        pytest.param(
            {"kafka.securityProtocol": "TLS"}, "/kafka/securityProtocol", id="no such protocol"
        ),
        pytest.param(
            {
                "strimzi.enabled": True,
                "strimzi.cluster": "events",
                "kafka.securityProtocol": "SASL_SSL",
                "kafka.saslMechanism": "PLAIN",
            },
            "users of Strimzi sign in by SCRAM-SHA-512",
            id="what Strimzi does not have",
        ),
    ],
)
def test_what_would_not_be_let_in_is_told_before(
    helm: Helm, values: dict[str, object], words: str
) -> None:
    """By the name of the value."""
    changes = [word for k, v in values.items() for word in ("--set-json", f"{k}={json.dumps(v)}")]

    assert words in helm.refused("small", *changes).stderr


@pytest.mark.parametrize("prefix", ["", "prod."])
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({}, "tls", id="by certificate"),
        pytest.param(
            {"kafka.securityProtocol": "SASL_SSL", "kafka.clientCertificates": False},
            "scram-sha-512",
            id="by password",
        ),
    ],
)
def test_strimzi_makes_a_user_of_each_service_who_may_do_what_it_does(
    helm: Helm, prefix: str, changes: dict[str, object], kind: str
) -> None:
    """And no more; each under the name by which its pods sign in, with the Secret of that name."""
    documents = helm.render("large", {"kafka.topicPrefix": prefix, **changes})
    users = of_kind(documents, "KafkaUser")

    assert users.keys() == set(SERVICES)
    for service, user in users.items():
        assert user["apiVersion"] == "kafka.strimzi.io/v1"
        assert user["metadata"]["namespace"] == "kafka"
        assert user["metadata"]["labels"]["strimzi.io/cluster"] == "events"
        assert user["spec"]["authentication"] == {"type": kind}
        assert user["spec"]["authorization"]["type"] == "simple"
        mine, rights = ACLS[service], {}
        for acl in user["spec"]["authorization"]["acls"]:
            assert acl["resource"]["patternType"] == "literal"
            place = (acl["resource"]["type"], acl["resource"]["name"].removeprefix(prefix))
            rights[place] = set(acl["operations"])
        assert rights.pop(("group", mine["group"])) == {"Read"}
        assert rights == {
            ("topic", topic): {"Describe", "DescribeConfigs"}
            | ({"Read"} if topic in mine["reads"] else set())
            | ({"Write"} if topic in mine["writes"] else set())
            for topic in TOPICS
        }
        (only,) = of_kind(documents, "Deployment")[service]["spec"]["template"]["spec"][
            "containers"
        ]
        pods = str(of_kind(documents, "Deployment")[service]["spec"]["template"]["spec"])
        assert f"'name': '{user['metadata']['name']}'" in pods
        assert only["name"] == service


def test_where_nobody_signs_in_strimzi_makes_no_user(helm: Helm) -> None:
    """The topics alone."""
    values = {
        "kafka.securityProtocol": "PLAINTEXT",
        "kafka.caSecret": "",
        "kafka.clientCertificates": False,
    }

    assert of_kind(helm.render("large", values), "KafkaUser") == {}


def test_the_autoscaler_asks_kafka_as_the_service_that_it_scales(helm: Helm) -> None:
    """With the same certificates, or the same user and password."""
    values = {"kafka.securityProtocol": "SASL_SSL", "kafka.clientCertificates": False}
    for documents, asked in (
        (helm.render("large"), {"ca", "cert", "key"}),
        (helm.render("large", values), {"ca", "username", "password"}),
    ):
        scaled, shown = (
            of_kind(documents, "ScaledObject"),
            of_kind(documents, "TriggerAuthentication"),
        )
        assert shown.keys() == {"segmenter", "dispatcher"}
        for service, one in shown.items():
            spec = one["spec"]
            given = [*spec.get("env", ()), *spec.get("secretTargetRef", ())]
            assert {each["parameter"] for each in given} == asked
            for trigger in scaled[service]["spec"]["triggers"]:
                assert trigger["authenticationRef"] == {"name": one["metadata"]["name"]}
                assert trigger["metadata"]["tls"] == "enable"
                assert trigger["metadata"].get("sasl") == (
                    "scram_sha512" if "username" in asked else None
                )


def test_the_rights_are_those_that_events_need() -> None:
    """As the description of the topics has it; and what dead letters ask for beside that."""
    sent = {(service, topic) for service, action, topic, _ in OPERATIONS if action == "send"}
    received = {(service, topic) for service, action, topic, _ in OPERATIONS if action == "receive"}
    live = [topic for topic in TOPICS if not topic.endswith(".dead")]

    reads = {(service, topic) for service, mine in ACLS.items() for topic in mine["reads"]}
    writes = {(service, topic) for service, mine in ACLS.items() for topic in mine["writes"]}
    dead = {(service, f"{topic}.dead") for service, topic in received}
    told_again = {("segmenter", topic) for topic in live}
    looked_at = {("segmenter", f"{topic}.dead") for topic in live}

    assert reads == received | looked_at
    assert writes == sent | dead | told_again | looked_at
    assert {service: mine["group"] for service, mine in ACLS.items()} == dict(
        zip(SERVICES, SERVICES, strict=True)
    )


def test_the_page_has_the_same_table() -> None:
    """Whoever gives rights by hand gives these."""
    rows = [
        f"| {service} | `{mine['group']}` | {_named(mine['reads'])} | {_named(mine['writes'])} |\n"
        for service, mine in ACLS.items()
    ]
    head = (
        "| user of | `Read` on group | `Read` on topics | `Write` on topics |\n"
        "| --- | --- | --- | --- |\n"
    )
    end = (
        "| each of them | | `Describe` and `DescribeConfigs` on all six | |\n"
        "| the job `topics` | | as well; and `Create` on the cluster, or on the six names | |\n"
    )
    table = head + "".join(rows) + end
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("NPS_WRITE_GOLDEN"):
        page = re.sub(f"(?s){re.escape(BEGIN)}.*?{END}", f"{BEGIN}{table}{END}", page)
        PAGE.write_text(page, encoding="utf-8")

    assert f"{BEGIN}{table}{END}" in page, "NPS_WRITE_GOLDEN=1 python -m pytest tests/chart"


def _named(topics: list[str]) -> str:
    return ", ".join(f"`{topic}`" for topic in topics)
