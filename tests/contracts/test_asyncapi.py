"""The document of the topics: as committed, whole, and true to what is written.

After a change of an event, `NPS_WRITE_GOLDEN=1` writes `docs/asyncapi.json` anew.
"""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from shared.events.asyncapi import document, text
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES, TYPES, EventData
from tests.contracts.test_events import EXAMPLES, GOLDEN, each_example, wire

ROOT = Path(__file__).resolve().parent.parent.parent
COMMITTED = ROOT / "docs" / "asyncapi.json"


def version() -> str:
    """The product's version, as `pyproject.toml` has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: str = project["project"]["version"]
    return found


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return document(version())


def references(value: Any) -> Iterator[str]:
    """Every `$ref` at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "$ref":
                yield item
            else:
                yield from references(item)


def resolved(whole: dict[str, Any], reference: str) -> Any:
    """What a reference within the document leads to."""
    start, *names = reference.split("/")
    assert start == "#"
    found: Any = whole
    for name in names:
        found = found[name]
    return found


def checker(whole: dict[str, Any], type_: str) -> jsonschema.Draft7Validator:
    """A validator of one type's records. AsyncAPI's schemas are a superset of draft 7."""
    payload = whole["components"]["messages"][type_]["payload"]
    schema = {**payload, "components": whole["components"]}
    return jsonschema.Draft7Validator(
        schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    )


def test_the_committed_document_is_the_one_of_the_events() -> None:
    """Nobody reads about an event that is no more, or misses one that is."""
    if os.environ.get("NPS_WRITE_GOLDEN"):
        COMMITTED.write_text(text(version()), encoding="utf-8")
    assert COMMITTED.read_text(encoding="utf-8") == text(version())


def test_it_has_the_parts_of_asyncapi_3(whole: dict[str, Any]) -> None:
    """Every required part is there, and every reference leads somewhere."""
    assert whole["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= whole["info"].keys()
    assert set(whole["channels"]) == {FEEDBACK, DECISIONS, OUTCOMES}
    for operation in whole["operations"].values():
        assert operation["action"] in {"send", "receive"}
    assert all(resolved(whole, reference) for reference in references(whole))


def test_an_operation_tells_messages_of_its_own_channel(whole: dict[str, Any]) -> None:
    """AsyncAPI refuses a message that the operation's channel does not carry."""
    for operation in whole["operations"].values():
        channel = operation["channel"]["$ref"]
        assert operation["messages"]
        assert all(ref["$ref"].startswith(f"{channel}/messages/") for ref in operation["messages"])


def test_each_type_is_sent_and_received_on_its_topic_alone(whole: dict[str, Any]) -> None:
    """A type that nobody publishes, or nobody reads, is a mistake of the document or of ours."""
    carried = {topic: set(channel["messages"]) for topic, channel in whole["channels"].items()}
    assert carried == {
        topic: {type_ for type_, (_, carrier) in TYPES.items() if carrier == topic}
        for topic in (FEEDBACK, DECISIONS, OUTCOMES)
    }
    for action in ("send", "receive"):
        told = {
            reference["$ref"].rpartition("/")[2]
            for operation in whole["operations"].values()
            if operation["action"] == action
            for reference in operation["messages"]
        }
        assert told == set(TYPES)


@each_example
def test_what_we_write_fits_the_document(whole: dict[str, Any], data: EventData) -> None:
    """The golden record of each type passes its schema, and passes no other type's."""
    record = orjson.loads((GOLDEN / f"{data.TYPE}.json").read_bytes())
    assert [error.message for error in checker(whole, data.TYPE).iter_errors(record)] == []
    other = next(type_ for type_ in TYPES if type_ != data.TYPE)
    assert not checker(whole, other).is_valid(record)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"id": 7}, id="id is a number"),
        pytest.param({"dataversion": "2.0"}, id="another major version"),
        pytest.param({"specversion": "0.3"}, id="another CloudEvents"),
        pytest.param({"data": {}}, id="data lacks fields"),
        pytest.param({"data": None}, id="no data"),
    ],
)
def test_what_nobody_could_read_does_not_fit_the_document(
    whole: dict[str, Any], change: dict[str, Any]
) -> None:
    """The schema says no where a reader would."""
    record = {**wire(EXAMPLES[0]), **change}
    assert not checker(whole, EXAMPLES[0].TYPE).is_valid(record)


def test_a_reader_of_the_document_ignores_what_is_new(whole: dict[str, Any]) -> None:
    """More fields and a higher minor version pass, as they do with our own readers."""
    record = {**wire(EXAMPLES[0]), "dataversion": "1.99", "added": 1}
    record["data"]["added"] = {"x": 1}
    assert checker(whole, EXAMPLES[0].TYPE).is_valid(record)


def test_a_scale_is_bounded_in_the_document_too(whole: dict[str, Any]) -> None:
    """A value out of all proportion is refused by schema and model alike."""
    record = wire(EXAMPLES[0])
    record["data"]["given"]["value"] = 1e300
    assert not checker(whole, EXAMPLES[0].TYPE).is_valid(record)
