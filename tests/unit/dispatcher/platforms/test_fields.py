"""What a target lists is written, in its words; all else stays with us."""

from typing import Any

import pytest

from services.dispatcher.platforms.fields import Written, in_message, listed, written
from services.dispatcher.platforms.preset import Formats, Pair
from shared.events.vocabulary import Value

KEEP = Formats(nulls="keep", moment="%Y-%m-%d %H:%M:%SZ")
OMIT = Formats(nulls="omit")


@pytest.mark.parametrize(
    ("field", "value", "formats", "expected"),
    [
        pytest.param({}, 0, KEEP, {"f": 0}, id="0 is a value"),
        pytest.param({}, "", KEEP, {"f": ""}, id="so is an empty text"),
        pytest.param({}, None, KEEP, {"f": None}, id="cleared"),
        pytest.param({}, None, OMIT, {}, id="cleared where null is not known"),
        pytest.param({"empty": ""}, None, OMIT, {"f": ""}, id="cleared by a value"),
        pytest.param({"values": {"a": "A"}}, "a", KEEP, {"f": "A"}, id="mapped"),
        pytest.param({"values": {"true": "oui"}}, True, KEEP, {"f": "oui"}, id="mapped boolean"),
        pytest.param({"values": {"a": "A"}}, "b", KEEP, {"f": "b"}, id="not in the map"),
        pytest.param(
            {"kind": "moment"},
            "2026-11-21T21:00:00.500000+01:00",
            KEEP,
            {"f": "2026-11-21 20:00:00Z"},
            id="moment in UTC",
        ),
        pytest.param(
            {"kind": "moment"},
            "2026-11-21T20:00:00Z",
            OMIT,
            {"f": "2026-11-21T20:00:00.000000Z"},
            id="moment as iso",
        ),
        pytest.param({"kind": "moment"}, "soon", KEEP, {"f": "soon"}, id="no moment"),
        pytest.param(
            {"kind": "moment"},
            "0001-01-01T00:00:00+14:00",
            KEEP,
            {"f": "0001-01-01T00:00:00+14:00"},
            id="a moment before all time",
        ),
        pytest.param({"kind": "text"}, 3, KEEP, {"f": "3"}, id="number as text"),
        pytest.param({"kind": "text"}, ["a", "b"], KEEP, {"f": "a, b"}, id="list as text"),
        pytest.param({}, ["a", "b"], KEEP, {"f": ["a", "b"]}, id="list"),
    ],
)
def test_a_value_is_written_as(
    field: dict[str, Any], value: Value, formats: Formats, expected: dict[str, Any]
) -> None:
    """By the field's kind, its value map and the platform's formats."""
    fields = {"ours": Written(field="f", **field)}
    assert written({"ours": value, "other": 1}, fields, formats) == expected


def test_fields_keep_the_order_of_the_file() -> None:
    """Equal attributes make equal bytes."""
    fields = {"b": Written(field="B"), "a": Written(field="A")}
    assert list(written({"a": 1, "b": 2}, fields, KEEP)) == ["B", "A"]


def test_what_was_never_said_is_not_written() -> None:
    """An absent attribute is not a cleared one."""
    assert written({}, {"a": Written(field="A")}, KEEP) == {}


def test_a_message_leaves_out_what_is_unknown() -> None:
    """A greeting without a name is the template's affair, not the word None."""
    said = {"a": None, "b": 3, "c": True}
    assert in_message(said, Formats(context="text")) == {"b": "3", "c": "true"}
    assert in_message(said, Formats()) == {"b": 3, "c": True}


def test_a_list_of_fields_is_built_as_the_platform_wants_it() -> None:
    """Keys may lie deeper, and a name may be said twice."""
    deep = Formats(pair=Pair(name="key.id", label="key.name", value="value"))
    assert listed({"a": 1}, deep) == [{"key": {"id": "a", "name": "a"}, "value": 1}]
    assert listed({"a": 1}, Formats(pair=Pair())) == [{"name": "a", "value": 1}]
    assert listed({"a": 1}, Formats()) == []
