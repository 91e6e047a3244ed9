"""`nps figures` at a running instance: drawn for people, `--json` for scripts."""

import pytest
import typer

from services.segmenter.figures.figures_cli import figures
from tests.builders.facts import answered, case, day, invited
from tests.builders.figures import Figures, figures_on, policy_with
from tests.builders.operating import answering, run, told

ALL = ("--from", "2026-03-01", "--to", "2026-03-31")
app = typer.Typer()
app.command()(figures)


async def fill(there: Figures) -> None:
    """Forty answers of two stores, a case, some invitations."""
    for number in range(40):
        email = f"person{number}@example.com"
        store = "Lyon" if number < 35 else "Nice [red]"
        score = 10 if number % 3 else 2
        await there.tell(
            invited(email, at=day(-1)),
            answered(f"r{number}", score, email=email, attributes={"store": store}),
        )
    await there.tell(case("opened", email="person0@example.com"))


def environ() -> dict[str, str]:
    return {"NPS_TOKEN": "reader", "COLUMNS": "80"}


async def test_figures_are_drawn_with_what_they_are_worth(database: str) -> None:
    """The number of answers, the interval, too few of them, the comparison, and the loop."""
    policy = policy_with(objectives=[{"nps": 40, "shares": {"detractor": 50}}])
    async with figures_on(database, policy) as there, answering(there.app) as url:
        await fill(there)
        arguments = (*ALL, "--by", "attribute:store", "--compare", "value:Lyon")
        shown = await run(app, *arguments, url=url, environ=environ())
        alone = await run(app, *ALL, "--show", "score", url=url, environ=environ())
    assert shown.exit_code == 0, shown.output
    for words in (
        "compared with Lyon",
        "+30.0",
        "●",
        "Nice [red]",
        "too few answers",
        "100.0 % of 40",
        "objective NPS 40: 30, 10.0 points away",
        "objective share of detractors 50: 35, reached",
        "moves: 0 up, 0 down, 0 same, 40 first answers",
        "churned by now: 0 (0.0 %) detractors",
        "cases resolved",
    ):
        assert words in shown.stdout, words
    assert "moves" not in alone.stdout


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        pytest.param(("--compare", "value:Lyon"), "needs by", id="a group of none"),
        pytest.param(("--compare", "last"), "previous, FROM..TO", id="a word"),
    ],
)
async def test_a_comparison_that_cannot_be_is_refused_at_once(
    arguments: tuple[str, ...], fix: str
) -> None:
    """No instance is asked: an option is wrong."""
    refused = await run(app, *ALL, *arguments, url="http://127.0.0.1:9", environ=environ())
    assert (refused.exit_code, fix in refused.output) == (2, True), refused.output


async def test_nothing_answered_is_said_so(database: str) -> None:
    """An empty period is drawn without a number."""
    async with figures_on(database) as there, answering(there.app) as url:
        shown = await run(app, url=url, environ=environ())
        alerts = await run(app, "--alerts", url=url, environ=environ())
    assert (shown.exit_code, "none" in shown.stdout) == (0, True)
    assert "all is quiet" in alerts.stdout


async def test_json_is_what_the_api_answers(database: str) -> None:
    """One object on standard output, for the alerts as for the figures."""
    async with figures_on(database) as there, answering(there.app) as url:
        await fill(there)
        found = told(await run(app, *ALL, "--json", url=url, environ=environ()))
        assert found == await there.ask(since="2026-03-01", until="2026-03-31")
        alerts = told(await run(app, "--alerts", "--json", url=url, environ=environ()))
    assert alerts == {"alerts": []}


async def test_an_open_alert_is_drawn(database: str) -> None:
    """What fell, from where to where, since when and why it is said."""
    policy = policy_with(alerts=[{"name": "daily", "days": 1, "minimum_n": 10}])
    async with figures_on(database, policy, now=day(1)) as there, answering(there.app) as url:
        for back, score in ((1, 10), (0, 2)):
            await there.tell(
                *(
                    answered(f"d{back}-{n}", score, email=f"{back}x{n}@example.com", at=day(-back))
                    for n in range(12)
                )
            )
        assert await there.watch().look() == 1
        shown = await run(app, "--alerts", url=url, environ=environ())
    for words in ("daily", "open", "+100.0, n 12", "-100.0, n 12", "down: changed"):
        assert words in shown.stdout, words


async def test_a_question_that_makes_no_sense_ends_with_the_fix(database: str) -> None:
    """Code 1, and the server's own words."""
    async with figures_on(database) as there, answering(there.app) as url:
        refused = await run(app, "--by", "store", url=url, environ=environ())
    assert refused.exit_code == 1
    assert "attribute:NAME" in refused.stderr
