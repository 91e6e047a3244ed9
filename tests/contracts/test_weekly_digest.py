"""The weekly digest end to end: answers in, counted, by the bus, into the owner's channel."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.alerts.digest import Notice
from services.dispatcher.delivery import TargetRules
from services.dispatcher.platforms.preset import load_preset
from services.dispatcher.platforms.week_words import owner_week
from services.dispatcher.platforms.words import Voice
from services.dispatcher.targets.alert_settings import AlertSettings
from services.dispatcher.tell.herald import Herald, Reader, call_of
from services.segmenter.digests.telling import DigestTeller
from services.segmenter.metrics import Metrics
from tests.builders.dispatching import dispatching, rules
from tests.builders.facts import answered, rulebook
from tests.builders.fakes import Case, carrier_of, cases
from tests.builders.fakes.slack_bot import CASE, FakeSlackBot
from tests.builders.figures import figures_on, policy_with
from tests.builders.weeks import week

#: Scores of the week, by store.
NAMES = {"Lyon": [2, 9, 10], "Nice": [10]}
#: A Monday at eight in Paris.
MONDAY = datetime(2026, 3, 16, 7, tzinfo=UTC)
BUDGET = timedelta(seconds=20)


async def test_each_store_reads_its_week_in_its_own_channel(database: str) -> None:
    """Twice counted, twice carried, once read; the other store's figures are not in it."""
    policy = policy_with(digests=[{"name": "stores", "owner": "store"}])
    route = {"stores": {"to": {name: {"target": "alerts", "room": f"C{name}"} for name in NAMES}}}
    async with figures_on(database, policy, now=MONDAY) as figures:
        await figures.tell(
            *(
                answered(
                    f"r-{store}-{number}",
                    score,
                    email=f"{store.lower()}{number}@example.com",
                    at=MONDAY - timedelta(days=3),
                    attributes={"store": store},
                    comment="Beaucoup trop cher" if score < 7 else None,
                )
                for store, scores in NAMES.items()
                for number, score in enumerate(scores)
            )
        )
        people = {d.identifiers[0].value: d.customer_id for d in figures.shelf.decided()}
        for _ in range(2):
            teller = DigestTeller(
                figures.engine,
                figures.shelf,
                rulebook(policy),
                clock=lambda: MONDAY,
                metrics=Metrics(CollectorRegistry()),
            )
            await teller.tell_due()
            async with figures.engine.begin() as connection:
                await connection.exec_driver_sql("DELETE FROM owner_digests")
        carried = [one for one in figures.shelf.events() if one.type == "owner.week_counted"]

    assert len(carried) == 4
    alerts = AlertSettings(language="fr", zone="Europe/Paris", link_base="https://nps.example/c/")
    chat = replace(TargetRules("alerts", 8, (), ("nps_score",), None, False), alerts=alerts)
    fake = FakeSlackBot()
    book = rules(digests=route)
    book = replace(book, targets={**book.targets, "alerts": chat})
    async with dispatching(database, book) as machine:
        machine.now = MONDAY
        await machine.tell(*carried)
        reader = Reader(
            machine.lanes["alerts"]._desk, carrier_of(CASE, fake, clock=lambda: MONDAY), "chat"
        )
        await Herald(machine.engine, [reader], machine.metrics, lambda: MONDAY, BUDGET).step()

    said = {
        room: [body["blocks"][0]["text"]["text"], *body["blocks"][1]["text"]["text"].splitlines()]
        for (room, _), body in fake.messages.items()
    }
    assert len(fake.messages) == 2
    assert said["CLyon"][:5] == [
        "Semaine du 9 mars au 15 mars : NPS 33.3, réponses : 3",
        "Store : Lyon",
        "NPS : 33.3, 95 % entre -51.3 et 84.7 (trop peu de réponses pour conclure)",
        "Segments : détracteur 1, neutre 0, promoteur 2",
        "Motifs : prix 1 (détracteur 1)",
    ]
    assert said["CLyon"][-2] == f"2/10 : https://nps.example/c/{people['lyon0@example.com']}"
    assert not any("cher" in line for line in said["CLyon"]), "her own words stay where they are"
    assert said["CNice"][0] == "Semaine du 9 mars au 15 mars : NPS 100, réponses : 1"


def reading() -> list[Case]:
    """The platforms on which colleagues read."""
    read = {"title", "text"}
    return [
        case
        for case in cases()
        if case.acting and not read.isdisjoint(load_preset(case.preset).used_by_actions)
    ]


@pytest.mark.parametrize("case", reading(), ids=lambda case: case.preset)
async def test_every_platform_that_colleagues_read_takes_a_digest(case: Case) -> None:
    """It is about nobody, so there is no customer, address or name to write it with."""
    fake = case.fake()
    notice = Notice(
        id=UUID(int=7),
        kind="owner_week",
        target=case.preset,
        action="weekly_digest",
        channel=case.channel,
        begun=MONDAY - timedelta(days=7),
        due=MONDAY,
        deadline=MONDAY + timedelta(days=7),
        week=week(),
    )
    call = call_of(notice, owner_week(week(), ("nps_score",), Voice()))
    verdict = await carrier_of(case, fake, clock=lambda: MONDAY).act(
        call, budget=BUDGET, now=MONDAY
    )

    assert verdict.outcome == "accepted", verdict
    assert fake.effects == 1
