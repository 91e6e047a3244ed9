"""What is there on a platform against what a target uses: one table, reasons in a closed set."""

from typing import Any

import pytest

from services.dispatcher.platforms.fields import Written
from services.dispatcher.platforms.findings import Finding, Used, drifted, inspect, settled
from services.dispatcher.platforms.inspection import Inspection
from services.dispatcher.platforms.preset import load_preset

ADOBE = load_preset("adobe_campaign_standard").preflight[0]
BREVO, TEMPLATES = load_preset("brevo").preflight
ME = load_preset("zendesk").preflight[0]
BANDS = {"detractor": "Détracteurs", "passive": "Neutres", "promoter": "Promoteurs"}


def used(attributes: dict[str, Written] | None = None, *templates: str) -> Used:
    """What a target uses."""
    return Used(attributes or {}, frozenset(templates), frozenset())


def field(name: str, **more: Any) -> Written:
    """How one attribute is written."""
    return Written(field=name, **more)


def adobe(**fields: dict[str, Any]) -> dict[str, Any]:
    """Describe a resource as Adobe does."""
    return {"content": fields}


def brevo(*attributes: dict[str, Any]) -> dict[str, Any]:
    """Describe attributes as Brevo does."""
    return {"attributes": list(attributes)}


@pytest.mark.parametrize(
    ("inspection", "answer", "uses", "found"),
    [
        pytest.param(
            ADOBE,
            adobe(cusScore={"type": "number"}, cusAt={"type": "datetime"}),
            used(
                {"nps_score": field("cusScore"), "nps_answered_at": field("cusAt", kind="moment")}
            ),
            [],
            id="all is there",
        ),
        pytest.param(
            ADOBE,
            adobe(),
            used({"nps_score": field("cusScore")}),
            [("field_missing", "cusScore (for nps_score) is not there")],
            id="a field is missing",
        ),
        pytest.param(
            ADOBE,
            adobe(cusScore={"type": "string"}, cusAt={"type": "number"}),
            used({"nps_score": field("cusScore"), "nps_answered_at": field("cusAt")}),
            [
                ("field_type", "cusScore is string, nps_score is written as number"),
                ("field_type", "cusAt is number, nps_answered_at is written as moment"),
            ],
            id="types are others",
        ),
        pytest.param(
            ADOBE,
            adobe(cusScore={"type": "string"}, cusOwn={"type": "number"}, cusOdd={"type": "link"}),
            used(
                {
                    "nps_score": field("cusScore", kind="text"),
                    "attributes.store": field("cusOwn"),
                    "nps_theme": field("cusOdd"),
                }
            ),
            [],
            id="as text, of their own, of a type nobody judges",
        ),
        pytest.param(
            ADOBE,
            adobe(cusBand={"type": "enumeration", "values": {"Détracteurs": {}, "Promoteurs": {}}}),
            used({"nps_segment": field("cusBand", values=BANDS)}),
            [("value_missing", "cusBand has no value Neutres (for nps_segment)")],
            id="a mapped value is missing",
        ),
        pytest.param(
            ADOBE,
            adobe(cusBand={"type": "enumeration", "values": {"detractor": {}, "promoter": {}}}),
            used({"nps_segment": field("cusBand")}),
            [("value_missing", "cusBand has no value passive (for nps_segment)")],
            id="one of our own is missing",
        ),
        pytest.param(
            ADOBE, {"error": 1}, used(), [("unreadable", "metadata: no $.content")], id="another"
        ),
        pytest.param(
            BREVO,
            brevo(
                {"name": "NPS_SCORE", "category": "normal", "type": "float"},
                {
                    "name": "NPS_SEGMENT",
                    "category": "category",
                    "enumeration": [{"value": 1, "label": "promoter"}],
                },
            ),
            used({"nps_score": field("NPS_SCORE"), "nps_segment": field("NPS_SEGMENT")}),
            [
                ("value_missing", "NPS_SEGMENT has no value detractor (for nps_segment)"),
                ("value_missing", "NPS_SEGMENT has no value passive (for nps_segment)"),
            ],
            id="a list of fields",
        ),
        pytest.param(
            TEMPLATES,
            {"templates": [{"id": 12}]},
            used(None, "12", "13"),
            [("template_missing", "template 13 is not there")],
            id="a template is missing",
        ),
        pytest.param(
            TEMPLATES, None, used(None, "12"), [("unreadable", "templates: no $.templates")]
        ),
        pytest.param(
            ME,
            {"user": {"id": None, "role": "end-user"}},
            used(),
            [("credentials", "me: the platform does not know us")],
            id="200 to a stranger",
        ),
        pytest.param(ME, {"user": {"id": 7}}, used(), [], id="known"),
    ],
)
def test_what_is_missing_is_named(
    inspection: Inspection, answer: Any, uses: Used, found: list[tuple[str, str]]
) -> None:
    """With the platform's name of it and ours, so that somebody knows what to make there."""
    seen = inspect(inspection, answer, uses)
    assert [(one.reason, one.what) for one in seen.findings] == found


def test_a_drift_is_told_between_two_looks() -> None:
    """A type, a value or a field that is another now; what was not in use before is none."""
    attributes = {"nps_score": field("cusScore"), "nps_segment": field("cusBand")}
    before = inspect(
        ADOBE,
        adobe(cusScore={"type": "number"}, cusBand={"type": "string", "values": {"a": {}}}),
        used(attributes),
    ).fields
    now = inspect(ADOBE, adobe(cusBand={"type": "string"}), used(attributes)).fields

    assert drifted(before, before) == ()
    assert drifted({}, now) == ()
    assert drifted(now, before) == (Finding("drift", "cusBand: was string, is string of a"),)
    assert drifted(before, now) == (
        Finding("drift", "cusBand: was string of a, is string"),
        Finding("drift", "cusScore: was number, is absent"),
    )


RIGHT = {"a": "number", "b": "text", "c": "absent"}
TOLD = ["b: was text, is number", "template x is not there"]


@pytest.mark.parametrize(
    ("now", "used", "told"),
    [
        pytest.param({"a": "number", "b": "text"}, {"a", "b"}, [], id="right-again"),
        pytest.param({"a": "number", "b": "number"}, {"a", "b"}, TOLD[:1], id="still-another"),
        pytest.param({"a": "text"}, {"a", "b"}, ["a: was number, is text", TOLD[0]], id="unseen"),
        pytest.param({}, {"a", "b"}, TOLD[:1], id="nothing-seen-at-all"),
        pytest.param({}, {"a"}, [], id="no-longer-in-use"),
        pytest.param({"b": "moment"}, {"b"}, ["b: was text, is moment"], id="yet-another"),
        pytest.param({"b": "text", "c": "text"}, {"b", "c"}, [], id="what-was-missing-is-there"),
    ],
)
def test_a_drift_is_told_until_a_look_sees_it_right(
    now: dict[str, str], used: set[str], told: list[str]
) -> None:
    """Neither a look that sees it again nor one that cannot see it makes it right."""
    assert [one.what for one in drifted(RIGHT, now, TOLD, used)] == told


def test_what_is_right_is_what_was_seen_first() -> None:
    """One that was missing is right once it is there; a new one from the first look on."""
    now = {"a": "text", "c": "text", "d": "number"}
    assert settled(RIGHT, now) == {"a": "number", "b": "text", "c": "text", "d": "number"}
    assert settled({}, {"c": "absent"}) == {"c": "absent"}


def test_an_inspection_changes_nothing() -> None:
    """Found when the preset is read."""
    with pytest.raises(ValueError, match="a GET"):
        Inspection.model_validate({"id": "x", "request": {"method": "POST", "path": "/x"}})
