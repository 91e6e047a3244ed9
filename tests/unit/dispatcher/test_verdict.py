"""One answer, one ruling: rules in order, then what is true of every platform."""

from datetime import timedelta
from typing import Literal

import httpx
import pytest
from pydantic import ValidationError

from services.dispatcher.platforms.pick import parse, pick
from services.dispatcher.platforms.verdict import Failure, Phase, Rule, RuledOutcome, Wait, classify
from tests.builders.platforms import NOW

RULES = (
    Rule(status=("2xx",), path="$.errors[0].code", values=("17",), then="reject", reason="partial"),
    Rule(status=("400",), header={"X-Why": "^slow$"}, then="throttle"),
    Rule(status=("400",), text="again", steps=("find",), then="retry"),
    Rule(status=("500",), text=r"(?P<code>AB-\d+)", then="conflict"),
    Rule(text="gone", then="not_found"),
    Rule(status=("2xx",), path="$.failed[0]", present=True, then="park", reason="some failed"),
    Rule(status=("202",), path="$.id", present=False, then="reject", reason="no id"),
)


@pytest.mark.parametrize(
    ("response", "outcome", "reason"),
    [
        pytest.param(httpx.Response(200), "ok", "HTTP 200", id="200"),
        pytest.param(
            httpx.Response(200, json={"failed": [{"a": 1}]}),
            "park",
            "HTTP 200: some failed",
            id="present",
        ),
        pytest.param(httpx.Response(200, json={"failed": []}), "ok", "HTTP 200", id="not present"),
        pytest.param(httpx.Response(202, json={}), "reject", "HTTP 202: no id", id="absent"),
        pytest.param(httpx.Response(202, json={"id": 0}), "ok", "HTTP 202", id="not absent"),
        pytest.param(
            httpx.Response(201, json={"errors": [{"code": 17}]}),
            "reject",
            "HTTP 201: partial",
            id="failure inside success",
        ),
        pytest.param(
            httpx.Response(400, headers={"x-why": "slow"}), "throttle", "HTTP 400", id="header"
        ),
        pytest.param(httpx.Response(400, text="try again"), "retry", "HTTP 400", id="of the step"),
        pytest.param(
            httpx.Response(500, text="x AB-12 jane@example.com"),
            "conflict",
            "HTTP 500: AB-12",
            id="only the code is told",
        ),
        pytest.param(
            httpx.Response(
                500, content=b"\xff gone", headers={"Content-Type": "text/plain; charset=zlib"}
            ),
            "not_found",
            "HTTP 500",
            id="a charset that is none",
        ),
        pytest.param(httpx.Response(500, text="gone"), "not_found", "HTTP 500", id="any status"),
        pytest.param(httpx.Response(500), "in_doubt", "HTTP 500: the platform failed", id="500"),
        pytest.param(httpx.Response(599), "in_doubt", "HTTP 599: the platform failed", id="599"),
        pytest.param(
            httpx.Response(504),
            "in_doubt",
            "HTTP 504: a gateway got no answer from behind it",
            id="504",
        ),
        pytest.param(
            httpx.Response(502),
            "in_doubt",
            "HTTP 502: a gateway got no answer from behind it",
            id="502",
        ),
        pytest.param(httpx.Response(503), "retry", "HTTP 503", id="503"),
        pytest.param(httpx.Response(999), "in_doubt", "HTTP 999", id="no status of HTTP"),
        pytest.param(httpx.Response(408), "retry", "HTTP 408", id="408"),
        pytest.param(
            httpx.Response(425),
            "throttle",
            "HTTP 425: the platform asks to slow down",
            id="425",
        ),
        pytest.param(httpx.Response(404), "reject", "HTTP 404", id="404"),
        pytest.param(
            httpx.Response(301),
            "park",
            "HTTP 301: the platform redirects: correct the target's URL",
            id="redirect",
        ),
    ],
)
def test_an_answer_is_ruled(response: httpx.Response, outcome: RuledOutcome, reason: str) -> None:
    """The first rule that matches in everything it names."""
    ruling = classify(response, RULES, step="find", effect=True, now=NOW)
    assert (ruling.outcome, ruling.reason) == (outcome, reason)


def test_a_rule_of_another_step_does_not_apply() -> None:
    """The same text means something else elsewhere."""
    told = classify(httpx.Response(400, text="again"), RULES, step="create", effect=True, now=NOW)
    assert told.outcome == "reject"


@pytest.mark.parametrize(
    ("phase", "effect", "outcome"),
    [
        ("connect", True, "retry"),
        ("connect", False, "retry"),
        ("sent", True, "in_doubt"),
        ("sent", False, "retry"),
        ("refused", True, "disable_target"),
        ("refused", False, "disable_target"),
    ],
)
def test_a_failure_is_ruled_by_phase(phase: Phase, effect: bool, outcome: RuledOutcome) -> None:
    """Only what left, unanswered, and acts leaves doubt."""
    assert classify(Failure(phase, "x"), RULES, step="a", effect=effect, now=NOW).outcome == outcome


def test_an_outage_that_names_its_end_is_a_throttle() -> None:
    """503 with `Retry-After` is not hammered."""
    answer = httpx.Response(503, headers={"Retry-After": "9"})
    ruling = classify(answer, (), step="a", effect=True, now=NOW)
    assert (ruling.outcome, ruling.wait) == ("throttle", timedelta(seconds=9))


@pytest.mark.parametrize("status", [500, 502, 504, 599])
def test_doubt_is_only_of_what_acts_and_keeps_the_wait(status: int) -> None:
    """A find that no one heard is asked again; an action is not, even where a time is named."""
    answer = httpx.Response(status, headers={"Retry-After": "9"})
    acting = classify(answer, (), step="a", effect=True, now=NOW)
    asking = classify(answer, (), step="a", effect=False, now=NOW)
    wait = timedelta(seconds=9)
    assert (acting.outcome, acting.wait) == ("in_doubt", wait)
    assert (asking.outcome, asking.wait) == ("throttle", wait)


@pytest.mark.parametrize(
    "rule",
    [
        {"then": "perhaps"},
        {"then": "ok", "text": "("},
        {"then": "ok", "status": ["600"]},
        {"then": "ok", "status": ["2x"]},
        {"then": "ok", "path": "$.a"},
        {"then": "ok", "values": ["a"]},
        {"then": "ok", "path": "a.b", "values": ["a"]},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, object]) -> None:
    """When the preset is loaded, not when the answer comes."""
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", {"a": [{"b-c": 1}, None], "@d": 0}),
        ("$.a[0].b-c", 1),
        ("$.@d", 0),
        ("$.a[1].b-c", None),
        ("$.a[9]", None),
        ("$.a.b-c", None),
        ("$.x.y", None),
        ("$[0]", None),
    ],
)
def test_a_path_picks(path: str, expected: object) -> None:
    """Whatever is missing on the way is None."""
    assert pick(parse(b'{"a": [{"b-c": 1}, null], "@d": 0}'), path) == expected


def test_a_body_that_is_no_json_is_nothing() -> None:
    """Gateways answer HTML."""
    assert parse(b"<html>") is None
    assert parse(b"") is None


@pytest.mark.parametrize(
    ("unit", "said", "seconds"),
    [
        ("s", "7", 7),
        ("s", "0.5", 0.5),
        ("ms", "1500", 1.5),
        ("epoch_s", str(int(NOW.timestamp()) + 9), 9),
        ("epoch_ms", str(int(NOW.timestamp() * 1000) + 250), 0.25),
        ("s", "-3", None),
        ("epoch_s", str(int(NOW.timestamp()) - 9), None),
        ("s", "soon", None),
        ("s", "nan", None),
        ("s", "1e300", None),
        ("s", "90000", None),
        ("s", "", None),
    ],
)
def test_a_platforms_own_header_names_the_wait(
    unit: Literal["s", "ms", "epoch_s", "epoch_ms"], said: str, seconds: float | None
) -> None:
    """A span or a moment; nonsense, the past and more than a day leave the wait to us."""
    rule = Rule(status=("429",), then="throttle", wait=Wait(header="x-reset", unit=unit))
    heard = httpx.Response(429, headers={"x-reset": said})
    ruling = classify(heard, (rule,), step="a", effect=True, now=NOW)
    assert ruling.outcome == "throttle"
    assert ruling.wait == (None if seconds is None else timedelta(seconds=seconds))


def test_retry_after_goes_before_the_platforms_own_header() -> None:
    """The standard's word counts where both are said."""
    rule = Rule(status=("429",), then="throttle", wait=Wait(header="x-reset"))
    heard = httpx.Response(429, headers={"x-reset": "7", "Retry-After": "60"})
    assert classify(heard, (rule,), step="a", effect=True, now=NOW).wait == timedelta(minutes=1)
