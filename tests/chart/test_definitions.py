"""Custom resources against the definitions of their operators: schemas, as a server reads them.

What a schema does not say (rules in CEL, values that depend on each other) a real server says:
`make apiserver`.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest

from tests.builders.charts import CHART, OWN, PROFILES, Document, Helm
from tests.builders.definitions import PLACE

#: Every flag whose resources have a definition.
_ALL = {"prometheusRule.enabled": True}


def closed(schema: Mapping[str, Any], *, root: bool = False) -> dict[str, Any]:
    """Refuse what a server would drop: fields that a definition does not have."""
    said = dict(schema)
    if "properties" in said:
        said["properties"] = {name: closed(inner) for name, inner in said["properties"].items()}
        if root:  # of every resource, and checked by the server itself
            said["properties"] |= {"metadata": {}, "apiVersion": {}, "kind": {}}
    if isinstance(said.get("additionalProperties"), dict):
        said["additionalProperties"] = closed(said["additionalProperties"])
    elif said.get("type") == "object" and not said.get("x-kubernetes-preserve-unknown-fields"):
        said.setdefault("additionalProperties", False)
    if "items" in said:
        said["items"] = closed(said["items"])
    if said.get("x-kubernetes-int-or-string"):
        said.pop("type", None)
    return said


@pytest.fixture(scope="module")
def validators(definitions: list[Document]) -> dict[tuple[str, str], jsonschema.Draft4Validator]:
    """Give what checks a resource, by its version and kind."""
    return {
        (f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"]): (
            jsonschema.Draft4Validator(closed(version["schema"]["openAPIV3Schema"], root=True))
        )
        for definition in definitions
        for version in definition["spec"]["versions"]
        if version["served"]
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_operators_know_every_field_of_what_is_theirs(
    helm: Helm, validators: dict[tuple[str, str], jsonschema.Draft4Validator], profile: str
) -> None:
    """Each by the version that the chart writes; a kind without a definition here fails, too."""
    theirs = [d for d in helm.render(profile, _ALL) if d["apiVersion"] not in OWN]
    wrong = {
        (document["kind"], document["metadata"]["name"]): [
            f"{error.json_path}: {error.message}"
            for error in validators[document["apiVersion"], document["kind"]].iter_errors(document)
        ]
        for document in theirs
    }

    assert {name: errors for name, errors in wrong.items() if errors} == {}
    assert theirs


def test_every_kind_is_held_against_its_definition(
    helm: Helm, validators: dict[tuple[str, str], jsonschema.Draft4Validator]
) -> None:
    """So that what passes says something: of each kind a field that is unknown is found."""
    found = {}
    for document in helm.render("large", _ALL):
        if document["apiVersion"] not in OWN:
            wrong = copy.deepcopy(document)
            wrong["spec"]["unheardOf"] = 1
            errors = validators[document["apiVersion"], document["kind"]].iter_errors(wrong)
            found[document["kind"]] = ["unheardOf" in error.message for error in errors]

    assert found == {kind: [True] for _, kind in validators if kind in found}
    assert len(found) >= 7


def test_the_readme_names_the_versions_that_it_is_held_against() -> None:
    """Where a version is raised the page is, too."""
    strimzi = (PLACE / "pom.xml").read_text(encoding="utf-8")
    server = (PLACE.parent / "kube-apiserver" / "go.mod").read_text(encoding="utf-8")
    wanted = [
        *re.findall(r"^\t\S+ v(\d+\.\d+)", (PLACE / "go.mod").read_text("utf-8"), re.MULTILINE),
        *re.findall(r"<artifactId>api</artifactId>\s*<version>(\d+\.\d+)", strimzi),
        *re.findall(r"^\tk8s.io/kubernetes v(\d+\.\d+)", server, re.MULTILINE),
    ]
    _, _, told = (CHART / "README.md").read_text(encoding="utf-8").partition("## Held against")
    named = re.findall(r" (\d+\.\d+)(?=[, ])", told.partition("\n## ")[0])

    assert set(wanted) <= set(named)
    assert len(wanted) == 7
