"""Asking page by page: paced by what was told, and resumable where it was interrupted."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from services.segmenter.cli.policy import paced, pages_of
from shared.errors import DependencyAway
from shared.instance import Refused, Server

START = str(UUID(int=0))
PAGES: list[dict[str, Any]] = [
    {"told": 50, "next": str(UUID(int=1))},
    {"told": 0, "next": str(UUID(int=2))},
    {"told": 0, "next": None},
]


def server(
    answers: list[httpx.Response], asked: list[Any], rest: Callable[[float], None] | None = None
) -> Server:
    """An instance that gives these answers, one after the other."""
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(orjson.loads(request.content))
        return next(left)

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://nps.test")
    return Server(client, rest=rest or (lambda _seconds: None))


def ok(pages: list[dict[str, Any]]) -> list[httpx.Response]:
    return [httpx.Response(200, json=page) for page in pages]


def test_pages_follow_the_cursor_until_there_is_none() -> None:
    """Each is asked for from where the one before ended."""
    asked: list[Any] = []
    at = server(ok(PAGES), asked)
    assert list(pages_of(at, "recompute", {"apply": True}, START, None)) == PAGES
    assert [one["after"] for one in asked] == [START, PAGES[0]["next"], PAGES[1]["next"]]
    assert all(one["apply"] for one in asked)


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        pytest.param(10, [10], id="less than a page"),
        pytest.param(501, [500, 1], id="a page and one"),
        pytest.param(None, [500, 500, 500], id="all"),
    ],
)
def test_a_sample_ends_where_it_was_told_to(most: int | None, sizes: list[int]) -> None:
    """The last page is no larger than what is left of it."""
    asked: list[Any] = []
    list(pages_of(server(ok(PAGES), asked), "diff", {}, START, most))
    assert [one["most"] for one in asked] == sizes


def test_customers_told_are_paced(capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty at a hundred a second take half a second; who is not told takes none."""
    rests: list[float] = []
    pages = pages_of(server(ok(PAGES), []), "recompute", {}, START, None)
    assert list(paced(pages, 100, rests.append)) == PAGES
    assert rests == [0.5]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("answers", "error", "says"),
    [
        pytest.param(
            [*ok(PAGES[:1]), httpx.Response(422, json={"type": "x", "detail": "no"})],
            Refused,
            f"go on with --from {PAGES[0]['next']}",
            id="refused later",
        ),
        pytest.param(
            [*ok(PAGES[:1]), *[httpx.Response(503)] * 20],
            DependencyAway,
            f"go on with --from {PAGES[0]['next']}",
            id="away",
        ),
        pytest.param(
            [httpx.Response(422, json={"type": "x", "detail": "no"})], Refused, "", id="at once"
        ),
    ],
)
def test_an_interruption_says_where_to_go_on(
    answers: list[httpx.Response],
    error: type[Exception],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Unless nothing was done yet."""
    with pytest.raises(error):
        list(pages_of(server(answers, []), "recompute", {}, START, None))
    told = capsys.readouterr().err
    assert (says in told, bool(told)) == (True, bool(says))
