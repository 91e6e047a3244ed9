"""Attributes, consents, opt-outs and test respondents on a real PostgreSQL: kept, told, shown."""

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.showing import customer_view
from services.segmenter.api.views import CustomerView
from services.segmenter.store import reading
from shared.events import feedback, outcomes
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from tests.builders.facts import (
    ANNA,
    NOON,
    Shelf,
    answered,
    day,
    event,
    handler,
    ids_of,
    received,
    rulebook,
    says,
    updated,
)


async def shown(engine: AsyncEngine, customer_id: UUID) -> CustomerView:
    """What the API answers about a customer."""
    async with engine.connect() as connection:
        row = await reading.customer(connection, customer_id)
    assert row is not None
    found = row.customer
    return customer_view(
        found.profile,
        rulebook(),
        day(2),
        customer_id=found.customer_id,
        aliases=row.aliases,
        version=found.version,
        created_at=found.created_at,
        decisions=row.decisions,
    )


def told_by(source: str, told: Event) -> Event:
    """The same event from another source."""
    return Event(told.id, source, told.time, told.data)


def open_classes(decided: CustomerDecided) -> set[str]:
    return {permit.contact_class for permit in decided.permits if permit.allowed}


async def test_an_attribute_is_shown_with_its_source_and_time(engine: AsyncEngine) -> None:
    """The newest word of each stands, with who said it when, and why it is not believed."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(2))
    crm = updated(attributes={"aov": "49,90 €", "orders_count": "many", "city": "Lyon"})
    await handle(received(told_by("crm", crm)))
    await handle(received(answered("r1", 9, at=day(1), attributes={"city": "Paris"})))
    view = await shown(engine, shelf.decided()[-1].customer_id)
    said = {n: (a.value, a.source, a.at, a.wrong) for n, a in view.attributes.items()}
    assert said == {
        "aov": ("49,90 €", "crm", NOON, None),
        "orders_count": ("many", "crm", NOON, "no number"),
        "city": ("Paris", "demo", day(1), None),
    }
    assert view.profile.attributes == {"aov": 49.9, "city": "Paris"}
    assert shelf.decided()[-1].snapshot.attributes == view.profile.attributes


async def test_sources_survive_a_merge_which_folds_all_facts_anew(engine: AsyncEngine) -> None:
    """What was said by whom is part of the facts, not only of the profile."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(2))
    proved = says(granted=True).model_copy(update={"proof": "form 4711", "text_version": "v3"})
    await handle(received(told_by("crm", updated(attributes={"city": "Lyon"}, consents=(proved,)))))
    till = updated(*ids_of(external_id="C-1"), at=day(0.5), attributes={"store": "Lyon 2"})
    await handle(received(told_by("till", till)))
    await handle(received(told_by("shop", updated(*ids_of(ANNA, external_id="C-1"), at=day(1)))))
    view = await shown(engine, shelf.decided()[-1].customer_id)
    assert {n: a.source for n, a in view.attributes.items()} == {"city": "crm", "store": "till"}
    (consent,) = (c for c in view.consents if (c.purpose, c.channel) == ("marketing", "email"))
    assert (
        consent.state,
        consent.source,
        consent.text_version,
        consent.proof,
        consent.said_at,
    ) == (
        "granted",
        "crm",
        "v3",
        "form 4711",
        NOON,
    )


async def test_facts_kept_before_sources_were_noted_fold_as_before(engine: AsyncEngine) -> None:
    """A row without a source gives an attribute without one; an answer still names its own."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(2))
    await handle(received(told_by("crm", updated(attributes={"city": "Lyon"}))))
    await handle(received(answered("r1", 9, at=day(0.5), attributes={"store": "Lyon 2"})))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE facts SET source = NULL"))
    till = updated(*ids_of(external_id="C-1"), at=day(0.7))
    await handle(received(till))
    await handle(received(updated(*ids_of(ANNA, external_id="C-1"), at=day(1))))
    view = await shown(engine, shelf.decided()[-1].customer_id)
    assert {n: (a.value, a.source) for n, a in view.attributes.items()} == {
        "city": ("Lyon", None),
        "store": ("Lyon 2", "demo"),
    }


@pytest.mark.parametrize(
    ("proof", "opened"),
    [pytest.param(None, False, id="none"), pytest.param("form 4711", True, id="her own")],
)
async def test_a_bought_yes_opens_a_channel_with_a_proof_alone(
    engine: AsyncEngine, proof: str | None, opened: bool
) -> None:
    """Without one the decision says why nothing was opened."""
    shelf = Shelf()
    yes = says(granted=True).model_copy(update={"proof": proof})
    bought = told_by("seller", updated(consents=(yes,), provenance="bought"))
    await handler(engine, shelf, now=day(1))(received(bought))
    (decided,) = shelf.decided()
    assert ("marketing" in open_classes(decided)) == opened
    assert ("provenance" in {line.rule for line in decided.trace}) == (not opened)


def stop(*, everything: bool) -> dict[str, Event]:
    who = ids_of(ANNA)
    return {
        "survey": event(
            feedback.SurveyOptedOut(
                survey="nps", identifiers=who, occurred_at=day(1), everything=everything
            )
        ),
        "message": event(
            outcomes.MessageUnsubscribed(
                channel="sms", identifiers=who, occurred_at=day(1), everything=everything
            )
        ),
    }


@pytest.mark.parametrize("tool", ["survey", "message"])
async def test_an_opt_out_stops_marketing_and_surveys_and_everything_service_too(
    engine: AsyncEngine, tool: str
) -> None:
    """On all channels, whichever tool it was told to; a later yes to service opens it again."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(2))
    await handle(received(answered("r1", 3, consents=(says(granted=True, channel="all"),))))
    await handle(received(stop(everything=False)[tool]))
    await handle(received(stop(everything=True)[tool]))
    again = says(granted=True, at=day(1.5), purpose="service", channel="all")
    await handle(received(updated(at=day(1.5), consents=(again,))))
    before, some, all_, after = (open_classes(decided) for decided in shelf.decided())
    assert before == {"marketing", "survey", "service", "internal"}
    assert some == {"service", "internal"}
    assert all_ == {"internal"}
    assert after == {"service", "internal"}


async def test_a_test_respondent_is_marked_and_shown_as_one(engine: AsyncEngine) -> None:
    """A tag taken away makes her a customer again with the next decision."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(2))
    await handle(received(answered("r1", 9, attributes={"test_respondent": "yes"})))
    assert (await shown(engine, shelf.decided()[0].customer_id)).test
    await handle(received(updated(at=day(1), attributes={"test_respondent": None})))
    assert [decided.test for decided in shelf.decided()] == [True, False]
    assert not (await shown(engine, shelf.decided()[0].customer_id)).test
