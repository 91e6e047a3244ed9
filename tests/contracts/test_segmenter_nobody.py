"""An answer without any identifier: an opinion that counts, and nobody to know, ask or time."""

from datetime import timedelta

from sqlalchemy import text

from tests.builders.facts import ANNA, NOON, answered, day
from tests.builders.figures import figures_on

PERIOD = {"since": "2026-03-01", "until": "2026-03-31"}
#: Rows that only somebody known would have.
_KNOWN = """
    SELECT (SELECT count(*) FROM timers), (SELECT count(*) FROM aliases),
           (SELECT count(*) FROM identifiers WHERE kind <> 'response'),
           (SELECT count(*) FROM profiles WHERE state ? 'identifiers'),
           (SELECT count(*) FROM decisions WHERE payload IS NOT NULL)
"""


async def test_answers_of_nobody_count_each_once_and_make_no_customer(database: str) -> None:
    """A detractor's in two parts, one told twice, a promoter's: nothing is published or timed."""
    later = timedelta(minutes=2)
    first = answered("r1", 2, email=None, complete=False, revision=1)
    told = [
        first,
        answered("r1", email=None, revision=2, received=NOON + later, comment="Trop cher"),
        answered("r2", 10, email=None, at=day(1), complete=False),
        first,
    ]
    async with figures_on(database) as figures:
        for one in told:
            await figures.tell(one)
        found = await figures.ask(**PERIOD)
        assert (found["overall"]["n"], found["overall"]["nps"]) == (2, 0.0)
        assert figures.shelf.messages == []
        async with figures.engine.connect() as connection:
            assert tuple((await connection.execute(text(_KNOWN))).one()) == (0, 0, 0, 0, 0)
        # Once a message brings an address she is somebody, and her answer is counted as before.
        await figures.tell(answered("r1", email=ANNA, revision=3, received=NOON + 2 * later))
        (decided,) = figures.shelf.decided()
        assert (decided.snapshot.score, decided.snapshot.comment) == (2, "Trop cher")
        again = await figures.ask(**PERIOD)
        assert (again["overall"]["n"], again["overall"]["nps"]) == (2, 0.0)
