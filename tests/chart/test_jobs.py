"""The jobs before a release: schemas, tables, topics."""

import pytest

from services.cli import app
from tests.builders.charts import Document, Helm, of_kind

HOOK = "helm.sh/hook"


def hooks(documents: list[Document]) -> list[tuple[int, str, str]]:
    """List the hooks in the order in which Helm runs them."""
    return sorted(
        (
            int(document["metadata"]["annotations"]["helm.sh/hook-weight"]),
            document["kind"],
            document["metadata"]["name"].removeprefix("nps-nps-connector-"),
        )
        for document in documents
        if HOOK in document["metadata"].get("annotations", {})
    )


def test_they_run_in_their_order_before_everything_else(helm: Helm) -> None:
    """What they need of their own is there first: the account, the way to the database."""
    documents = helm.render("small")

    assert hooks(documents) == [
        (-10, "NetworkPolicy", "jobs"),
        (-10, "ServiceAccount", "jobs"),
        (0, "Job", "provision"),
        (1, "Job", "migrate"),
        (2, "Job", "topics"),
    ]
    for job in of_kind(documents, "Job").values():
        assert job["metadata"]["annotations"][HOOK] == "pre-install,pre-upgrade"


def test_they_need_nothing_that_comes_after_them(helm: Helm) -> None:
    """No ConfigMap and no Secret of the release: at a first install those are not there yet."""
    documents = helm.render("standard")
    made = {d["metadata"]["name"] for d in documents if d["kind"] in ("ConfigMap", "Secret")}
    for job in of_kind(documents, "Job").values():
        pod = job["spec"]["template"]["spec"]

        assert pod["serviceAccountName"] == "nps-nps-connector-jobs"
        assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
        assert "envFrom" not in pod["containers"][0]
        assert not made & set(str(pod).split("'"))


def test_each_is_a_command_of_the_image(helm: Helm) -> None:
    """As an operator would type it."""
    commands = {
        command.name or getattr(command.callback, "__name__", None)
        for command in app.registered_commands
    }
    for name, job in of_kind(helm.render("small"), "Job").items():
        (only,) = job["spec"]["template"]["spec"]["containers"]

        assert only["args"] == ["services", name]
        assert name in commands


def test_only_provision_and_migrate_know_the_admin(helm: Helm) -> None:
    """Topics are made without the database; services log in as themselves."""
    known = {
        name: {
            variable["valueFrom"]["secretKeyRef"]["name"]
            for variable in job["spec"]["template"]["spec"]["containers"][0]["env"]
            if "valueFrom" in variable
        }
        for name, job in of_kind(helm.render("small"), "Job").items()
    }
    roles = {f"nps-database-{name}" for name in ("ingest", "segmenter", "dispatcher")}

    assert known == {
        "provision": {"nps-database-admin", *roles},
        "migrate": {"nps-database-admin"},
        "topics": set(),
    }


@pytest.mark.parametrize("flag", ["cloudNativePG", "externalSecrets"])
def test_at_a_first_install_they_wait_for_what_the_release_makes(helm: Helm, flag: str) -> None:
    """A hook would wait for a database or Secret that Helm makes after it, and never end."""
    other = {"cloudNativePG": "externalSecrets", "externalSecrets": "cloudNativePG"}[flag]
    values: dict[str, object] = {f"{other}.enabled": False}
    if flag == "externalSecrets":
        values |= {"database.host": "db", "database.adminSecret": "admin"}
        values |= {"networkPolicy.databasePeers": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
    install = helm.render("large", values)
    upgrade = helm.render("large", values, "--is-upgrade")

    assert hooks(install) == []
    assert [name for _, kind, name in hooks(upgrade) if kind == "Job"] == ["provision", "migrate"]


def test_an_ordinary_job_is_another_one_when_its_pod_is(helm: Helm) -> None:
    """A job cannot be changed; a new image needs one of a new name."""
    names = {
        name
        for tag in ("1.0.0", "1.0.1")
        for name in of_kind(helm.render("large", {"image.tag": tag, "image.digest": ""}), "Job")
    }

    assert len(names) == 4


def test_what_is_prepared_by_hand_is_left_out(helm: Helm) -> None:
    """A database that others administer; with no job left there is no account for them either."""
    nothing = {f"jobs.{name}": False for name in ("provision", "migrate", "topics")}
    documents = helm.render("small", nothing)

    assert of_kind(helm.render("small", {"jobs.provision": False}), "Job").keys() == {
        "migrate",
        "topics",
    }
    assert of_kind(documents, "Job") == {}
    assert hooks(documents) == []
