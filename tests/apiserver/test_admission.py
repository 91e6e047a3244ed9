"""The chart before a real kube-apiserver, which knows the operators' custom resources.

Schemas, defaults and validations of Kubernetes itself, Pod Security `restricted` enforced on the
namespace, and Helm against it. There are no nodes: nothing of it runs.
"""

import copy
from collections.abc import Mapping
from typing import Final

import pytest

from tests.builders.apiserver import ApiServer
from tests.builders.charts import CHART, PROFILES, Document, Helm, of_kind

#: Off in all profiles.
_MORE: Final = {
    "prometheusRule.enabled": True,
    "dashboards.enabled": True,
    "dashboards.namespace": "monitoring",
    "ingress.enabled": True,
    "ingress.host": "nps.shop.example",
    "ingress.tlsSecret": "nps-tls",
}
_RENDERS: Final = [
    *(pytest.param(profile, {}, (), id=profile) for profile in PROFILES),
    *(pytest.param(p, {}, ("--is-upgrade",), id=f"{p}-upgrade") for p in PROFILES),
    pytest.param("large", _MORE, (), id="large-with-everything"),
]


async def expected(server: ApiServer, documents: list[Document]) -> None:
    """Make what the chart expects to be there: namespaces and, where one is named, a priority."""
    for name in {d["metadata"]["namespace"] for d in documents}:
        await server.namespace(name)
    await server.made(
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "business"},
            "value": 1000,
        }
    )


def pod_of(document: Document) -> Document:
    """Write the pod that a Deployment's or Job's controller would ask for."""
    template = copy.deepcopy(document["spec"]["template"])
    place = {key: document["metadata"][key] for key in ("name", "namespace")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], **place},
        "spec": template["spec"],
    }


@pytest.mark.parametrize(("profile", "values", "more"), _RENDERS)
async def test_the_server_takes_every_resource_without_a_warning(
    helm: Helm,
    apiserver: ApiServer,
    profile: str,
    values: Mapping[str, object],
    more: tuple[str, ...],
) -> None:
    """A server-side dry run: admitted, with every field known, and nothing deprecated."""
    documents = helm.render(profile, values, *more)
    await expected(apiserver, documents)
    said = {}
    for document in documents:
        answer = await apiserver.create(document)
        warnings = answer.headers.get_list("warning")
        if answer.status_code != 201 or warnings:
            said[document["kind"], document["metadata"]["name"]] = (answer.text[:800], warnings)

    assert said == {}
    assert len(documents) > 20


@pytest.mark.parametrize(("profile", "values", "more"), _RENDERS)
async def test_every_pod_is_admitted_where_the_restricted_standard_is_enforced(
    helm: Helm,
    apiserver: ApiServer,
    profile: str,
    values: Mapping[str, object],
    more: tuple[str, ...],
) -> None:
    """Services and jobs, with the accounts of their own."""
    documents = helm.render(profile, values, *more)
    await expected(apiserver, documents)
    for account in of_kind(documents, "ServiceAccount").values():
        await apiserver.made(account)
    pods = [pod_of(d) for d in documents if d["kind"] in ("Deployment", "Job")]
    answers = [await apiserver.create(pod) for pod in pods]

    assert [a.text for a in answers if a.status_code != 201] == []
    assert [w for a in answers for w in a.headers.get_list("warning")] == []
    assert len(pods) >= 5


@pytest.mark.parametrize(
    "kind",
    [
        *("Deployment", "Job", "Service", "NetworkPolicy", "Ingress", "PodDisruptionBudget"),
        *("ScaledObject", "TriggerAuthentication", "KafkaTopic", "KafkaUser", "Cluster"),
        *("ExternalSecret", "HTTPRoute"),
        *("ServiceMonitor", "PrometheusRule"),
    ],
)
async def test_a_field_that_is_unknown_would_be_refused(
    helm: Helm, apiserver: ApiServer, kind: str
) -> None:
    """So that being admitted says something: each kind has a definition, and it is closed."""
    documents = helm.render("large", _MORE)
    await expected(apiserver, documents)
    wrong = copy.deepcopy(next(d for d in documents if d["kind"] == kind))
    wrong["spec"]["unheardOf"] = 1
    answer = await apiserver.create(wrong)

    assert answer.status_code in (400, 422), answer.text
    assert "unknown field" in answer.text
    assert "spec.unheardOf" in answer.text


async def test_a_pod_below_the_standard_would_be_refused(helm: Helm, apiserver: ApiServer) -> None:
    """The namespace enforces it; of what would make such a pod it warns."""
    documents = helm.render("small")
    await expected(apiserver, documents)
    deployment = copy.deepcopy(of_kind(documents, "Deployment")["ingest"])
    await apiserver.made(of_kind(documents, "ServiceAccount")["ingest"])
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["securityContext"]["allowPrivilegeEscalation"] = True
    warned = await apiserver.create(deployment)
    refused = await apiserver.create(pod_of(deployment))

    assert "would violate PodSecurity" in warned.headers["warning"]
    assert refused.status_code == 403
    assert "allowPrivilegeEscalation != false" in refused.text


@pytest.mark.parametrize("profile", PROFILES)
async def test_helm_installs_changes_and_takes_away_a_profile(
    helm: Helm, apiserver: ApiServer, profile: str
) -> None:
    """For real, but for the hooks, whose jobs nobody would run; what holds data stays."""
    namespace = f"by-helm-{profile}"
    documents = helm.render(profile)
    await expected(apiserver, documents)
    await apiserver.namespace(namespace)
    values = str(CHART / "ci" / f"{profile}-values.yaml")
    common = ("--namespace", namespace, "--kubeconfig", str(apiserver.kubeconfig), "--no-hooks")
    steps = [
        ("install", "nps", str(CHART), "--values", values),
        ("upgrade", "nps", str(CHART), "--reuse-values", "--set", "image.tag=next,image.digest="),
        ("upgrade", "nps", str(CHART), "--values", values, "--set", "logLevel=debug"),
        ("rollback", "nps", "1"),
    ]
    for step in steps:
        done = helm.run(*step, *common)
        assert done.returncode == 0, (step, done.stderr)
        assert "warning" not in done.stderr.lower(), (step, done.stderr)

    there = await apiserver.names("apps/v1", "Deployment", namespace)
    assert len(there) == 3
    gone = helm.run("uninstall", "nps", *common)
    assert gone.returncode == 0, gone.stderr
    assert await apiserver.names("apps/v1", "Deployment", namespace) == set()
    if profile == "large":
        kept = await apiserver.names("postgresql.cnpg.io/v1", "Cluster", namespace)
        topics = await apiserver.names("kafka.strimzi.io/v1", "KafkaTopic", "kafka")
        assert kept == {"nps-nps-connector-db"}
        assert {"nps.feedback", "nps.decisions", "nps.outcomes"} <= topics
