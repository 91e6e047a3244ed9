"""Names of events, causes and deliveries: what was named once is named so for ever."""

import uuid

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.events import ids

_ROOT = uuid.UUID("6f0ab2a4-7d0f-5c39-9f0e-3a1d7c55b1e4")


@given(st.lists(st.text(max_size=20) | st.integers() | st.uuids(), max_size=5))
def test_a_name_is_the_version_5_uuid_of_its_parts_as_json(parts: list[object]) -> None:
    """Another way to compute it would make every old event new again."""
    name = orjson.dumps([str(part) for part in parts]).decode()
    assert ids.name_id(*parts) == uuid.uuid5(_ROOT, name)


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 9) | st.none(), max_size=4))
def test_content_is_named_by_the_hex_digits_of_such_a_uuid(content: dict[str, object]) -> None:
    """Leading zeros among them, and whatever the order of its keys."""
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
    expected = uuid.uuid5(_ROOT, orjson.dumps(["content", text]).decode())
    assert ids.content_hash(dict(reversed(content.items()))) == expected.hex
    assert ids.content_id(content) == uuid.uuid5(_ROOT, f"[{text}]")
