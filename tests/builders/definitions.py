"""Definitions of the custom resources that the chart makes, as their operators publish them.

Out of the modules pinned in deploy/tools/definitions: Go modules that have them as files, and for
Strimzi the Java classes that its own is made from. Fetched once; nothing of theirs is kept here.
Where Go, or Java with Maven, is missing, the tests are skipped with one line; with `CI=true` they
fail with it.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.builders.charts import LOADER, Document, go
from tests.builders.tools import KEPT, TOOLS, made, missing

PLACE: Final = TOOLS / "definitions"
GO: Final = (
    "CUSTOM RESOURCES NOT CHECKED: install Go 1.26 or newer (it fetches deploy/tools/definitions)"
)
JAVA: Final = (
    "CUSTOM RESOURCES NOT CHECKED: install Java 17 or newer and Maven "
    "(they fetch deploy/tools/definitions)"
)
#: Where a module has the definitions of what the chart makes.
_FILES: Final = {
    "github.com/cloudnative-pg/cloudnative-pg": [
        "config/crd/bases/postgresql.cnpg.io_clusters.yaml"
    ],
    "github.com/external-secrets/external-secrets": [
        "config/crds/bases/external-secrets.io_externalsecrets.yaml"
    ],
    "github.com/kedacore/keda/v2": [
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ],
    "github.com/prometheus-operator/prometheus-operator": [
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ],
    "sigs.k8s.io/gateway-api": ["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
}
_ANYTHING: Final = {"x-kubernetes-preserve-unknown-fields": True}


@pytest.fixture(scope="session")
def definitions() -> list[Document]:
    """Give the definitions, one document each."""
    return [*_published(), *_strimzi()]


def _published() -> Iterator[Document]:
    program = go()
    if program is None:
        missing(GO)
    told = subprocess.run(
        [program, "mod", "download", "-json"],
        cwd=PLACE,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        pytest.fail(f"definitions could not be fetched: {told.stderr[-2000:]}", pytrace=False)
    folders = {module["Path"]: Path(module["Dir"]) for module in _objects(told.stdout)}
    for module, names in _FILES.items():
        for name in names:
            yield yaml.load((folders[module] / name).read_text(encoding="utf-8"), LOADER)


def _objects(text: str) -> Iterator[dict[str, str]]:
    """Read JSON objects that follow one another."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        found, end = decoder.raw_decode(text)
        yield found
        text = text[end:]


def _strimzi() -> Iterator[Document]:
    pom = PLACE / "pom.xml"
    wanted = KEPT / f"strimzi-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"
    maven = ["mvn", "-q", "-B", "-f", str(pom)]
    try:
        made(wanted, lambda fresh: [*maven, f"-Ddefinitions={fresh}", "crd-generator:generate"])
    except (OSError, subprocess.CalledProcessError):
        missing(JAVA)
    for path in sorted(wanted.iterdir()):
        document = yaml.load(path.read_text(encoding="utf-8"), LOADER)
        for version in document["spec"]["versions"]:
            version["schema"]["openAPIV3Schema"] = _of_classes(version["schema"]["openAPIV3Schema"])
        yield document


def _of_classes(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Undo what a class cannot say of itself.

    A map of any values is taken for one of objects; of a class with subclasses only what they have
    in common is known; and where a class keeps what it does not know is none of its fields.
    """
    said = dict(schema)
    if said.get("additionalProperties") == {"type": "object"}:
        return {"type": "object", **_ANYTHING}
    if "properties" in said:
        fields = {k: v for k, v in said["properties"].items() if k != "additionalProperties"}
        if fields.keys() == {"type"}:
            return {"type": "object", "properties": fields, "required": ["type"], **_ANYTHING}
        said["properties"] = {name: _of_classes(inner) for name, inner in fields.items()}
    if "items" in said:
        said["items"] = _of_classes(said["items"])
    return said
