"""The JSON Schemas of the configuration: as committed, and true to what a start accepts.

After a change of a setting, `NPS_WRITE_GOLDEN=1` writes them anew.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from services.cli import app
from services.ingest.catalogue import PRESETS
from services.schemas import FILES, as_text, schema

CONFIG = Path(__file__).resolve().parent.parent.parent / "deploy" / "config"


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """Check content by the schema of a file."""
    jsonschema.Draft202012Validator.check_schema(schema(name))
    return jsonschema.Draft202012Validator(schema(name))


def committed(name: str) -> Path:
    """Where the schema of a file stands."""
    return CONFIG / "schemas" / f"{name}.schema.json"


@pytest.mark.parametrize("name", FILES)
def test_the_committed_schema_is_the_one_that_is_made(name: str) -> None:
    """Editors check by the same rules as a start."""
    made = as_text(schema(name))
    if os.environ.get("NPS_WRITE_GOLDEN"):
        committed(name).parent.mkdir(exist_ok=True)
        committed(name).write_text(made, encoding="utf-8")
    assert committed(name).read_text(encoding="utf-8") == made


@pytest.mark.parametrize("name", FILES)
def test_the_shipped_file_fits_its_schema(name: str) -> None:
    """Also where it uses a short form, such as a path alone or `30 min`."""
    content = yaml.safe_load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"))
    validator(name).validate(content)


@pytest.mark.parametrize("name", FILES)
def test_each_shipped_file_names_its_schema(name: str) -> None:
    """An editor finds it by the first line."""
    first = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=schemas/{name}.schema.json"


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_what_presets_write_an_entry_may_write(preset: str) -> None:
    """A preset is an entry: every form in it is one that editors accept."""
    content = yaml.safe_load((PRESETS / f"{preset}.yaml").read_text(encoding="utf-8"))
    validator("sources").validate({"sources": {"one": content}})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("sources", {"sources": {"s": {"presett": "x"}}}, id="a misspelt key"),
        pytest.param("sources", {"sources": {"s": {"survey": 5}}}, id="a number for a path"),
        pytest.param("playbook", {"plays": [{"name": "A b"}]}, id="a play without its do"),
        pytest.param("access", {"tokens": [{"name": "x", "scopes": ["all"]}]}, id="a scope"),
    ],
)
def test_a_mistake_shows_in_the_editor(name: str, content: Any) -> None:
    """What a start refuses by its shape, the schema refuses."""
    with pytest.raises(jsonschema.ValidationError):
        validator(name).validate(content)


@pytest.mark.parametrize("name", ["sources", "asyncapi"])
def test_the_command_prints_one_json_document(name: str) -> None:
    """`nps schema NAME > file`."""
    result = CliRunner().invoke(app, ["schema", name])
    document = json.loads(result.stdout)

    assert result.exit_code == 0
    assert {"$schema", "asyncapi"} & document.keys()


def test_the_routes_of_every_service_are_in_one_description() -> None:
    """Whoever calls the product sees its whole surface without starting it."""
    paths = json.loads(CliRunner().invoke(app, ["schema", "openapi"]).stdout)["paths"]

    assert {"/v1/webhooks/{source}", "/v1/events", "/v1/deliveries", "/healthz"} <= paths.keys()
    assert {"/v1/customers/{customer_id}", "/v1/customers/merge", "/v1/nps"} <= paths.keys()
    assert {"/v1/erasures/{erasure_id}", "/v1/erasures/{erasure_id}/targets"} <= paths.keys()
    assert any(path.startswith("/v1/quarantine") for path in paths)


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    """One line and exit code 2, as with every wrong argument."""
    result = CliRunner().invoke(app, ["schema", "nothing"])

    assert result.exit_code == 2
    assert "choose one of sources, policy" in result.output
