"""The figures on a real PostgreSQL: what the answers of a period say together."""

from sqlalchemy import text

from tests.builders.facts import (
    ANNA,
    answered,
)
from tests.builders.figures import figures_on

PERIOD = {"since": "2026-01-01", "until": "2026-06-30"}


def rounded(value: float) -> float:
    return round(value, 1)


async def test_one_answer_is_one_row_whatever_its_messages(database: str) -> None:
    """A revision corrects it, a repetition adds nothing, and her own words are not in it."""
    async with figures_on(database) as figures:
        await figures.tell(answered("r1", 9, revision=1, comment="Très bien", reasons=["prix"]))
        await figures.tell(answered("r1", 3, revision=2), answered("r1", 9, revision=1))
        async with figures.engine.connect() as connection:
            rows = (await connection.execute(text("SELECT score, said FROM answers"))).all()
    assert [tuple(row) for row in rows] == [(3, {"score": 3, "reasons": ["prix"]})]


async def test_an_answer_of_nobody_counts_and_makes_no_customer(database: str) -> None:
    """Without any identifier there is an opinion, and nobody to decide about."""
    async with figures_on(database) as figures:
        await figures.tell(answered("r1", 10, email=None), answered("r2", 2, email=ANNA))
        told = await figures.ask(**PERIOD)
        assert len(figures.shelf.decided()) == 1
    assert (told["overall"]["n"], told["overall"]["nps"]) == (2, 0.0)
    assert told["moves"]["first"] == 1
