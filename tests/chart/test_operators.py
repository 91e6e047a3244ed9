"""What is behind flags, for clusters that have the operators."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from shared.bus.kafka_topics import wanted_configs
from shared.bus.topics import declared
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES
from tests.builders.charts import CHART, OWN, ROOT, Helm, of_kind

OBSERVABILITY = ROOT / "deploy" / "observability"


def test_the_chart_needs_no_operator(helm: Helm) -> None:
    """With all flags off there are resources of Kubernetes alone; definitions are never brought."""
    assert {document["apiVersion"] for document in helm.render("small")} == set(OWN)
    assert not (CHART / "crds").exists()


@pytest.mark.parametrize("profile", ["small", "standard", "large"])
def test_no_custom_resource_definition_is_installed(helm: Helm, profile: str) -> None:
    """They belong to their operators."""
    assert of_kind(helm.render(profile), "CustomResourceDefinition") == {}


@pytest.mark.parametrize("prefix", ["", "prod."])
def test_strimzi_makes_the_topics_as_they_are_declared(helm: Helm, prefix: str) -> None:
    """The services compare at their start and refuse a difference."""
    topics = {
        document["spec"]["topicName"]: document
        for document in helm.render("large", {"kafka.topicPrefix": prefix})
        if document["kind"] == "KafkaTopic"
    }

    assert topics.keys() == {prefix + topic.name for topic in declared()}
    for topic in declared(24):
        found = topics[prefix + topic.name]
        assert found["apiVersion"] == "kafka.strimzi.io/v1"
        assert found["metadata"]["labels"]["strimzi.io/cluster"] == "events"
        assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert found["spec"]["partitions"] == topic.partitions
        assert found["spec"]["replicas"] == 3
        assert {k: str(v) for k, v in found["spec"]["config"].items()} == wanted_configs(topic)


def test_with_strimzi_no_job_makes_topics(helm: Helm) -> None:
    """Two who declare the same thing would fight."""
    assert not any(name.startswith("topics") for name in of_kind(helm.render("large"), "Job"))


def test_pods_are_added_by_what_one_works_off_in_time(helm: Helm) -> None:
    """Lag threshold = rate per pod times the time in which lag may be worked off."""
    scaled = of_kind(
        helm.render(
            "large",
            {
                "kafka.topicPrefix": "prod.",
                "segmenter.autoscaling.ratePerPod": 200,
                "segmenter.autoscaling.drainSeconds": 20,
            },
        ),
        "ScaledObject",
    )
    triggers = [trigger["metadata"] for trigger in scaled["segmenter"]["spec"]["triggers"]]

    assert [trigger["topic"] for trigger in triggers] == [f"prod.{FEEDBACK}", f"prod.{OUTCOMES}"]
    assert {trigger["consumerGroup"] for trigger in triggers} == {"prod.segmenter"}
    assert {trigger["lagThreshold"] for trigger in triggers} == {"4000"}
    assert [t["metadata"]["topic"] for t in scaled["dispatcher"]["spec"]["triggers"]] == [
        f"prod.{DECISIONS}",
        f"prod.{OUTCOMES}",
    ]
    assert scaled["ingest"]["spec"]["triggers"][0]["type"] == "cpu"


def test_what_scales_and_what_is_scaled_do_not_fight(helm: Helm) -> None:
    """A Deployment with a number of its own would be set back by every upgrade."""
    for deployment in of_kind(helm.render("large"), "Deployment").values():
        assert "replicas" not in deployment["spec"]
    for deployment in of_kind(helm.render("small"), "Deployment").values():
        assert deployment["spec"]["replicas"] == 1


def test_no_more_pods_are_scaled_to_than_share_the_work(helm: Helm) -> None:
    """A pod without a partition only costs."""
    refused = helm.refused("large", "--set-json", "dispatcher.autoscaling.maxReplicas=25")

    assert "dispatcher: 25 pods are more than the 24 partitions" in refused.stderr


def test_the_database_has_a_role_per_service(helm: Helm) -> None:
    """With the passwords by which the services log in; and it is kept when the chart goes."""
    documents = helm.render("large")
    (cluster,) = of_kind(documents, "Cluster").values()
    roles = {
        role["name"]: role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]
    }
    (only,) = of_kind(documents, "Deployment")["segmenter"]["spec"]["template"]["spec"][
        "containers"
    ]
    env = {variable["name"]: variable for variable in only["env"]}

    assert roles == {
        f"nps_{name}": f"nps-database-{name}" for name in ("ingest", "segmenter", "dispatcher")
    }
    assert f"@{cluster['metadata']['name']}-rw:5432/nps" in env["NPS_DATABASE_URL"]["value"]
    assert cluster["spec"]["bootstrap"]["initdb"]["database"] == "nps"
    assert cluster["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_secrets_come_out_of_the_store_under_the_names_that_pods_ask_for(helm: Helm) -> None:
    """Those of roles as the database's operator wants them."""
    documents = helm.render("large")
    made = {
        name: document["spec"]["target"]["template"]["type"]
        for name, document in of_kind(documents, "ExternalSecret").items()
    }
    wanted = {
        entry["secretRef"]["name"]
        for deployment in of_kind(documents, "Deployment").values()
        for entry in deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    }

    assert wanted <= made.keys()
    assert {kind for name, kind in made.items() if "database" in name} == {
        "kubernetes.io/basic-auth"
    }


def test_prometheus_reads_the_port_that_services_have(helm: Helm) -> None:
    """All three by one selector."""
    documents = helm.render("standard")
    (monitor,) = [d for d in documents if d["kind"] == "ServiceMonitor"]
    (endpoint,) = monitor["spec"]["endpoints"]
    selector = monitor["spec"]["selector"]["matchLabels"]

    assert endpoint["path"] == "/metrics"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    for service in of_kind(documents, "Service").values():
        assert selector.items() <= service["metadata"]["labels"].items()
        assert [port["name"] for port in service["spec"]["ports"]] == [endpoint["port"]]


def copied(folder: Path) -> dict[str, str]:
    """Read what the chart has copies of: rules and dashboards."""
    paths = [folder / "alerts.yaml", *sorted((folder / "dashboards").glob("*.json"))]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}


def test_rules_and_dashboards_are_those_that_are_tested() -> None:
    """The chart's are copies, for a chart cannot read outside its folder."""
    if os.environ.get("NPS_WRITE_GOLDEN"):
        for name in copied(OBSERVABILITY):
            shutil.copy(OBSERVABILITY / name, CHART / "files" / name)

    assert copied(CHART / "files") == copied(OBSERVABILITY), (
        "NPS_WRITE_GOLDEN=1 python -m pytest tests/chart"
    )


def test_alerts_arrive_as_they_are_with_links_to_ones_own_pages(helm: Helm) -> None:
    """Prometheus's own templates in them are none of Helm's."""
    values = {"prometheusRule.enabled": True, "prometheusRule.runbooks": "https://wiki.example/nps"}
    (rule,) = of_kind(helm.render("small", values), "PrometheusRule").values()
    ours = yaml.safe_load((OBSERVABILITY / "alerts.yaml").read_text(encoding="utf-8"))
    links = [
        told["annotations"]["runbook_url"]
        for group in rule["spec"]["groups"]
        for told in group["rules"]
        if "alert" in told
    ]
    shipped = json.dumps(ours).replace(
        "https://runbooks.example/nps-connector", "https://wiki.example/nps"
    )

    assert rule["spec"] == json.loads(shipped)
    assert len(links) > 10
    assert all(link.startswith("https://wiki.example/nps/") for link in links)


def test_each_dashboard_is_a_config_map_that_grafana_finds(helm: Helm) -> None:
    """By the label that its sidecar looks for, where it looks."""
    values = {"dashboards.enabled": True, "dashboards.namespace": "monitoring"}
    made = of_kind(helm.render("small", values), "ConfigMap")

    assert made.keys() == {"dashboard-operators", "dashboard-nps-loop"}
    for name, found in made.items():
        file = f"{name.removeprefix('dashboard-')}.json"
        assert found["metadata"]["namespace"] == "monitoring"
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["data"] == {file: (OBSERVABILITY / "dashboards" / file).read_text("utf-8")}
