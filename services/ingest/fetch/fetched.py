"""What a platform's API answered, read: the document or the page, mapped by the source's `fetch`.

In: an answer's body and what was asked for. Out: documents, and for each an outcome as of any
message; and the one form in which a document that could not be mapped is kept, so that it can be
looked at and fetched again. Pure.
"""

import json
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.ingest.decode.decoders import Undecodable, decode_json
from services.ingest.decode.payload import MISSING, Payload, Pick, Unreadable
from services.ingest.fetch.recipe import Many, Recipe
from services.ingest.keep.people import named_in
from services.ingest.mapper.mapping import Mapping
from services.ingest.mapper.reading import Failed, key
from services.ingest.mapper.responses import MAX_RESPONSE_ID
from services.ingest.told import Outcome, Thin
from services.ingest.translate import translate
from shared.events.vocabulary import Identifier
from shared.times import iso

#: How a fetched document is marked among kept bodies: they are otherwise messages as sent.
KEPT_TYPE: Final = "application/vnd.nps.fetched+json"
#: Far above the 100 that platforms give, and what one page may cost us.
_MOST_ITEMS: Final = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """One fetched response with what was asked for; `root:` paths see that."""

    payload: Payload
    asked: MappingOf[str, object]


def asked_of(thin: Thin) -> dict[str, object]:
    """Say what a thin message asks for: its ids, its time and its variables, by name."""
    return {
        **thin.variables,
        "survey": thin.survey,
        "response_id": thin.response_id,
        "occurred_at": iso(thin.occurred_at),
    }


def read_one(recipe: Recipe, body: bytes, asked: MappingOf[str, object]) -> Document:
    """Take the response out of an answer. Raises `Undecodable`."""
    tree = decode_json(body)
    found = tree if recipe.item is None else _found(recipe.item, tree)
    if found is MISSING or found is None:
        raise Undecodable("an answer without what `fetch.item` names")
    return Document(Payload(found, root=dict(asked)), asked)


def read_page(many: Many, body: bytes, survey: str) -> tuple[list[Document], str | None]:
    """Take the responses out of a page, and the address of the next one. Raises `Undecodable`."""
    tree = decode_json(body)
    items = _found(many.items, tree)
    if not isinstance(items, list) or len(items) > _MOST_ITEMS:
        raise Undecodable(f"no list of at most {_MOST_ITEMS} at `fetch.bulk.items`")
    asked = {"survey": survey}
    pages = None if many.next is None else _found(many.next, tree)
    following = pages if isinstance(pages, str) and pages else None
    said = [item for item in items if item is not None]
    return [Document(Payload(item, root=dict(asked)), asked) for item in said], following


def outcome(mapping: Mapping, document: Document, now: datetime) -> Outcome:
    """Map one document; `now` (aware) is when it was read."""
    return translate(mapping, document.payload, now)


def response_id(mapping: Mapping, document: Document) -> str | None:
    """Tell which response a document is, also where the rest of it cannot be mapped."""
    try:
        return key(mapping.kinds[0].response_id, document.payload, MAX_RESPONSE_ID)
    except Failed:
        return None


def named_by(mapping: Mapping, asked: MappingOf[str, object]) -> Sequence[Identifier]:
    """Tell whom a message of ids could name, by what it told beside them."""
    ids = ("survey", "response_id", "occurred_at")
    told = (str(text) for name, text in asked.items() if name not in ids)
    return named_in(told, mapping.kinds[0].rules)


def kept(asked: MappingOf[str, object], document: object = None) -> bytes:
    """Write what is kept of a response that could not be fetched or mapped.

    It holds no time of ours: the same document found again is the same row.
    """
    content = {"asked": dict(asked), "document": document}
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def document_of(body: bytes) -> Document | None:
    """Read what `kept` wrote as the document to map again; None where it holds none."""
    try:
        tree = decode_json(body)
    except Undecodable:
        return None
    if not isinstance(tree, dict) or not isinstance(tree.get("asked"), dict):
        return None
    document, asked = tree.get("document"), tree["asked"]
    return None if document is None else Document(Payload(document, root=dict(asked)), asked)


def thin_of(body: bytes) -> Thin | None:
    """Read what `kept` wrote as the message to fetch again; None where it names no response."""
    try:
        tree = decode_json(body)
        asked = dict(tree["asked"]) if isinstance(tree, dict) else {}
        survey, response = str(asked.pop("survey")), str(asked.pop("response_id"))
        occurred_at = datetime.fromisoformat(str(asked.pop("occurred_at")))
    except (Undecodable, KeyError, TypeError, ValueError):
        return None
    return Thin(survey, response, occurred_at, {name: str(text) for name, text in asked.items()})


def _found(pick: Pick, tree: object) -> object:
    try:
        return pick(Payload(tree))
    except Unreadable as error:
        raise Undecodable(str(error)) from None
