"""The topics as an AsyncAPI 3 document, made from the events themselves. Pure.

In: the product's version. Out: a JSON-like map, and its text as `docs/asyncapi.json` has it.
Promise: every event type is in it with the schema by which it is read, so that other programs can
be written against the topics.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from shared.events import decisions, feedback, outcomes
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES, TYPES

_SPEC: Final = "3.0.0"
_KAFKA_BINDING: Final = "0.5.0"
_SCHEMAS: Final = "#/components/schemas/"

_ABOUT: Final = """\
Any survey tool → a governed decision per customer → any campaign platform. Each record is one
CloudEvent 1.0 in structured JSON; `dataversion` is `major.minor` of its data. Readers ignore fields
that they do not know and read a higher minor version; the same thing told twice has the same `id`.
Order never decides: do not rely on it beyond one key. What could not be processed is in the topic
of the same name with `.dead` behind it."""

_TOPICS: Final = {
    FEEDBACK: "What happened at the survey tool, the helpdesk, the CRM or by the clock.",
    DECISIONS: "Who the customer is now, what may be done, and why.",
    OUTCOMES: "What became of deliveries and erasures; what platforms report of messages, actions.",
}
#: What the segmenter tells itself: its timers, and the commands of its API.
_OWN: Final = (
    feedback.TimerDue.TYPE,
    feedback.MergeRequested.TYPE,
    feedback.UnmergeRequested.TYPE,
    feedback.ErasureRequested.TYPE,
)
#: Steps of a case: a helpdesk's come by ingest, those of cases that were opened here by itself.
_CASES: Final = (
    feedback.CaseOpened.TYPE,
    feedback.CaseResolved.TYPE,
    feedback.CaseReopened.TYPE,
)
#: Who publishes what, and who reads it: (service, action, topic, the types it publishes itself).
OPERATIONS: Final[tuple[tuple[str, str, str, tuple[str, ...] | None], ...]] = (
    (
        "ingest",
        "send",
        FEEDBACK,
        tuple(
            type_ for type_, (_, topic) in TYPES.items() if topic == FEEDBACK and type_ not in _OWN
        ),
    ),
    ("segmenter", "send", FEEDBACK, (*_OWN, *_CASES)),
    ("segmenter", "receive", FEEDBACK, None),
    ("segmenter", "send", DECISIONS, None),
    ("dispatcher", "receive", DECISIONS, None),
    ("ingest", "receive", DECISIONS, (decisions.CustomerErased.TYPE,)),
    (
        "dispatcher",
        "send",
        OUTCOMES,
        (outcomes.DeliverySettled.TYPE, outcomes.ErasureConfirmed.TYPE),
    ),
    (
        "ingest",
        "send",
        OUTCOMES,
        tuple(
            type_
            for type_, (_, topic) in TYPES.items()
            if topic == OUTCOMES and type_ != outcomes.DeliverySettled.TYPE
        ),
    ),
    ("segmenter", "receive", OUTCOMES, None),
    ("dispatcher", "receive", OUTCOMES, None),
)

_ROUTE: Final = (
    "An HMAC-SHA-256 in hex of the first identifier under a secret of the operator; an id of ours "
    "where the event names nobody. It spreads load and tells nothing about the person."
)
_CUSTOMER: Final = "The customer's id, a UUID that the segmenter assigns."
_PARTITION: Final = "The input partition: its topic, a slash and its number."


class _Schemas(GenerateJsonSchema):
    """Schemas without what only repeats a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def document(version: str) -> dict[str, Any]:
    """Describe all topics; `version` is the product's."""
    models = [(model, "validation") for model, _ in TYPES.values()]
    _, found = models_json_schema(
        models,  # type: ignore[arg-type]
        ref_template=_SCHEMAS + "{model}",
        schema_generator=_Schemas,
    )
    return {
        "asyncapi": _SPEC,
        "info": {
            "title": "NPS connector: its topics",
            "version": version,
            "description": _joined(_ABOUT),
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {topic: _channel(topic, about) for topic, about in _TOPICS.items()},
        "operations": {
            f"{service}.{action}.{topic}": _operation(action, topic, types)
            for service, action, topic, types in OPERATIONS
        },
        "components": {
            "messages": {type_: _message(type_) for type_ in TYPES},
            "schemas": {name: _plain(schema) for name, schema in sorted(found["$defs"].items())},
        },
    }


def text(version: str) -> str:
    """Write the document as its file has it."""
    return orjson.dumps(document(version), option=orjson.OPT_INDENT_2).decode() + "\n"


def _channel(topic: str, about: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": about,
        "messages": {
            type_: {"$ref": f"#/components/messages/{type_}"} for type_ in _types_of(topic)
        },
        "bindings": {"kafka": {"topic": topic, "bindingVersion": _KAFKA_BINDING}},
    }


def _operation(action: str, topic: str, types: tuple[str, ...] | None) -> dict[str, Any]:
    told = _types_of(topic) if types is None else types
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{type_}"} for type_ in told],
    }


def _message(type_: str) -> dict[str, Any]:
    model, topic = TYPES[type_]
    major = model.VERSION.partition(".")[0]
    return {
        "name": type_,
        "contentType": "application/cloudevents+json",
        "summary": _joined(model.__doc__ or "").partition("\n\n")[0],
        "payload": {
            "type": "object",
            "required": [
                "specversion", "id", "source", "type", "time", "dataversion", "data",
            ],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "format": "uuid"},
                "source": {"type": "string", "minLength": 1},
                "type": {"const": type_},
                "time": {"type": "string", "format": "date-time"},
                "datacontenttype": {"const": "application/json"},
                "dataversion": {
                    "type": "string",
                    "pattern": rf"^{major}\.[0-9]+$",
                    "default": model.VERSION,
                },
                "data": {"$ref": _SCHEMAS + model.__name__},
            },
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": _key(type_, topic)},
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }  # fmt: skip


def _key(type_: str, topic: str) -> str:
    if type_ == decisions.SegmenterProgressed.TYPE:
        return _PARTITION
    ours = topic == DECISIONS or type_ in {*_OWN, outcomes.DeliverySettled.TYPE}
    return _CUSTOMER if ours else _ROUTE


def _types_of(topic: str) -> Iterator[str]:
    return (type_ for type_, (_, carrier) in TYPES.items() if carrier == topic)


def _plain(schema: Any) -> Any:
    """Make a schema one of AsyncAPI: there a `discriminator` is a name, and each `const` does."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _member(name, item)
        for name, item in schema.items()
        if not (name == "discriminator" and isinstance(item, dict))
    }


def _member(name: str, item: Any) -> Any:
    if name == "description" and isinstance(item, str):
        return _joined(item)
    if name == "enum" and isinstance(item, list):
        # `typing` keeps one object for literals that are equal as sets: sorted, the document does
        # not depend on what was imported first.
        return sorted(item, key=str)
    return _plain(item)


def _joined(lines: str) -> str:
    """Let each paragraph be one line: a reader's window has another width than ours."""
    return re.sub(r"(?<!\n)\n[ ]*(?!\n)", " ", re.sub(r"\n[ ]+", "\n", lines.strip()))
