"""Three profiles from a small shop to a group, as reviewers and Kubernetes itself see them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.builders.charts import CHART, OLDEST, OWN, PROFILES, Helm

GOLDEN = Path(__file__).resolve().parent / "golden"
#: The newest Kubernetes whose schemas come with the validator.
NEWEST = kubernetes_validate.latest_version().removesuffix(".0")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_renders_as_it_was_reviewed(helm: Helm, profile: str) -> None:
    """A change of the chart shows in review what it does to each kind of installation."""
    rendered = helm.text(profile)
    path = GOLDEN / f"{profile}.yaml"
    if os.environ.get("NPS_WRITE_GOLDEN"):
        path.write_text(rendered, encoding="utf-8")

    assert rendered == path.read_text(encoding="utf-8"), (
        "review the difference, then NPS_WRITE_GOLDEN=1 python -m pytest tests/chart"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_helm_finds_nothing_to_say_of_a_profile(helm: Helm, profile: str) -> None:
    """`helm lint --strict` counts warnings as errors."""
    values = str(CHART / "ci" / f"{profile}-values.yaml")
    linted = helm.run("lint", str(CHART), "--strict", "--kube-version", OLDEST, "-f", values)

    assert linted.returncode == 0, linted.stdout
    assert "[WARNING]" not in linted.stdout
    assert "[ERROR]" not in linted.stdout


@pytest.mark.parametrize("profile", PROFILES)
def test_no_review_of_manifests_finds_anything_critical(
    helm: Helm, kube_score: Path, tmp_path: Path, profile: str
) -> None:
    """kube-score, with nothing ignored."""
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(helm.text(profile), encoding="utf-8")
    scored = subprocess.run(
        [str(kube_score), "score", str(rendered), "--output-format", "json", "--output-version=v2"],
        capture_output=True,
        text=True,
        check=False,
    )
    objects: list[dict[str, Any]] = json.loads(scored.stdout)
    critical = [
        f"{thing['object_name']}: {check['check']['name']}: {check['comments']}"
        for thing in objects
        for check in thing["checks"]
        if not check["skipped"] and check["grade"] <= 1  # 1 critical, 5 warning, 7 almost, 10 fine
    ]

    assert scored.returncode == 0, scored.stderr
    assert len(objects) > 10
    assert critical == []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("profile", PROFILES)
def test_kubernetes_knows_every_field(helm: Helm, profile: str, version: str) -> None:
    """From the oldest supported to the newest known: unknown fields are refused, not dropped."""
    validated = 0
    for document in helm.render(profile):
        if document["apiVersion"] in OWN:
            kubernetes_validate.validate(document, version, strict=True)
            validated += 1

    assert validated > 15


def test_a_field_that_kubernetes_does_not_know_would_be_found(helm: Helm) -> None:
    """The validator is asked strictly."""
    budget = next(d for d in helm.render("small") if d["kind"] == "PodDisruptionBudget")

    with pytest.raises(kubernetes_validate.ValidationError, match="replikas"):
        kubernetes_validate.validate({**budget, "spec": {"replikas": 1}}, OLDEST, strict=True)


def test_the_oldest_kubernetes_is_the_one_the_chart_names() -> None:
    """What is tested is what is promised."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    """A field that it would drop silently is worse than a refusal."""
    refused = helm.refused("small", "--kube-version", "1.26")

    assert refused.returncode != 0
    assert "chart requires kubeVersion" in refused.stderr
