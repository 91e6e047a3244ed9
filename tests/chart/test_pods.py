"""The pods: what they run, what they may do, and how they begin and end."""

import re
from typing import Any

import pytest
from opentelemetry.sdk import environment_variables

from shared.settings import Settings
from shared.shutdown import ENDING_S
from tests.builders.charts import PROFILES, ROOT, Document, Helm, of_kind

SERVICES = ("ingest", "segmenter", "dispatcher")
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def pods(documents: list[Document]) -> dict[str, Any]:
    """Gather the pods of Deployments and Jobs, by name."""
    return {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]
        for document in documents
        if document["kind"] in ("Deployment", "Job")
    }


def container(helm: Helm, name: str, profile: str = "small", **values: object) -> dict[str, Any]:
    """Render the one container of a service."""
    changes = {key.replace("__", "."): value for key, value in values.items()}
    deployment = of_kind(helm.render(profile, changes), "Deployment")[name]
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_every_pod_keeps_to_the_restricted_standard(helm: Helm, profile: str) -> None:
    """Pod Security `restricted`, jobs too; and a read-only root, no token, no service links."""
    found = pods(helm.render(profile))
    for pod in found.values():
        whole = pod["securityContext"]
        (only,) = pod["containers"]
        own = only["securityContext"]

        assert pod["automountServiceAccountToken"] is False
        # Else a Service of the name `nps` would set NPS_PORT to an address.
        assert pod["enableServiceLinks"] is False
        assert whole["runAsNonRoot"] is True
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(pod)
        assert {"requests", "limits"} <= only["resources"].keys()

    assert len(found) >= len(SERVICES)


def test_pods_run_as_the_user_of_the_image(helm: Helm) -> None:
    """The number that owns nothing in it."""
    (user, group) = map(int, re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[0])
    for pod in pods(helm.render("small")).values():
        assert pod["securityContext"]["runAsUser"] == user
        assert pod["securityContext"]["runAsGroup"] == group


def test_a_platform_that_chooses_the_user_can_do_so(helm: Helm) -> None:
    """OpenShift gives each project its numbers."""
    nobody = {f"podSecurityContext.{key}": None for key in ("runAsUser", "runAsGroup", "fsGroup")}
    for pod in pods(helm.render("small", nobody)).values():
        assert pod["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_one_command_of_the_one_image(helm: Helm, name: str) -> None:
    """`python -m` is the image's entrypoint."""
    only = container(helm, name)

    assert only["image"] == "nps-connector:0.1.0"
    assert only["args"] == [f"services.{name}"]
    assert (ROOT / "services" / name / "__main__.py").exists()


def test_a_digest_wins_over_the_tag(helm: Helm) -> None:
    """What is pinned stays what it is."""
    digest = f"sha256:{'0' * 64}"
    only = container(helm, "ingest", image__digest=digest, image__tag="new")

    assert only["image"] == f"nps-connector@{digest}"


@pytest.mark.parametrize("profile", PROFILES)
def test_each_variable_is_a_setting(helm: Helm, profile: str) -> None:
    """A misspelt one would be ignored without a word."""
    settings = {f"NPS_{name.upper()}" for name in Settings.model_fields}
    passwords = {f"NPS_PASSWORD_{name.upper()}" for name in SERVICES}
    tracing = {name for name in vars(environment_variables) if name.startswith("OTEL_")}
    for pod in pods(helm.render(profile)).values():
        names = {variable["name"] for variable in pod["containers"][0]["env"]}

        secrets = {*passwords, "DATABASE_PASSWORD", "NPS_SECRET_KAFKA"}
        assert names - secrets - tracing <= settings


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_logs_in_as_itself_with_a_password_by_reference(helm: Helm, name: str) -> None:
    """Its role sees its schema and no other; no value of the chart holds a secret."""
    env = {variable["name"]: variable for variable in container(helm, name, "standard")["env"]}
    order = list(env)

    assert env["DATABASE_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == f"nps-database-{name}"
    assert env["NPS_DATABASE_URL"]["value"] == (
        f"postgresql+asyncpg://nps_{name}:$(DATABASE_PASSWORD)@postgres.shop.example:5432/nps"
        "?ssl=require"
    )
    # The kubelet puts in only what was defined before.
    assert order.index("DATABASE_PASSWORD") < order.index("NPS_DATABASE_URL")


def test_a_service_gets_only_its_own_secrets(helm: Helm) -> None:
    """Credentials of platforms are none of ingest's business."""
    given = {
        name: [entry["secretRef"]["name"] for entry in container(helm, name)["envFrom"]]
        for name in SERVICES
    }

    assert given == {
        "ingest": ["nps", "nps-sources"],
        "segmenter": ["nps"],
        "dispatcher": ["nps", "nps-platforms"],
    }


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_restarts_a_pod_because_kafka_or_the_database_is_away(
    helm: Helm, name: str
) -> None:
    """A restart would not bring them back; it takes the pod out of its Service, no more."""
    only = container(helm, name)

    assert only["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert only["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert only["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("profile", PROFILES)
def test_an_orderly_end_fits_the_grace_period(helm: Helm, profile: str) -> None:
    """The pause in which it still answers, and all phases to their deadlines."""
    for deployment in of_kind(helm.render(profile), "Deployment").values():
        pod = deployment["spec"]["template"]["spec"]
        env = {v["name"]: v.get("value") for v in pod["containers"][0]["env"]}

        assert float(env["NPS_DRAIN_S"]) + ENDING_S < pod["terminationGracePeriodSeconds"]
        # The process makes the pause itself.
        assert "lifecycle" not in pod["containers"][0]


def test_a_grace_period_that_is_too_short_is_refused(helm: Helm) -> None:
    """One second more than pause and phases is taken."""
    least = round(5 + ENDING_S) + 1
    refused = helm.refused("small", "--set", f"terminationGracePeriodSeconds={least - 1}")

    assert "terminationGracePeriodSeconds: must be more than" in refused.stderr
    assert helm.render("small", {"terminationGracePeriodSeconds": least})


def test_files_given_are_laid_over_those_of_the_image(helm: Helm) -> None:
    """Each alone: what is not given is still the image's."""
    documents = helm.render("standard")
    maps = of_kind(documents, "ConfigMap")
    (only,) = of_kind(documents, "Deployment")["ingest"]["spec"]["template"]["spec"]["containers"]
    mounted = {mount["mountPath"]: mount for mount in only["volumeMounts"]}

    assert maps["config"]["data"].keys() == {"access.yaml", "sources.yaml", "targets.yaml"}
    assert mounted.keys() == {
        "/tmp",
        "/etc/nps/access.yaml",
        "/etc/nps/sources.yaml",
        "/etc/nps/targets.yaml",
        "/etc/nps/templates/WELCOME_EN.en.txt.j2",
    }
    assert mounted["/etc/nps/sources.yaml"]["subPath"] == "sources.yaml"
    assert "NPS_CONFIG=/etc/nps" in DOCKERFILE


def test_no_config_map_is_made_of_nothing(helm: Helm) -> None:
    """The image's own files need none."""
    assert of_kind(helm.render("small"), "ConfigMap") == {}


def test_a_changed_file_is_a_rolling_restart(helm: Helm) -> None:
    """A template too: pods keep what they read at their start."""

    def checksum(**values: object) -> str:
        changes = {key.replace("__", "."): value for key, value in values.items()}
        deployment = of_kind(helm.render("small", changes), "Deployment")["dispatcher"]
        found: str = deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        return found

    seen = {
        checksum(),
        checksum(config__files={"policy.yaml": "a"}),
        checksum(config__files={"policy.yaml": "b"}),
        checksum(config__templates={"A.en.txt.j2": "a"}),
    }

    assert len(seen) == 4


def test_a_text_with_anything_in_it_arrives_as_it_is(helm: Helm) -> None:
    """Templates of mails look like templates of the chart; tabs, quotes and accents stay."""
    text = "Dear {{ name }},\n\t\"you\" said: 'été' {% if x %} # no comment\n\n"
    (found,) = of_kind(
        helm.render("small", {"config.templates": {"T.en.txt.j2": text}}), "ConfigMap"
    ).values()

    assert found["data"] == {"T.en.txt.j2": text}


@pytest.mark.parametrize("profile", PROFILES)
def test_pods_are_found_by_what_selects_them(helm: Helm, profile: str) -> None:
    """Service, budget and Deployment of a service mean the same pods, and no other's."""
    documents = helm.render(profile)
    for name in SERVICES:
        deployment = of_kind(documents, "Deployment")[name]["spec"]
        labels = deployment["template"]["metadata"]["labels"]
        selectors = [
            deployment["selector"]["matchLabels"],
            of_kind(documents, "Service")[name]["spec"]["selector"],
            of_kind(documents, "PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"],
        ]

        assert all(selector == selectors[0] for selector in selectors)
        assert selectors[0].items() <= labels.items()
        assert selectors[0]["app.kubernetes.io/component"] == name


def test_a_node_can_be_drained_while_kafka_is_away(helm: Helm) -> None:
    """Pods that are not ready do not count against the budget."""
    for budget in of_kind(helm.render("small"), "PodDisruptionBudget").values():
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize("profile", PROFILES)
def test_every_resource_says_whose_it_is(helm: Helm, profile: str) -> None:
    """By the labels that tools know."""
    for document in helm.render(profile, {"commonLabels": {"team": "care"}}):
        labels = document["metadata"]["labels"]

        assert labels["app.kubernetes.io/name"] == "nps-connector"
        assert labels["app.kubernetes.io/instance"] == "nps"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["team"] == "care"
