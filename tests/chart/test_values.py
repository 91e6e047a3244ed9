"""The values: every one is described, known to the schema, and a wrong one is told by its name."""

import json
import os
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from tests.builders.charts import CHART, PROFILES, ROOT, Helm
from tests.chart.reference import BEGIN, END, rows, table, undescribed

VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
README = CHART / "README.md"


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the schema."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return SCHEMA["definitions"][name] if name else schema


def known(path: str) -> bool:
    """Tell whether the schema has a value, by its dotted path."""
    schema = SCHEMA
    for key in path.split("."):
        if key not in schema.get("properties", {}):
            return False
        schema = resolved(schema["properties"][key])
    return True


def paths(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    """List the values the schema has, down to those without keys of their own."""
    for key, inner in schema.get("properties", {}).items():
        path = f"{before}.{key}" if before else key
        below = list(paths(resolved(inner), path))
        yield from below or [path]


def test_every_value_is_described() -> None:
    """`values.yaml` is the reference; a value without a sentence is a riddle."""
    assert undescribed(VALUES) == set()


def test_the_readme_shows_every_value_with_its_default() -> None:
    """The table is made from the comments of values.yaml."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if os.environ.get("NPS_WRITE_GOLDEN"):
        README.write_text(before + table(VALUES) + after, encoding="utf-8")

    assert text == before + table(VALUES) + after, "NPS_WRITE_GOLDEN=1 python -m pytest tests/chart"


def test_the_schema_knows_every_value_and_no_other() -> None:
    """A key that only one of them has would be refused, or ignored."""
    described = {row.path for row in rows(VALUES)}
    unknown = {path for path in described if not known(path)}
    unsaid = {
        path
        for path in paths(SCHEMA)
        if not any(path == told or path.startswith(f"{told}.") for told in described)
    }

    assert unknown == set()
    assert unsaid == {"global"}  # given to every chart by the one it is part of


def test_the_schema_is_one_and_takes_the_defaults() -> None:
    """A schema that is wrong itself would take anything."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(yaml.safe_load(VALUES))


def test_every_part_of_the_schema_is_closed() -> None:
    """What is misspelt is refused at any depth."""

    def parts(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "properties" in schema:
                yield schema
            for inner in schema.values():
                yield from parts(inner)

    assert [part for part in parts(SCHEMA) if part.get("additionalProperties") is not False] == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param("replicas", 3, "'replicas' not allowed", id="unknown-at-the-top"),
        pytest.param("ingest.replikas", 3, "'replikas' not allowed", id="misspelt"),
        pytest.param("kafka.partitions", "twelve", "/kafka/partitions", id="a-number"),
        pytest.param("kafka.bootstrapServers", "kafka", "/kafka/bootstrapServers", id="no-port"),
        pytest.param("image.digest", "latest", "/image/digest", id="no-digest"),
        pytest.param("ingest.internet", "perhaps", "/ingest/internet", id="one-of"),
        pytest.param("logLevel", "loud", "/logLevel", id="a-level"),
        pytest.param("networkPolicy.kafkaPeers", [{}], "/networkPolicy/kafkaPeers", id="anybody"),
        pytest.param("existingSecret", "", "existingSecret: name the Secret", id="no-secret"),
        pytest.param("database.host", "", "database.host: give the host", id="no-database"),
        pytest.param("kafka.bootstrapServers", "", "give the brokers", id="no-kafka"),
        pytest.param("database.adminSecret", "", "database.adminSecret: name", id="no-admin"),
        pytest.param("segmenter.databaseSecret", "", "role nps_segmenter", id="no-password"),
        pytest.param("networkPolicy.kafkaPeers", [], "say where Kafka is", id="kafka-where"),
        pytest.param("networkPolicy.databasePeers", [], "where PostgreSQL is", id="database-where"),
        pytest.param(
            "networkPolicy.ingressPeers", [], "networkPolicy.ingressPeers", id="who-calls"
        ),
        pytest.param("tracing.endpoint", "collector:4318", "/tracing/endpoint", id="no-address"),
        pytest.param("tracing.ratio", 2, "/tracing/ratio", id="more-than-all"),
        pytest.param(
            "tracing.endpoint", "http://a:4318", "say where the collector", id="who-takes-traces"
        ),
        pytest.param("serviceMonitor.enabled", True, "say where Prometheus is", id="who-reads"),
        pytest.param("ingress.host", "", "ingress.host: give", id="no-host"),
        pytest.param("gateway.enabled", True, "give parentRefs and hostnames", id="no-gateway"),
        pytest.param("strimzi.enabled", True, "strimzi.cluster: name", id="no-cluster"),
        pytest.param("externalSecrets.enabled", True, "give storeName", id="no-store"),
        pytest.param("cloudNativePG.enabled", True, "leave it empty", id="two-databases"),
        pytest.param("segmenter.replicas", 4, "more than the 3 partitions", id="too-many-pods"),
        pytest.param(
            "terminationGracePeriodSeconds", 40, "must be more than", id="too-short-an-end"
        ),
        pytest.param("config.files", {"policies.yaml": ""}, "policies.yaml is none of", id="file"),
    ],
)
def test_a_wrong_value_is_told_by_its_name(
    helm: Helm, name: str, value: object, words: str
) -> None:
    """Before anything reaches a cluster."""
    refused = helm.refused("small", "--set-json", f"{name}={json.dumps(value)}")

    assert refused.returncode != 0
    assert words in refused.stderr


def test_the_chart_installs_the_version_that_it_lies_beside() -> None:
    """The tag of the image is the product's version, where nothing else is said."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert chart["appVersion"] == project["version"]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_schema_takes_each_profile(profile: str) -> None:
    """Editors that know the schema complain of nothing."""
    values = yaml.safe_load((CHART / "ci" / f"{profile}-values.yaml").read_text(encoding="utf-8"))

    jsonschema.Draft7Validator(SCHEMA).validate(values)
