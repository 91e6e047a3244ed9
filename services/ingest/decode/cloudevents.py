"""CloudEvents 1.0 over HTTP: structured, batched and binary, all in one shape.

    {"id": …, "source": …, "specversion": "1.0", "type": …, "time": …, "subject": …, "data": …}

Extension attributes stand beside the others. In: the decoded body (structured, batch), or headers
and decoded body (binary). Out: a map or a list of maps, or `Undecodable`. Pure.
"""

from base64 import b64decode
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from services.ingest.decode.json_text import decode_json
from services.ingest.decode.limits import Undecodable
from services.ingest.receive.inbound import Headers

#: What every CloudEvent has, and cannot be empty.
REQUIRED: Final = ("id", "source", "specversion", "type")
#: Before the name of an attribute in a header, in binary mode.
PREFIX: Final = "ce-"


def is_binary(headers: Headers, content_type: str) -> bool:
    """Tell whether the attributes are in the headers and the body is the data."""
    structured = content_type.startswith("application/cloudevents")
    return not structured and headers.get("ce-specversion") is not None


def structured(tree: object) -> object:
    """Take one event, or the list of a batch, from a decoded body. Raises `Undecodable`."""
    return [_event(one) for one in tree] if isinstance(tree, list) else _event(tree)


def binary(headers: Headers, body: bytes, data: Callable[[], object]) -> object:
    """Make the same shape of headers and body; `data` decodes the body. Raises `Undecodable`."""
    event: dict[str, object] = {}
    for name in headers.keys():  # noqa: SIM118 - request headers are no mapping
        attribute = name.lower().removeprefix(PREFIX)
        if len(attribute) == len(name) or attribute in ("data", "data_base64"):
            continue
        if len(headers.getlist(name)) != 1:
            raise Undecodable("a CloudEvent with a doubled attribute")
        event[attribute] = _unquoted(headers.get(name) or "")
    content_type = headers.get("content-type")
    if content_type:
        event["datacontenttype"] = content_type
    if body:
        event["data"] = data()
    return _event(event)


def _event(tree: object) -> dict[str, object]:
    if not isinstance(tree, dict):
        raise Undecodable("not a CloudEvent: not a map")
    for name in REQUIRED:
        if not isinstance(tree.get(name), str) or not tree[name]:
            raise Undecodable(f"not a CloudEvent: no {name}")
    if not tree["specversion"].startswith("1."):
        raise Undecodable("a CloudEvent of another version than 1")
    if "data_base64" not in tree:
        return tree
    event = {name: value for name, value in tree.items() if name != "data_base64"}
    return {**event, "data": _from_base64(tree["data_base64"], tree.get("datacontenttype"))}


def _from_base64(text: object, content_type: object) -> object:
    """Read data sent in base64: JSON unless its content type says that it is text."""
    try:
        data = b64decode(text if isinstance(text, str) else "", validate=True)
        if isinstance(content_type, str) and content_type.lower().startswith("text/"):
            return data.decode()
    except ValueError:
        raise Undecodable("a CloudEvent with data_base64 that is none") from None
    return decode_json(data)


def _unquoted(value: str) -> str:
    """Undo the percent-encoding of an attribute in a header (UTF-8)."""
    try:
        return unquote(value, errors="strict")
    except UnicodeError:
        raise Undecodable("a CloudEvent with an attribute that is not UTF-8") from None
