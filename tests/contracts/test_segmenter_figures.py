"""The figures on a real PostgreSQL: what the answers of a period say together."""

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import text

from shared.events import feedback, outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import ContactClass, Value
from tests.builders.facts import (
    ANNA,
    BEN,
    NOON,
    answered,
    case,
    completed,
    day,
    event,
    ids_of,
    invited,
    reported,
    settled,
    updated,
)
from tests.builders.figures import Figures, figures_on, policy_with

PERIOD = {"since": "2026-03-01", "until": "2026-03-31"}


def answer(
    number: int,
    score: int | None,
    *,
    at: datetime = NOON,
    survey: str = "nps",
    store: Value = None,
    **answers: Any,
) -> Event:
    """An answer of the person of that number."""
    attributes: dict[str, Value] = {} if store is None else {"store": store}
    return answered(
        f"{survey}-{number}-{at.isoformat()}",
        score,
        email=f"person{number}@example.com",
        at=at,
        survey=survey,
        attributes=attributes,
        **answers,
    )


def link(number: int, *, at: datetime = NOON, survey: str = "nps") -> feedback.ResponseLink:
    """Name the answer that `answer` makes."""
    return feedback.ResponseLink(
        source="demo", survey=survey, response_id=f"{survey}-{number}-{at.isoformat()}"
    )


async def rows_of(figures: Figures) -> list[tuple[object, ...]]:
    """All rows of `answers`, without their owner."""
    statement = (
        "SELECT source, survey, response_id, metric, score, answered_at, complete, history, said "
        "FROM answers ORDER BY source, survey, response_id"
    )
    async with figures.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def test_one_answer_is_one_row_whatever_its_messages(database: str) -> None:
    """A revision corrects it, a repetition adds nothing, and her own words are not in it."""
    async with figures_on(database) as figures:
        await figures.tell(answered("r1", 9, revision=1, comment="Très bien", reasons=["prix"]))
        await figures.tell(answered("r1", 3, revision=2), answered("r1", 9, revision=1))
        (row,) = await rows_of(figures)
    assert (row[4], row[8]) == (3, {"score": 3, "reasons": ["prix"]})


async def test_order_and_split_never_change_the_rows(database: str) -> None:
    """Messages of one answer, told the other way round and one by one, make the same row."""
    told = [
        answered("r1", 9, revision=1, complete=False),
        answered("r1", None, revision=2, cleared=("score",)),
        answered("r1", 4, revision=3, comment="x" * 70, city="Lyon"),
        answered("r2", 7, email=None),
        answered("r2", 8, received=NOON + timedelta(hours=1)),
        answered("r3", 5, email=BEN, metric="csat"),
    ]
    async with figures_on(database) as figures:
        await figures.tell(*told)
        forwards = await rows_of(figures)
        async with figures.engine.begin() as connection:
            for table in ("answers", "facts", "profiles", "identifiers", "aliases", "decisions"):
                await connection.execute(text(f"TRUNCATE {table}"))
        for one in reversed(told):
            await figures.tell(one)
        assert await rows_of(figures) == forwards
    assert [row[4] for row in forwards] == [4, 8, None]


async def test_answers_given_before_the_table_are_filled_in(database: str) -> None:
    """The migration makes of profiles the rows that the service would have written."""
    told = [
        answered("r1", 9, revision=1, comment="Parfait", reasons=["prix", "sav"], vip=True),
        answered("r2", 0, email=BEN, complete=False, origin="receipt", wish="y" * 65),
        answered("r3", 5, email=BEN, metric="stars", history=True, list=["z" * 65]),
        answered("r4", None, email=None, comment="Sans note"),
    ]
    fill = import_module("services.segmenter.migrations.versions.0003_answers").FILL
    async with figures_on(database) as figures:
        await figures.tell(*told)
        kept = await rows_of(figures)
        async with figures.engine.begin() as connection:
            await connection.execute(text("DELETE FROM answers"))
            await connection.execute(text(fill))
        assert await rows_of(figures) == kept
    assert [row[4] for row in kept] == [9, 0, None, None]


async def test_an_answer_of_nobody_counts_and_makes_no_customer(database: str) -> None:
    """Without any identifier there is an opinion, and nobody to decide about."""
    async with figures_on(database) as figures:
        await figures.tell(answered("r1", 10, email=None), answered("r2", 2, email=ANNA))
        told = await figures.ask(**PERIOD)
        assert len(figures.shelf.decided()) == 1
    assert (told["overall"]["n"], told["overall"]["nps"]) == (2, 0.0)
    assert told["moves"]["first"] == 1


async def test_survey_source_and_period_choose_the_answers(database: str) -> None:
    """A day is a day in the policy's zone, the last one included; a moment is not."""
    late = datetime.fromisoformat("2026-03-31T23:30:00+02:00")
    async with figures_on(database) as figures:
        await figures.tell(
            answer(1, 9),
            answer(2, 3, survey="claim"),
            answer(3, 9, at=late),
            answer(4, 9, at=late + timedelta(hours=1)),
            answered("csat", 2, email=BEN, metric="csat"),
        )
        asked = {
            "all": PERIOD,
            "survey": {**PERIOD, "survey": "claim"},
            "source": {**PERIOD, "source": "other"},
            "moment": {"since": "2026-03-10T12:00:00Z", "until": "2026-03-31T23:30:00+02:00"},
            "before": {"since": "2026-03-01", "until": "2026-03-10T12:00:00Z"},
        }
        found = {
            name: (await figures.ask(**query))["overall"]["n"] for name, query in asked.items()
        }
    assert found == {"all": 3, "survey": 1, "source": 0, "moment": 2, "before": 0}


async def test_without_an_answer_nothing_is_claimed(database: str) -> None:
    """No score, no interval, no share: null, and not 0."""
    async with figures_on(database) as figures:
        told = await figures.ask()
    overall = told["overall"]
    assert (overall["n"], overall["nps"], overall["interval"]) == (0, None, None)
    assert overall["too_few"]
    assert overall["segments"]["promoter"] == {"n": 0, "share": None}
    assert overall["response"] == {"invited": 0, "answered": 0, "rate": None}
    assert told["loop"]["recovery"]["share"] is None


async def test_groups_follow_the_customers_attribute_of_now(database: str) -> None:
    """Also through a merge; of a list each item is a group, and unknown is a group of its own."""
    async with figures_on(database) as figures:
        await figures.tell(
            answer(1, 9, store="Lyon"),
            answer(2, 3, store=["Lyon", "Nice", "Nice"]),
            answer(3, 8),
            answer(4, 10),
        )
        await figures.tell(
            updated(*ids_of("person4@example.com", external_id="C-4")),
            updated(*ids_of(external_id="C-5"), attributes={"store": "Nice"}),
            updated(*ids_of(external_id="C-6"), attributes={"store": "Nice"}),
        )
        await figures.tell(updated(*ids_of("person4@example.com", external_id="C-5"), at=day(0.5)))
        told = await figures.ask(**PERIOD, by="attribute:store")
        metz = {"store": "Metz"}
        await figures.tell(updated(*ids_of("person1@example.com"), at=day(0.6), attributes=metz))
        moved = await figures.ask(**PERIOD, by="attribute:store")
    assert {one["value"]: (one["n"], one["nps"]) for one in told["groups"]} == {
        "Lyon": (2, 0.0),
        "Nice": (2, 0.0),
        None: (1, 0.0),
    }
    assert told["overall"]["n"] == 4
    assert {one["value"] for one in moved["groups"]} == {"Lyon", "Nice", "Metz", None}


async def test_groups_by_an_answer_of_the_response(database: str) -> None:
    """What was ticked in that very answer, whatever she says next time."""
    async with figures_on(database) as figures:
        await figures.tell(
            answer(1, 2, reasons=["price", "service"]), answer(2, 9, reasons="service")
        )
        told = await figures.ask(**PERIOD, by="answer:reasons")
    assert [(one["value"], one["n"], one["nps"]) for one in told["groups"]] == [
        ("service", 2, 0.0),
        ("price", 1, -100.0),
    ]
    assert all(one["response"] is None for one in told["groups"])


async def test_more_groups_than_anybody_reads_are_counted_not_shown(database: str) -> None:
    """The two hundred largest are there, the others are a number; one asked for always is."""
    async with figures_on(database) as figures:
        await figures.tell(*(answer(n, 9, store=f"store-{n:03}") for n in range(203)))
        await figures.tell(answer(300, 9, store="store-202"))
        told = await figures.ask(**PERIOD, by="attribute:store", show="score")
        with_one = await figures.ask(
            **PERIOD, by="attribute:store", show="score", compare="value:store-201"
        )
    assert (len(told["groups"]), told["groups_left_out"]) == (200, 3)
    assert told["groups"][0]["value"] == "store-202"
    assert with_one["groups"][-1]["value"] == "store-201"


async def test_test_respondents_count_nowhere(database: str) -> None:
    """By domain, tag or number, in the score as in the response rate."""
    policy = policy_with(
        test_respondents={
            "domains": ["staff.example.com"],
            "attributes": {"test": ["yes"]},
            "external_ids": ["QA_*"],
        }
    )
    tests = [
        answered("t1", 0, email="eva@staff.example.com"),
        answered("t2", 0, email="eva@north.staff.example.com"),
        answered("t3", 0, email="leo@example.com", attributes={"test": "Yes "}),
        answered("t4", 0, email="mia@example.com"),
        updated(*ids_of("mia@example.com", external_id="QA_7")),
        invited("eva@staff.example.com"),
    ]
    people = [
        answered("r1", 9, email="eva@notstaff.example.com"),
        answered("r2", 9, email="zoe@example.com"),
        updated(*ids_of("zoe@example.com", external_id="QAX7")),
        invited("zoe@example.com"),
    ]
    async with figures_on(database, policy) as figures:
        await figures.tell(*tests, *people)
        told = await figures.ask(**PERIOD)
    assert (told["overall"]["n"], told["overall"]["nps"]) == (2, 100.0)
    assert told["overall"]["response"] == {"invited": 1, "answered": 1, "rate": 100.0}
    assert told["loop"]["contacts"]["detractors"] == 0


async def test_the_response_rate_counts_people_invited_to_a_survey(database: str) -> None:
    """A reminder is no second invitation; another survey or a late answer is no answer to it."""
    async with figures_on(database, now=day(100)) as figures:
        await figures.tell(
            *(invited(f"person{n}@example.com", at=day(0)) for n in range(1, 6)),
            invited("person1@example.com", at=day(3)),
            invited("person1@example.com", at=day(3), survey="claim"),
            answer(1, 9, at=day(4), store="Lyon"),
            answer(2, 9, at=day(0) - timedelta(minutes=5)),
            answer(3, 9, at=day(31)),
            answer(4, 9, at=day(2), survey="claim"),
            answer(6, 9, at=day(2), store="Lyon"),
        )
        told = await figures.ask(**PERIOD, survey="nps", by="attribute:store")
        all_surveys = await figures.ask(**PERIOD, show="response")
        by_source = await figures.ask(**PERIOD, source="demo")
    assert told["overall"]["response"] == {"invited": 5, "answered": 2, "rate": 40.0}
    assert {one["value"]: one["response"]["invited"] for one in told["groups"]} == {
        "Lyon": 1,
        None: 4,
    }
    assert all_surveys["overall"]["response"] == {"invited": 6, "answered": 2, "rate": 33.3}
    assert by_source["overall"]["response"] is None


async def test_moves_are_told_against_the_answer_before(database: str) -> None:
    """That may lie before the period, and be given under another of her addresses."""
    async with figures_on(database, now=day(20)) as figures:
        await figures.tell(
            answer(1, 3, at=day(-60)),
            answer(1, 9),
            answer(1, 8, at=day(2)),
            answer(2, 9, at=day(1)),
            answer(3, 2, at=day(-20)),
            answered("other", 2, email="third@example.org", at=day(3)),
            updated(*ids_of("person3@example.com", external_id="C-3")),
            updated(*ids_of("third@example.org", external_id="C-3")),
        )
        moves = (await figures.ask(**PERIOD, show="moves"))["moves"]
    assert {name: moves[name] for name in ("first", "same", "up", "down")} == {
        "first": 1,
        "same": 1,
        "up": 1,
        "down": 1,
    }
    assert moves["table"]["detractor"] == {"detractor": 1, "passive": 0, "promoter": 1}
    assert moves["table"]["promoter"]["passive"] == 1


async def test_churn_is_told_by_the_last_answer_in_the_period(database: str) -> None:
    """Declared wins; else an order too long ago tells it; nothing known tells nothing."""
    async with figures_on(database) as figures:
        await figures.tell(
            answer(1, 9, at=day(-1)),
            answer(1, 3),
            answer(2, 2),
            answer(3, 9),
            answer(4, 10),
            answer(5, 10),
            answered("nobody", 0, email=None),
            updated(*ids_of("person1@example.com"), attributes={"lifecycle": "Churned"}),
            updated(
                *ids_of("person3@example.com"),
                attributes={"lifecycle": "active", "last_order_at": "2020-01-01"},
            ),
            updated(*ids_of("person4@example.com"), attributes={"last_order_at": "2024-03-01"}),
            updated(*ids_of("person5@example.com"), attributes={"last_order_at": "long ago"}),
            updated(*ids_of("person2@example.com"), attributes={"last_order_at": "2020-01-01"}),
            completed("purchase", "person2@example.com"),
        )
        churn = (await figures.ask(**PERIOD, show="churn"))["churn"]
    assert churn == {
        "detractor": {"people": 2, "churned": 1, "share": 50.0},
        "passive": {"people": 0, "churned": 0, "share": None},
        "promoter": {"people": 3, "churned": 1, "share": 33.3},
    }


def care(
    figures: Figures, email: str, at: datetime, contact_class: ContactClass = "service"
) -> Event:
    """A delivery of ours that reached her."""
    customer = next(
        decided.customer_id
        for decided in figures.shelf.decided()
        if any(one.value == email for one in decided.identifiers)
    )
    told = settled(customer, f"{email} {at.isoformat()}", at=at).data
    assert isinstance(told, outcomes.DeliverySettled)
    return event(told.model_copy(update={"contact_class": contact_class}))


async def test_the_first_contact_is_the_first_that_answers_her(database: str) -> None:
    """Neither an offer nor an alert to staff is one, nor what came before or a month later."""
    people = [f"person{n}@example.com" for n in range(1, 6)]
    async with figures_on(database, now=day(60)) as figures:
        await figures.tell(*(answer(n, 3) for n in range(1, 6)), answer(6, 9))
        await figures.tell(
            care(figures, people[0], day(2)),
            care(figures, people[0], day(1)),
            care(figures, people[1], day(1), "marketing"),
            care(figures, people[1], day(3), "asked_for"),
            care(figures, people[2], day(1), "internal"),
            care(figures, people[2], day(-1)),
            care(figures, people[3], day(31)),
            reported(outcomes.MessageSent, people[4], at=day(5), contact_class="service"),
        )
        contacts = (await figures.ask(**PERIOD, show="loop"))["loop"]["contacts"]
    assert contacts == {
        "detractors": 5,
        "contacted": 3,
        "share": 60.0,
        "median_hours": 72.0,
        "p90_hours": 110.4,
    }


async def test_cases_opened_in_the_period_and_resolved_by_now(database: str) -> None:
    """A case opened again is not resolved; with a survey only cases about its answers count."""
    async with figures_on(database, now=day(60)) as figures:
        await figures.tell(
            answer(1, 3),
            case("opened", "desk/1", at=day(0), response=link(1)),
            case("resolved", "desk/1", email=None, at=day(2)),
            case("opened", "desk/2", at=day(1)),
            case("resolved", "desk/2", at=day(2)),
            case("reopened", "desk/2", at=day(2)),
            case("opened", "desk/3", at=day(1)),
            case("resolved", "desk/3", at=day(5)),
            case("opened", "desk/4", at=day(-30)),
            case("resolved", "desk/4", at=day(1)),
        )
        told = (await figures.ask(**PERIOD, show="loop"))["loop"]["cases"]
        about = (await figures.ask(**PERIOD, survey="nps", show="loop"))["loop"]["cases"]
    assert told == {"opened": 3, "resolved": 2, "share": 66.7, "median_hours": 72.0}
    assert about == {"opened": 1, "resolved": 1, "share": 100.0, "median_hours": 48.0}


async def test_a_case_of_ours_gives_way_to_the_helpdesks(database: str) -> None:
    """One problem is one case, and it stands as the helpdesk says."""
    async with figures_on(database, now=day(60)) as figures:
        await figures.tell(
            answer(1, 3),
            case("opened", "nps/1", email=None, response=link(1)),
            case("opened", "desk/1", at=day(1), response=link(1)),
            case("resolved", "desk/1", email=None, at=day(2)),
        )
        told = (await figures.ask(**PERIOD, show="loop"))["loop"]["cases"]
    assert (told["opened"], told["resolved"]) == (1, 1)


async def test_the_steps_of_our_ticket_are_our_case_s(database: str) -> None:
    """The number came back with the delivery: one case, opened with the answer, resolved there."""
    async with figures_on(database, now=day(60)) as figures:
        await figures.tell(answer(1, 3), case("opened", "nps/1", email=None, response=link(1)))
        await figures.tell(
            settled(
                figures.shelf.decided()[0].customer_id,
                at=day(0.1),
                channel="ticket",
                target="desk",
                reference="7",
                case_id="nps/1",
            ),
            case("resolved", "desk/7", email=None, at=day(2)),
        )
        loop = (await figures.ask(**PERIOD, show="loop"))["loop"]
    assert (loop["cases"]["opened"], loop["cases"]["resolved"]) == (1, 1)
    assert loop["recovery"]["silent"] + loop["recovery"]["pending"] == 1


async def test_recovery_counts_the_silent_against_it(database: str) -> None:
    """Who answered better recovered; who had the time and said nothing did not."""
    async with figures_on(database, now=day(90)) as figures:
        for number, resolved in ((1, 1), (2, 1), (3, 1), (4, 40), (5, None)):
            case_id = f"desk/{number}"
            told = [answer(number, 3), case("opened", case_id, email=None, response=link(number))]
            if resolved:
                told.append(case("resolved", case_id, email=None, at=day(resolved)))
            await figures.tell(*told)
        await figures.tell(
            answer(1, 9, at=day(17), survey="after-case"),
            answer(2, 2, at=day(17)),
            answer(2, 9, at=day(30)),
            answer(3, 9, at=day(0.5)),
            answer(5, 9, at=day(17)),
        )
        recovery = (await figures.ask(**PERIOD, show="loop"))["loop"]["recovery"]
    assert recovery == {
        "recovered": 1,
        "still_detractor": 1,
        "silent": 1,
        "pending": 1,
        "share": 33.3,
    }


async def test_objectives_tell_their_distance(database: str) -> None:
    """Of the survey's own, else of that for all; for each group, too."""
    policy = policy_with(
        objectives=[
            {"nps": 40, "shares": {"promoter": 50, "detractor": 40}},
            {"survey": "claim", "nps": -10},
        ]
    )
    async with figures_on(database, policy) as figures:
        await figures.tell(answer(1, 9, store="Lyon"), answer(2, 3), answer(3, 8, survey="claim"))
        told = await figures.ask(**PERIOD, by="attribute:store", show="score")
        claim = await figures.ask(**PERIOD, survey="claim", show="score")
    assert [
        (one["name"], one["actual"], one["distance"], one["reached"])
        for one in told["overall"]["objectives"]
    ] == [
        ("nps", 0.0, -40.0, False),
        ("promoter", 33.3, -16.7, False),
        ("detractor", 33.3, 6.7, True),
    ]
    lyon = next(one for one in told["groups"] if one["value"] == "Lyon")
    assert lyon["objectives"][0]["reached"]
    assert [one["distance"] for one in claim["overall"]["objectives"]] == [10.0]


async def test_two_periods_and_two_stores_are_compared(database: str) -> None:
    """A difference says how sure it is, and is real only with enough answers on both sides."""
    async with figures_on(database) as figures:
        await figures.tell(
            *(answer(n, 9, at=day(-40), store="Lyon") for n in range(30)),
            *(answer(100 + n, 2, store="Lyon") for n in range(30)),
            *(answer(200 + n, 10, store="Nice") for n in range(29)),
        )
        query = {"since": "2026-01-01", "until": "2026-03-31", "by": "attribute:store"}
        stores = await figures.ask(**query, compare="value:Lyon", show="score")
        periods = await figures.ask(
            since="2026-03-01",
            until="2026-03-10",
            by="attribute:store",
            compare="2026-01-15..2026-02-15",
            show="score",
        )
        previous = await figures.ask(
            since="2026-02-15", until="2026-03-15", compare="previous", show="score"
        )
    lyon, nice = stores["groups"]
    assert lyon["difference"] is None
    assert nice["difference"]["points"] == 100.0
    assert (nice["difference"]["enough"], nice["difference"]["real"]) == (False, False)
    assert nice["difference"]["interval"]["low"] > 0
    now, unseen = periods["groups"]
    assert (now["value"], now["other"]["nps"], now["difference"]["real"]) == ("Lyon", 100.0, True)
    assert (unseen["value"], unseen["other"]["n"], unseen["difference"]) == ("Nice", 0, None)
    assert previous["compared_with"]["period"]["end"] == previous["period"]["start"]
    assert previous["overall"]["other"]["n"] == 30


@pytest.mark.parametrize(
    ("query", "fix"),
    [
        pytest.param({"since": "yesterday"}, "from: write a day as", id="a day in words"),
        pytest.param({"until": "2026-03-10T12:00:00"}, "to: write a day as", id="no zone"),
        pytest.param(
            {"since": "2026-03-10", "until": "2026-03-09"}, "from must be before", id="backwards"
        ),
        pytest.param({"until": "0001-01-01"}, "1970 and 2199", id="antiquity"),
        pytest.param({"by": "store"}, "attribute:NAME or answer:NAME", id="neither"),
        pytest.param({"by": "attribute:"}, "attribute:NAME or answer:NAME", id="nameless"),
        pytest.param({"compare": "last"}, "previous, FROM..TO (2025", id="a word"),
        pytest.param({"compare": "value:Lyon"}, "needs by", id="a group of none"),
        pytest.param(
            {"by": "attribute:lifecycle", "compare": "value:gone"},
            "is a choice: write value: and one of cold_prospect",
            id="no such choice",
        ),
        pytest.param({"by": "answer:a", "compare": "value:"}, "or value:GROUP", id="no group"),
        pytest.param({"compare": "2026-01-01..x"}, "compare: write a day", id="half a period"),
        pytest.param({"show": "everything"}, "choose among score", id="a part unknown"),
        pytest.param({"survey": "a\x00b"}, "survey: give its name", id="a NUL"),
    ],
)
async def test_a_question_that_makes_no_sense_names_the_fix(
    database: str, query: dict[str, str], fix: str
) -> None:
    """422 with words about the parameter, without what was sent."""
    async with figures_on(database) as figures:
        answer = await figures.get(**query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert fix in answer.json()["detail"]


async def test_a_group_compared_with_is_found_however_it_is_written(database: str) -> None:
    """Groups are shown in the form of the attribute's type; a comparison is read in it."""
    policy = policy_with(attributes={"vip": "flag", "store": "text"})
    async with figures_on(database, policy) as figures:
        await figures.tell(
            *(
                answered(f"r{n}", 9, email=f"p{n}@example.com", attributes={"vip": "oui"})
                for n in range(3)
            ),
            *(
                answered(f"s{n}", 2, email=f"q{n}@example.com", attributes={"vip": "non"})
                for n in range(3)
            ),
        )
        query = {"by": "attribute:vip", "show": "score", **PERIOD}
        told = await figures.ask(**query, compare="value:yes")
    assert told["compared_with"]["value"] == "true"
    found = {one["value"]: one["difference"] for one in told["groups"]}
    assert (found["true"], found["false"]["points"]) == (None, -200.0)


async def test_the_description_names_the_forms_of_a_comparison(database: str) -> None:
    """A client may check before it asks."""
    async with figures_on(database) as figures:
        described = figures.app.openapi()["paths"]["/v1/nps"]["get"]["parameters"]
    (compare,) = [one for one in described if one["name"] == "compare"]
    assert compare["schema"]["pattern"].startswith("^(previous|value:")
    assert {one["value"] for one in compare["examples"].values()} >= {"previous", "value:Lyon"}


async def test_the_figures_need_the_scope_read(database: str) -> None:
    """No token: 401; a token without the scope: 403."""
    async with figures_on(database) as figures:
        for path in ("/v1/nps", "/v1/nps/alerts"):
            assert (await figures.get(path, token="")).status_code == 401
            assert (await figures.get(path, token="writer")).status_code == 403


@pytest.mark.parametrize("name", ["country", "country_code"])
async def test_groups_are_read_as_the_policy_declares_them(database: str, name: str) -> None:
    """By whichever name a source told it and somebody asks; two spellings are one group."""
    people = [{"country": "FR", "tone": "VOUS"}, {"country_code": "FR", "tone": "vous"}]
    async with figures_on(database) as figures:
        for number, attributes in enumerate(people):
            person = f"person{number}@example.com"
            await figures.tell(answered(f"r{number}", 9, email=person, attributes=attributes))
        countries = await figures.ask(by=f"attribute:{name}", **PERIOD)
        tones = await figures.ask(by="attribute:tone", **PERIOD)
    assert [(one["value"], one["n"]) for one in countries["groups"]] == [("FR", 2)]
    assert [(one["value"], one["n"]) for one in tones["groups"]] == [("vous", 2)]
