"""What pods may call and who may call them."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders.charts import ROOT, Helm, of_kind

SERVICES = ("ingest", "segmenter", "dispatcher")


def policies(
    helm: Helm, values: Mapping[str, object] | None = None, profile: str = "small"
) -> dict[str, Any]:
    """Render the policies, by what they are for."""
    found = of_kind(helm.render(profile, values), "NetworkPolicy")
    return {name: policy["spec"] for name, policy in found.items()}


def ports_to(policy: dict[str, Any], address: str) -> set[int]:
    """Tell at which ports a policy lets an address be called (as an address, not as a pod)."""
    return {
        port["port"]
        for rule in policy.get("egress", ())
        for peer in rule["to"]
        if "ipBlock" in peer
        and ip_address(address) in ip_network(peer["ipBlock"]["cidr"])
        and not any(
            ip_address(address) in ip_network(without)
            for without in peer["ipBlock"].get("except", ())
        )
        for port in rule["ports"]
    }


def source(**keys: object) -> dict[str, object]:
    """Write a sources.yaml with one entry into the values."""
    return {"config.files": {"sources.yaml": yaml.safe_dump({"sources": {"one": keys}})}}


def test_nothing_is_allowed_but_what_is_listed(helm: Helm) -> None:
    """One policy denies all to every pod of the release; jobs are pods of it, too."""
    deny = policies(helm)["deny"]

    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert {"ingress", "egress"}.isdisjoint(deny)
    assert deny["podSelector"]["matchLabels"].keys() == {
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
    }


@pytest.mark.parametrize("profile", ["small", "standard", "large"])
def test_the_segmenter_never_calls_the_internet(helm: Helm, profile: str) -> None:
    """It knows everything about everybody."""
    segmenter = policies(helm, profile=profile)["segmenter"]

    assert ports_to(segmenter, "203.0.113.7") == set()
    assert ports_to(segmenter, "2001:db8::7") == set()


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        pytest.param({}, set(), id="the-image's-sources"),
        pytest.param(source(preset="typeform"), set(), id="told-by-web-hook"),
        pytest.param(source(preset="form", fetch={"base": "https://a.example"}), {443}, id="fetch"),
        pytest.param(source(preset="form", reconcile={"every_h": 6}), {443}, id="reconcile"),
        pytest.param(source(preset="qualtrics"), {443}, id="a-preset-that-fetches"),
        pytest.param({"ingest.internet": "true"}, {443}, id="said"),
        pytest.param(
            {**source(preset="qualtrics"), "ingest.internet": "false"}, set(), id="said-not"
        ),
    ],
)
def test_ingest_calls_the_internet_only_for_a_source_that_fetches(
    helm: Helm, values: dict[str, object], ports: set[int]
) -> None:
    """It is what the world reaches; what it need not call it cannot."""
    ingest = policies(helm, values)["ingest"]

    assert ports_to(ingest, "203.0.113.7") == ports
    assert ports_to(ingest, "2001:db8::7") == ports


def test_the_presets_that_fetch_are_known_to_the_chart() -> None:
    """A preset that begins to fetch must be in the chart's list."""
    fetching = {
        path.stem
        for path in (ROOT / "services" / "ingest" / "sources").glob("*.yaml")
        if {"fetch", "reconcile"} & yaml.safe_load(path.read_text(encoding="utf-8")).keys()
    }
    chart = Path(ROOT / "deploy/helm/nps-connector/templates/_network.tpl").read_text("utf-8")

    assert fetching
    names = " ".join(f'"{name}"' for name in sorted(fetching))
    assert f"(list {names})" in chart


def test_the_image_s_own_sources_fetch_nothing() -> None:
    """So that no file given means no internet."""
    shipped = yaml.safe_load((ROOT / "deploy/config/sources.yaml").read_text(encoding="utf-8"))

    for entry in shipped["sources"].values():
        assert {"fetch", "reconcile"}.isdisjoint(entry)
        assert entry.get("preset") not in ("qualtrics", "surveymonkey")


def target(**keys: object) -> dict[str, object]:
    """Write a targets.yaml with one target into the values."""
    return {"config.files": {"targets.yaml": yaml.safe_dump({"targets": {"one": keys}})}}


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        pytest.param({}, {443}, id="platforms"),
        pytest.param(target(preset="smtp", vars={"port": "465"}), {443, 465}, id="mail"),
        pytest.param(target(preset="smtp", vars={"host": "a"}), {443, 587}, id="mail-by-default"),
        pytest.param(
            target(preset="smtp", enabled=False, vars={"port": "465"}), {443}, id="mail-off"
        ),
        pytest.param({"dispatcher.ports": [2525, 587]}, {443, 2525, 587}, id="said"),
    ],
)
def test_the_dispatcher_calls_platforms_and_mail_servers(
    helm: Helm, values: dict[str, object], ports: set[int]
) -> None:
    """443, and the port of a mail target where there is one."""
    dispatcher = policies(helm, values)["dispatcher"]

    assert ports_to(dispatcher, "203.0.113.7") == ports
    assert ports_to(dispatcher, "2001:db8::7") == ports


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.20.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.9",
        "127.0.0.1",
        "fd00::1",
        "fe80::1",
        "::1",
    ],
)
def test_private_networks_are_never_called_unless_listed(helm: Helm, address: str) -> None:
    """Nor is a cloud's metadata service: a web-hook's address must not lead inside."""
    for name, policy in policies(helm, {"ingest.internet": "true"}).items():
        assert ports_to(policy, address) == set(), name


def test_a_platform_on_the_premises_can_be_listed(helm: Helm) -> None:
    """For the dispatcher alone, at its ports alone."""
    found = policies(helm, {"networkPolicy.dispatcherPrivate": ["10.40.7.0/24"]})

    assert ports_to(found["dispatcher"], "10.40.7.9") == {443}
    assert ports_to(found["dispatcher"], "10.40.8.9") == set()
    assert ports_to(found["ingest"], "10.40.7.9") == set()


@pytest.mark.parametrize("name", [*SERVICES, "jobs"])
def test_each_pod_reaches_names_database_and_kafka(helm: Helm, name: str) -> None:
    """At their ports only."""
    egress = policies(helm)[name]["egress"]
    asked = [{port["port"] for port in rule["ports"]} for rule in egress[:3]]

    assert asked == [{53}, {5432}, {9092}]
    assert all(rule["to"] for rule in egress)


def test_the_ports_of_kafka_are_those_of_its_brokers(helm: Helm) -> None:
    """Each once; or as they are said, where brokers advertise others."""
    servers = {"kafka.bootstrapServers": "a:9092,b:9094,c:9094"}
    found = policies(helm, servers)["ingest"]["egress"][2]["ports"]
    said = policies(helm, {**servers, "networkPolicy.kafkaPorts": [19092]})["ingest"]

    assert [port["port"] for port in found] == [9092, 9094]
    assert [port["port"] for port in said["egress"][2]["ports"]] == [19092]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://a.svc:4318", 4318), ("https://a.example", 443), ("http://a.svc/", 80)],
)
@pytest.mark.parametrize("name", SERVICES)
def test_traces_are_told_to_the_collector_alone(
    helm: Helm, name: str, endpoint: str, port: int
) -> None:
    """At the port of its address; without an address nobody is called."""
    peer = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "collector"}}}
    values = {"tracing.endpoint": endpoint, "networkPolicy.tracingPeers": [peer]}
    found = policies(helm, values)[name]["egress"]

    assert {"to": [peer], "ports": [{"protocol": "TCP", "port": port}]} in found
    assert len(found) == len(policies(helm)[name]["egress"]) + 1


def test_only_ingest_is_called_by_the_world(helm: Helm) -> None:
    """The APIs are for operators' tools, metrics for Prometheus; jobs are called by nobody."""
    found = policies(helm, profile="standard")
    callers = {
        name: [
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in policy.get("ingress", ())
            for peer in rule["from"]
        ]
        for name, policy in found.items()
    }

    assert callers == {
        "deny": [],
        "ingest": ["ingress", "operations", "monitoring"],
        "segmenter": ["operations", "monitoring"],
        "dispatcher": ["operations", "monitoring"],
        "jobs": [],
    }


def test_nobody_listed_is_nobody(helm: Helm) -> None:
    """An empty list of peers would be everybody: then there is no rule at all."""
    assert "ingress" not in policies(helm)["segmenter"]


def test_only_what_is_exposed_is_routed(helm: Helm) -> None:
    """By Ingress or HTTPRoute: web-hooks and the page behind links to unsubscribe."""
    (ingress,) = of_kind(helm.render("small"), "Ingress").values()
    (route,) = of_kind(helm.render("large"), "HTTPRoute").values()
    (rule,) = ingress["spec"]["rules"]
    (routed,) = route["spec"]["rules"]

    assert [path["path"] for path in rule["http"]["paths"]] == ["/v1/webhooks", "/u"]
    assert [match["path"]["value"] for match in routed["matches"]] == ["/v1/webhooks", "/u"]
    assert {p["backend"]["service"]["name"] for p in rule["http"]["paths"]} == {
        "nps-nps-connector-ingest"
    }
    assert routed["backendRefs"] == [{"name": "nps-nps-connector-ingest", "port": 8080}]
