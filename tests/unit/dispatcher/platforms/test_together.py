"""Several pushes in one request: who goes into it, and whom a good answer names as failed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from services.dispatcher.calls.calls import Outcome, Partly, ProfilePush, Shown, Verdict
from services.dispatcher.platforms.operation import Batch, Failures, Sees
from services.dispatcher.platforms.reading import shown_each
from services.dispatcher.platforms.shown import Shows
from services.dispatcher.platforms.together import Member, groups, partly, with_shown
from shared.events.vocabulary import Identifier
from tests.builders.platforms import PUSH

TAKEN = Verdict("ok", "HTTP 200")
ASKED: tuple[Mapping[str, Any], ...] = (
    {"email": "a@example.com"},
    {"email": "b@example.com"},
    {"email": "c@example.com"},
)
RULES = [
    {"path": "$.code", "values": ["SLOW"], "then": "throttle", "reason": "asked to slow down"},
    {"path": "$.code", "values": ["BUSY", "423"], "then": "retry", "reason": "written by another"},
]
BY_INDEX = {"items": "$.errors", "index": "$.at", "rules": RULES, "otherwise": "refused"}
BY_NAME = {"items": "$.errors", "names": {"email": "$.who"}, "rules": RULES, "otherwise": "refused"}


def read(failures: dict[str, Any], said: object) -> Verdict:
    """Read an answer that the platform's rules call good."""
    answer = httpx.Response(200, json=said)
    return partly(Failures.model_validate(failures), answer, ASKED, TAKEN, step="track")


@pytest.mark.parametrize("failures", [BY_INDEX, BY_NAME], ids=["by index", "by name"])
@pytest.mark.parametrize(
    "said", [{}, [], {"errors": []}, {"errors": None}, {"errors": {"at": 0}}, {"errors": "no"}]
)
def test_an_answer_without_failures_says_that_all_were_taken(
    failures: dict[str, Any], said: object
) -> None:
    """Only a list names failures."""
    assert read(failures, said) is TAKEN


@pytest.mark.parametrize(
    ("failures", "errors", "failed"),
    [
        pytest.param(BY_INDEX, [{"at": 0}], {0: "reject"}, id="the first"),
        pytest.param(BY_INDEX, [{"at": 2}, {"at": 1}], {1: "reject", 2: "reject"}, id="two"),
        pytest.param(BY_INDEX, [{"at": 1, "code": "SLOW"}], {1: "throttle"}, id="by its code"),
        pytest.param(
            BY_INDEX, [{"at": 1, "code": 423}], {1: "retry"}, id="a code that is a number"
        ),
        pytest.param(BY_INDEX, [{"at": 1, "code": ["SLOW"]}], {1: "reject"}, id="no code at all"),
        pytest.param(BY_NAME, [{"who": "b@example.com"}], {1: "reject"}, id="her name"),
        pytest.param(
            BY_NAME,
            [{"who": ["c@example.com", "a@example.com"], "code": "BUSY"}],
            {0: "retry", 2: "retry"},
            id="a list of names",
        ),
        pytest.param(
            BY_NAME, [{"who": ["c@example.com", None]}], {2: "reject"}, id="a name and a gap"
        ),
    ],
)
def test_a_failure_is_told_of_whom_it_names(
    failures: dict[str, Any], errors: list[Any], failed: dict[int, Outcome]
) -> None:
    """The others were taken; the reason is in our words."""
    verdict = read(failures, {"errors": errors})
    assert isinstance(verdict, Partly)
    assert verdict.outcome == "ok"
    assert {at: one.outcome for at, one in verdict.own.items()} == failed
    reasons = {one.reason for one in verdict.own.values()}
    assert reasons <= {"refused", "asked to slow down", "written by another"}


@pytest.mark.parametrize(
    ("failures", "error"),
    [
        pytest.param(BY_INDEX, {}, id="no place"),
        pytest.param(BY_INDEX, {"at": -1}, id="before the first"),
        pytest.param(BY_INDEX, {"at": 3}, id="after the last"),
        pytest.param(BY_INDEX, {"at": True}, id="a truth is no place"),
        pytest.param(BY_INDEX, {"at": "1"}, id="a text is no place"),
        pytest.param(BY_INDEX, {"at": 1.0}, id="a fraction is no place"),
        pytest.param(BY_INDEX, "1", id="no object"),
        pytest.param(BY_NAME, {"who": "d@example.com"}, id="a stranger"),
        pytest.param(BY_NAME, {"who": None}, id="nobody"),
        pytest.param(BY_NAME, {"who": {"b@example.com": 1}}, id="a name as a key"),
    ],
)
def test_a_failure_that_names_nobody_refuses_the_whole(
    failures: dict[str, Any], error: object
) -> None:
    """Who it was shows when they are fewer: beside one who was named, too."""
    named = {"at": 0, "who": "a@example.com"}
    for errors in ([error], [named, error]):
        verdict = read(failures, {"errors": errors})
        assert verdict == Verdict("reject", "track: something of the batch was refused")


BY_PLACE = {"items": "$.each", "status": "$.code", "rules": RULES, "otherwise": "refused"}
BARE = {"items": "$.codes", "status": "$", "rules": [], "otherwise": "refused"}


@pytest.mark.parametrize(
    ("failures", "said", "failed"),
    [
        pytest.param(BY_PLACE, [{"id": 1}, {"id": 2}, {"code": 200}], {}, id="all were taken"),
        pytest.param(BY_PLACE, [{"id": 1}, {"code": 400}, {}], {1: "reject"}, id="the second"),
        pytest.param(BY_PLACE, [{"code": 423}, {}, {"code": "no"}], {0: "retry", 2: "reject"},
                     id="by its code"),
        pytest.param(BY_PLACE, [{}, None, {}], {1: "reject"}, id="nothing is told of one"),
        pytest.param(BARE, [201, 500, 200], {1: "reject"}, id="codes alone"),
        pytest.param(BARE, [201, 2000, "200"], {1: "reject"}, id="a number that is no status"),
    ],
)  # fmt: skip
def test_a_list_of_all_tells_of_each_in_its_place(
    failures: dict[str, Any], said: list[Any], failed: dict[int, Outcome]
) -> None:
    """Where the platform tells of every item, taken is what has no status, or a good one."""
    verdict = read(failures, {"each": said, "codes": said})
    assert verdict.outcome == "ok"
    own = verdict.own if isinstance(verdict, Partly) else {}
    assert {at: one.outcome for at, one in own.items()} == failed


@pytest.mark.parametrize(
    "said", [None, [], "no", {"0": {}}, [{}, {}], [{}, {}, {}, {}], [{"code": 400}]]
)
def test_a_list_that_tells_of_others_than_were_asked_for_refuses_the_whole(said: object) -> None:
    """Nobody's place is guessed: who it was shows when they are fewer."""
    told = "track: the answer does not tell of each of the batch"
    assert read(BY_PLACE, {"each": said}) == Verdict("reject", told)


SEES = {"select": {"items": "$.people", "field": "$.mail", "equal": "email"}, "held_as": "one"}
SHOWS = {"by": "email", "refused": {"email": ["$.one.left"]}}


@pytest.mark.parametrize(
    ("people", "left"),
    [
        pytest.param([{"mail": "c@example.com", "left": True}], [None, None, True], id="by name"),
        pytest.param(
            {"2": {"mail": "A@Example.com", "left": False}, "0": {"mail": "b@example.com"}},
            [False, None, None],
            id="an object of them, and one who shows nothing",
        ),
        pytest.param(
            [{"mail": "b@example.com", "left": False}, {"mail": "b@example.com", "left": True}],
            [None, True, None],
            id="of two the strictest",
        ),
        pytest.param([{"mail": "d@example.com", "left": True}], [None] * 3, id="a stranger"),
        pytest.param([None, 1, {"mail": None, "left": True}], [None] * 3, id="nobody"),
        pytest.param("no", [None] * 3, id="no list"),
        pytest.param(None, [None] * 3, id="nothing"),
    ],
)
def test_consent_is_hers_whose_name_it_stands_by(people: object, left: list[bool | None]) -> None:
    """What an answer shows of several is told apart by name, not by place."""
    answer = httpx.Response(200, json={"people": people})
    seen = shown_each(Sees.model_validate(SEES), Shows.model_validate(SHOWS), answer, ASKED)
    assert [None if one is None else bool(one.refused["email"]) for one in seen] == left


def test_what_was_seen_goes_with_her_own_verdict() -> None:
    """The others keep theirs; where nothing was seen, nothing changes."""
    hers = Shown(Identifier(kind="email", value="b@example.com"), {"email": "left"})
    refused = Verdict("reject", "refused")
    both = with_shown(Partly("ok", "HTTP 200", own={0: refused}), TAKEN, [None, hers, None])
    assert both == Partly("ok", "HTTP 200", own={0: refused, 1: replace(TAKEN, shown=hers)})
    failed = with_shown(Partly("ok", "HTTP 200", own={1: refused}), TAKEN, [None, hers, None])
    assert failed == Partly("ok", "HTTP 200", own={1: replace(refused, shown=hers)})
    assert with_shown(TAKEN, TAKEN, [None, None, None]) is TAKEN


def member(place: int, size: int | None) -> Member:
    """Make a push that is so many bytes, or one that cannot go with others."""
    push: ProfilePush = PUSH
    return Member(place, push, {}, None if size is None else b"x" * size)


@pytest.mark.parametrize(
    ("sizes", "together"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([10], [[0]], id="one"),
        pytest.param([10, 10, 10], [[0, 1, 2]], id="as many as may be"),
        pytest.param([10, 10, 10, 10], [[0, 1, 2], [3]], id="one more"),
        pytest.param([700, 700, 700], [[0, 1], [2]], id="by their bytes"),
        pytest.param([1535, 11], [[0, 1]], id="to the last byte"),
        pytest.param([1535, 12], [[0], [1]], id="a byte too many"),
        pytest.param([5000, 10], [[0], [1]], id="too large for any"),
        pytest.param([10, None, 10], [[0], [1], [2]], id="who must go alone stands between"),
    ],
)
def test_groups_fit_one_request(sizes: list[int | None], together: list[list[int]]) -> None:
    """In their order, by number and by bytes, with room for what is around the list."""
    batch = Batch.model_validate(
        {
            "max_items": 3,
            "max_bytes": 2060,
            "step": "track",
            "request": {"method": "POST", "path": "/", "body": ["{{items}}"]},
            "item": "{{email}}",
            "failures": BY_INDEX,
        }
    )
    made = groups(batch, [member(place, size) for place, size in enumerate(sizes)])
    assert [[one.place for one in group] for group in made] == together
