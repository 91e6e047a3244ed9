"""Weekly digests on a real PostgreSQL: counted as the figures are, told to each owner once."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.digests import counting, telling
from services.segmenter.digests.telling import DigestTeller
from services.segmenter.metrics import Metrics
from services.segmenter.policy.whole import Policy
from shared.errors import DependencyAway
from shared.events.decisions import CustomerErased, OwnerWeekCounted
from shared.events.envelope import DECISIONS, Event
from tests.builders.facts import Shelf, answered, case, ids_of, rulebook, updated
from tests.builders.figures import Figures, figures_on, policy_with
from tests.builders.forgetting import erase_asked

#: A Monday at eight in Paris: the week of 9 to 15 March is due.
MONDAY = datetime(2026, 3, 16, 7, tzinfo=UTC)
WEEK = {"since": "2026-03-09", "until": "2026-03-15"}


def weekly(**digest: Any) -> Policy:
    """One digest of stores, which is all that the policy watches."""
    return policy_with(digests=[{"name": "stores", "owner": "store", **digest}], alerts=[])


def person(number: int) -> str:
    """The address of somebody invented."""
    return f"person{number}@example.com"


def given(
    number: int, score: int, store: str | list[str] | None = "Lyon", *, ago: float = 4, **said: Any
) -> Event:
    """An answer so many days before `MONDAY`."""
    return answered(
        f"r{number}-{ago}",
        score,
        email=person(number),
        at=MONDAY - timedelta(days=ago),
        attributes={} if store is None else {"store": store},
        **said,
    )


def opened(number: int, *, ago: float = 3) -> Event:
    """A helpdesk's case of a person, so many days before `MONDAY`."""
    at = MONDAY - timedelta(days=ago)
    return case("opened", f"helpdesk/{number}", email=person(number), at=at)


def teller(
    figures: Figures,
    policy: Policy,
    shelf: Shelf | None = None,
    clock: Callable[[], datetime] | None = None,
) -> DigestTeller:
    """One replica's loop."""
    return DigestTeller(
        figures.engine,
        shelf or figures.shelf,
        rulebook(policy),
        clock=clock or (lambda: figures.now),
        metrics=Metrics(CollectorRegistry()),
    )


def weeks(shelf: Shelf) -> list[OwnerWeekCounted]:
    """What was told of weeks, in order."""
    return [one.data for one in shelf.events() if isinstance(one.data, OwnerWeekCounted)]


def names(shelf: Shelf) -> list[UUID]:
    """The ids of the events that tell weeks, in order."""
    return [one.id for one in shelf.events() if isinstance(one.data, OwnerWeekCounted)]


def by_owner(told: Sequence[OwnerWeekCounted]) -> dict[str | None, OwnerWeekCounted]:
    """What each owner is told; each hears once."""
    assert len({one.owner for one in told}) == len(told)
    return {one.owner: one for one in told}


async def test_a_week_is_counted_as_the_figures_count_it(database: str) -> None:
    """Score, interval and segments of each store are those of `GET /v1/nps` for those days."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(
            *(given(n, score) for n, score in enumerate([0, 3, 7, 9, 10, 10])),
            *(given(20 + n, score, ["Nice", "Lyon"]) for n, score in enumerate([2, 9])),
            *(given(30 + n, 10, ago=11) for n in range(3)),
            given(40, 0, None),
            given(41, 5, ago=0.1),
        )
        assert await teller(figures, policy).tell_due() == 2
        told = by_owner(weeks(figures.shelf))
        shown = await figures.ask(by="attribute:store", compare="previous", **WEEK)

    groups = {group["value"]: group for group in shown["groups"] if group["value"]}
    assert set(told) == set(groups) == {"Lyon", "Nice"}
    for owner, group in groups.items():
        one = told[owner]
        assert one.answers == group["n"]
        assert {"low": one.low, "high": one.high} == group["interval"]
        assert (one.nps, one.too_few) == (group["nps"], group["too_few"])
        segments = {name: part["n"] for name, part in group["segments"].items()}
        assert segments == {
            "detractor": one.detractors,
            "passive": one.passives,
            "promoter": one.promoters,
        }
        assert one.answers_before == (group["other"] or {"n": 0})["n"]
    assert (told["Lyon"].answers_before, told["Lyon"].nps_before) == (3, 100.0)
    assert (told["Lyon"].start, told["Lyon"].due_at) == (
        datetime(2026, 3, 8, 23, tzinfo=UTC),
        MONDAY,
    )


async def test_reasons_cases_and_comments_are_those_of_the_owner(database: str) -> None:
    """Reasons by how often, cases of the week and what is open, comments the worst first."""
    policy = weekly(comments=2)
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(
            given(1, 2, comment="Beaucoup trop cher"),
            given(2, 4, comment="C'est trop cher pour ce que c'est"),
            given(3, 9, comment="Prix imbattable, vraiment pas cher"),
            given(4, 6, comment="La livraison a eu deux semaines de retard"),
            given(5, 8),
            given(6, 0, "Nice", ago=20),
        )
        await figures.tell(
            opened(1, ago=3),
            opened(2, ago=3),
            opened(6, ago=20),
            case("resolved", "helpdesk/1", email=person(1), at=MONDAY - timedelta(days=2)),
        )
        await teller(figures, policy).tell_due()
        told = by_owner(weeks(figures.shelf))
        everybody = await figures.ask(show="loop", **WEEK)

    lyon = told["Lyon"]
    assert [(t.theme, t.answers, t.detractors) for t in lyon.themes] == [
        ("price", 3, 2),
        ("delivery", 1, 1),
    ]
    assert (lyon.commented, [c.score for c in lyon.comments]) == (4, [2, 4])
    assert [c.theme for c in lyon.comments] == ["price", "price"]
    assert lyon.cases_opened == everybody["loop"]["cases"]["opened"] == 2
    assert (lyon.cases_resolved, lyon.cases_open) == (1, 1)
    assert (told["Nice"].answers, told["Nice"].cases_opened, told["Nice"].cases_open) == (0, 0, 1)


async def test_a_case_resolved_in_the_week_is_closed_however_old(database: str) -> None:
    """What an owner got done counts in the week it was done."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        known = MONDAY - timedelta(days=30)
        await figures.tell(
            updated(*ids_of(person(1)), at=known, attributes={"store": "Lyon"}),
            opened(1, ago=30),
            case("resolved", email=person(1), at=MONDAY - timedelta(days=3)),
        )
        await teller(figures, policy).tell_due()
        lyon = by_owner(weeks(figures.shelf))["Lyon"]

    assert (lyon.cases_opened, lyon.cases_resolved, lyon.cases_open) == (0, 1, 0)
    assert (lyon.answers, lyon.nps, lyon.low) == (0, None, None)


async def test_a_customer_counts_with_her_owner_of_the_moment(database: str) -> None:
    """Who changed hands within the week is wholly the new owner's, as everywhere in the figures."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        moved = MONDAY - timedelta(days=2)
        await figures.tell(
            given(1, 3, "Lyon"),
            opened(1),
            updated(*ids_of(person(1)), at=moved, attributes={"store": "Nice"}),
        )
        await teller(figures, policy).tell_due()

    told = by_owner(weeks(figures.shelf))
    assert {owner: (one.answers, one.cases_open) for owner, one in told.items()} == {"Nice": (1, 1)}


async def test_an_owner_is_one_by_whichever_name_and_spelling(database: str) -> None:
    """His customers are told by two systems, each with its own name for the attribute."""
    shops = {"store": {"type": "choice", "values": ["Lyon"], "also": ["shop"]}}
    digests = [{"name": "stores", "owner": "shop"}]
    policy = policy_with(digests=digests, alerts=[], attributes=shops)
    async with figures_on(database, policy, now=MONDAY) as figures:
        moved = updated(*ids_of(person(2)), at=MONDAY, attributes={"shop": "lyon"})
        await figures.tell(given(1, 3, "LYON"), given(2, 9, None), moved)
        await teller(figures, policy).tell_due()

    told = by_owner(weeks(figures.shelf))
    assert {owner: one.answers for owner, one in told.items()} == {"Lyon": 2}


async def test_a_week_is_told_once_and_the_next_one_after_it(database: str) -> None:
    """Again and again, after a restart, late: what was told is told; each week has its turn."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY - timedelta(minutes=1)) as figures:
        await figures.tell(given(1, 9), given(2, 3, ago=-2))
        loop = teller(figures, policy)
        assert await loop.tell_due() == 0, "the week before had nobody"
        for later, told in ((1, 1), (2, 0), (60 * 24 * 6, 0), (60 * 24 * 7 + 1, 1)):
            figures.now = MONDAY + timedelta(minutes=later)
            await figures.sweep()
            assert await loop.tell_due() == told, later
            assert await teller(figures, policy).tell_due() == 0, later

    assert [one.nps for one in weeks(figures.shelf)] == [100.0, -100.0]


async def test_nothing_is_told_before_all_is_read(database: str) -> None:
    """Whatever was said before a week was due is in it, so it waits for the sweep."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY - timedelta(hours=1)) as figures:
        await figures.tell(given(1, 9))
        figures.now = MONDAY + timedelta(minutes=5)
        assert await teller(figures, policy).tell_due() == 0
        await figures.sweep()
        assert await teller(figures, policy).tell_due() == 1


async def test_a_kill_before_the_note_tells_the_same_week_again(database: str) -> None:
    """Under the same ids, on the topic of decisions, keyed by nothing of anybody's."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(given(1, 9), given(2, 9, "Nice"))
        away = Shelf(away=1)
        with pytest.raises(DependencyAway):
            await teller(figures, policy, away).tell_due()
        assert await teller(figures, policy, away).tell_due() == 2

        again = Shelf()
        async with figures.engine.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM owner_digests")
        assert await teller(figures, policy, again).tell_due() == 2

    assert names(away) == names(again)
    assert {message.topic for message in again.messages} == {DECISIONS}
    assert not any("Lyon" in message.key or "Nice" in message.key for message in again.messages)


async def test_a_week_that_is_not_counted_in_time_waits_for_its_turn(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy database ends the statement, not the service; the next turn counts."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(given(1, 9))
        hurried = text("SET LOCAL statement_timeout = '1ms'")
        with monkeypatch.context() as busy:
            busy.setattr(telling, "_PATIENT", hurried)
            busy.setattr(counting, "count", _slowly)
            with pytest.raises(DependencyAway, match="not counted"):
                await teller(figures, policy).tell_due()
        assert await teller(figures, policy).tell_due() == 1


async def _slowly(connection: AsyncConnection, *_: object) -> None:
    await connection.execute(text("SELECT pg_sleep(20)"))


async def test_replicas_at_the_same_time_tell_the_same_week(database: str) -> None:
    """Whoever comes first, what is told has one name for each owner."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(given(1, 9), given(2, 9, "Nice"))
        await asyncio.gather(*(teller(figures, policy).tell_due() for _ in range(3)))
        assert await teller(figures, policy).tell_due() == 0

    assert len(set(names(figures.shelf))) == 2


async def test_each_owner_has_the_week_of_his_own_clock(database: str) -> None:
    """Four hours behind, Sunday evening's answer still is of the week; Monday's begins later."""
    zones = {"Fort-de-France": "America/Martinique"}
    policy = weekly(zones=zones)
    sunday = datetime(2026, 3, 16, 2, tzinfo=UTC)  # 22:00 there, 03:00 on Monday in Paris
    ago = (MONDAY - sunday) / timedelta(days=1)
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(given(1, 9, "Fort-de-France", ago=ago), given(2, 9, "Lyon", ago=ago))
        await figures.tell(given(3, 9, "Lyon"))
        assert await teller(figures, policy).tell_due() == 1
        figures.now = MONDAY + timedelta(hours=5)
        await figures.sweep()
        assert await teller(figures, policy).tell_due() == 1

    told = by_owner(weeks(figures.shelf))
    assert {owner: one.answers for owner, one in told.items()} == {"Lyon": 1, "Fort-de-France": 1}
    assert told["Fort-de-France"].start == datetime(2026, 3, 9, 4, tzinfo=UTC)


async def test_a_week_in_which_clocks_change_has_all_its_hours(database: str) -> None:
    """Sunday's last minute counts, in the week of 167 hours and in the one of 169."""
    policy = weekly()
    for number, (due, last) in enumerate(
        [
            (datetime(2026, 3, 30, 6, tzinfo=UTC), datetime(2026, 3, 29, 21, 59, tzinfo=UTC)),
            (datetime(2026, 10, 26, 7, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, tzinfo=UTC)),
        ]
    ):
        async with figures_on(database, policy, now=due) as figures:
            asked: dict[str, Any] = {"email": person(number), "attributes": {"store": "Lyon"}}
            await figures.tell(
                answered(f"in-{number}", 9, at=last, **asked),
                answered(f"out-{number}", 0, at=last + timedelta(minutes=1), **asked),
            )
            await teller(figures, policy).tell_due()
            assert by_owner(weeks(figures.shelf))["Lyon"].promoters == 1
            assert by_owner(weeks(figures.shelf))["Lyon"].answers == 1


async def test_who_is_erased_is_in_no_week(database: str) -> None:
    """Neither counted nor named: what was read of her went with her."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(given(1, 2, comment="Trop cher"), given(2, 3, comment="Trop cher"))
        await figures.tell(opened(1), opened(2))
        decided = {d.identifiers[0].value: d.customer_id for d in figures.shelf.decided()}
        gone = decided[person(1)]
        await figures.tell(erase_asked(gone, before=MONDAY))
        assert any(isinstance(one.data, CustomerErased) for one in figures.shelf.events())
        await teller(figures, policy).tell_due()

    lyon = by_owner(weeks(figures.shelf))["Lyon"]
    assert (lyon.answers, lyon.cases_open, lyon.commented) == (1, 1, 1)
    assert [one.customer_id for one in lyon.comments] == [decided[person(2)]]


async def test_without_an_owner_everybody_is_in_one_digest(database: str) -> None:
    """Those of whom no owner is known, too; and with the scope that the digest has."""
    policy = policy_with(digests=[{"name": "all", "survey": "nps"}])
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(given(1, 9), given(2, 9, None), given(3, 0, survey="other"))
        assert await teller(figures, policy).tell_due() == 1

    ((owner, one),) = by_owner(weeks(figures.shelf)).items()
    assert (owner, one.attribute, one.answers, one.cases_open) == (None, None, 2, 0)


async def test_no_digest_no_question(database: str) -> None:
    """A policy without one reads no reasons and tells no weeks."""
    async with figures_on(database, now=MONDAY) as figures:
        await figures.tell(given(1, 2, comment="Trop cher"))
        assert await teller(figures, policy_with(digests=[])).tell_due() == 0
        async with figures.engine.connect() as connection:
            read = "SELECT theme, commented FROM told_answers"
            assert list(await connection.exec_driver_sql(read)) == [(None, False)]


async def test_the_loop_tells_at_once_and_bears_a_bus_that_is_away(database: str) -> None:
    """After a restart nobody waits; what cannot be told costs a turn and no more."""
    policy = weekly()
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(given(1, 9))
        for shelf, told in ((Shelf(away=1), 0), (Shelf(), 1)):
            stopping = asyncio.Event()

            def clock(stopping: asyncio.Event = stopping) -> datetime:
                stopping.set()
                return MONDAY

            loop = teller(figures, policy, shelf, clock)
            await asyncio.wait_for(loop.run(stopping), 30)
            assert len(weeks(shelf)) == told
