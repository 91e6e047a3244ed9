"""What a request promises that stores more than one thing."""

from pathlib import Path

import orjson
import pytest

from tests.builders.receiving import reception

SOURCES = """
sources:
  desk:
    unsigned: true
    survey: survey
    response_id: response_id
    identifiers: {email: email}
    answers: {score: score}
"""
GOOD = {"response_id": "R-1", "survey": "s", "score": 9, "email": "ana@example.com"}
BAD = {**GOOD, "response_id": "R-2", "score": 11}


@pytest.mark.parametrize(
    ("takes_s", "status"),
    [
        pytest.param(0.0, 202, id="at once"),
        pytest.param(0.5, 503, id="each in time, together late"),
    ],
)
async def test_all_that_one_request_stores_has_one_deadline(
    tmp_path: Path, takes_s: float, status: int
) -> None:
    """Bus and database may each be slow; the sender's patience is one."""
    desk = reception(tmp_path, SOURCES, {}, takes_s=takes_s, store_deadline_s=0.6)
    kind = [(b"content-type", b"application/json")]
    answer = await desk.ask("/v1/webhooks/desk", orjson.dumps([GOOD, BAD]), kind)
    assert answer.status == status
    assert (len(desk.kept.messages), len(desk.kept.aside)) == (1, 1 if status == 202 else 0)
