"""`nps survey eligible`: one person or a file of many, in words or as one JSON object."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.eligibility import make_eligibility_router
from services.segmenter.cli.survey import survey
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig, Token
from shared.identifiers import AS_SAID
from shared.settings import Secrets
from shared.times import iso
from tests.builders.facts import ANNA, BEN, Shelf, day, handler, invited, received, rulebook
from tests.builders.operating import answering, run, told

TOKEN = {"NPS_TOKEN": "reader"}


@pytest.fixture
async def url(engine: AsyncEngine) -> AsyncIterator[str]:
    """The address of a segmenter that knows Anna, who was invited ten days ago."""
    await handler(engine, Shelf())(received(invited()))
    reader = Token(name="reader", scopes=frozenset({"read"}), token="env:NPS_TOKEN_READER")
    access = Access(AccessConfig(tokens=(reader,)), Secrets({"NPS_TOKEN_READER": "reader"}))
    router = make_eligibility_router(engine, rulebook(), access, lambda: day(10), AS_SAID)
    app = make_app([Part(name="segmenter", routers=[router])], CollectorRegistry())
    async with answering(app) as at:
        yield at


async def test_one_person_is_asked_about_in_words(url: str) -> None:
    """Whether, when next, and every reason why not."""
    no = await run(survey, "eligible", "nps", "--email", ANNA, url=url, environ=TOKEN)
    assert no.exit_code == 0
    assert "2026-06-08 12:00" in no.stdout
    assert "family relational" in " ".join(no.stdout.split())
    yes = await run(survey, "eligible", "nps", "--email", BEN, url=url, environ=TOKEN)
    assert (yes.exit_code, "1 eligible" in yes.stdout) == (0, True)


async def test_one_experience_is_asked_about(url: str) -> None:
    """Its kind and moment are options, too."""
    asked = ["eligible", "after-delivery", "--email", BEN, "--kind", "order", "--json"]
    early = await run(survey, *asked, "--at", iso(day(9)), url=url, environ=TOKEN)
    (answer,) = told(early)["customers"]
    assert (answer["reason"]["rule"], answer["next_at"]) == ("ask_window", iso(day(12)))
    late = await run(survey, *asked, "--at", iso(day(-21)), url=url, environ=TOKEN)
    assert told(late)["counts"] == {"ask_window": 1}


async def test_a_file_of_many_is_answered_in_its_order(url: str, tmp_path: Path) -> None:
    """Also of more than one question holds; empty lines are nobody."""
    people = [{"email": f"c{number}@example.com"} for number in range(1001)]
    lines = [json.dumps(one) for one in ({"email": ANNA}, *people)]
    file = tmp_path / "customers.jsonl"
    file.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    asked = ["eligible", "nps", "--file", file, "--json"]
    done = await run(survey, *asked, url=url, environ=TOKEN)
    found = told(done)
    assert found["counts"] == {"any_survey": 1, "eligible": 1001}
    assert [one["eligible"] for one in found["customers"]] == [False, *[True] * 1001]
    assert (found["survey"], found["family"]) == ("nps", "relational")


async def test_who_cannot_be_looked_for_is_named_by_line_and_code(url: str, tmp_path: Path) -> None:
    """The others are answered; a script sees the exit code 1."""
    file = tmp_path / "customers.jsonl"
    file.write_text('{"email": "nowhere"}\n{"email": "ben@example.org"}\n', encoding="utf-8")
    done = await run(survey, "eligible", "nps", "--file", file, url=url, environ=TOKEN)
    assert done.exit_code == 1
    assert "correct `email`" in done.stdout
    assert "1 eligible, 1 error" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["nps"], 2, "say whom", id="nobody"),
        pytest.param(["nps", "--email", ANNA, "--file", "x"], 2, "say whom", id="one and many"),
        pytest.param(["nps", "--file", "nowhere.jsonl"], 2, "cannot be read", id="no file"),
        pytest.param(["nps", "--email", ANNA, "--kind", "order"], 2, "--at", id="no moment"),
        pytest.param(
            ["nps", "--email", ANNA, "--kind", "order", "--at", "2026-03-10T12:00:00"],
            2,
            "with its offset",
            id="a moment of no zone",
        ),
        pytest.param(
            ["nps", "--email", ANNA, "--kind", "order", "--at", "noon"], 2, "--at: give", id="noon"
        ),
        pytest.param(
            ["nps", "--kind", "order", "--at", "2026-03-10T12:00:00Z"], 2, "one person", id="whose?"
        ),
        pytest.param(["nps", "--email", ANNA, "--channel", "canary"], 1, "channel", id="channel"),
    ],
)
async def test_what_is_wrong_is_said_in_words(
    url: str, arguments: list[str], code: int, says: str
) -> None:
    """One line on standard error that names the option."""
    done = await run(survey, "eligible", *arguments, url=url, environ=TOKEN)
    assert (done.exit_code, says in done.stderr) == (code, True), done.output


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("\n", "holds nobody", id="empty"),
        pytest.param('{"email": "a@example.com"}\nemail\n', "line 2", id="no JSON"),
        pytest.param('["a@example.com"]\n', "line 1", id="a list"),
    ],
)
async def test_a_file_that_is_wrong_names_its_line(
    url: str, tmp_path: Path, content: str, says: str
) -> None:
    """Nothing is asked about half a file."""
    file = tmp_path / "customers.jsonl"
    file.write_text(content, encoding="utf-8")
    done = await run(survey, "eligible", "nps", "--file", file, url=url, environ=TOKEN)
    assert (done.exit_code, says in done.stderr) == (2, True)
