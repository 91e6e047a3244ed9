"""What the segmenter promises on a real PostgreSQL: one customer, one decision for each event."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.errors import BusAway
from shared.events import decisions, ids, outcomes
from shared.events.envelope import Event
from tests.builders.facts import (
    ANNA,
    BEN,
    NOON,
    Shelf,
    answered,
    day,
    event,
    handler,
    ids_of,
    received,
    reported,
    says,
    settled,
    updated,
)
from tests.builders.lines import written_lines


async def rows(engine: AsyncEngine, query: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def test_an_answer_becomes_one_decision(engine: AsyncEngine) -> None:
    """A first answer makes a customer, a fact, a profile and one decision with its reasons."""
    shelf = Shelf()
    assert await handler(engine, shelf)(received(answered("r1", 3, comment="Trop cher !"))) == []
    (decided,) = shelf.decided()
    assert (decided.version, decided.snapshot.segment, decided.snapshot.theme) == (
        1,
        "detractor",
        "price",
    )
    assert decided.move is not None
    assert decided.move.kind == "first"
    assert decided.cause.triggers == ("received", "settled")
    assert decided.identifiers == ids_of(ANNA)
    assert {hold.rule for hold in decided.holds} == {
        "survey_family",
        "any_survey",
        "marketing_rest",
        "open_case",
    }
    assert await rows(engine, "SELECT count(*) FROM facts") == [(1,)]
    assert shelf.messages[0].key == str(decided.customer_id)


async def test_a_redelivery_publishes_the_same_bytes_and_changes_nothing(
    engine: AsyncEngine,
) -> None:
    """An event told again publishes its stored decision again, also when told in one batch."""
    shelf, told = Shelf(), answered("r1", 9)
    handle = handler(engine, shelf)
    await handle(received(told, told))
    first = list(shelf.messages)
    before = await rows(engine, "SELECT version, state FROM profiles")
    await handler(engine, shelf, now=day(3))(received(told))
    assert len(first) == 1
    assert shelf.messages == first * 2
    assert await rows(engine, "SELECT version, state FROM profiles") == before


async def test_a_death_between_commit_and_publish_loses_no_decision(engine: AsyncEngine) -> None:
    """What was committed but not published is published by the redelivery, decided once."""
    shelf, told = Shelf(away=1), answered("r1", 9)
    with pytest.raises(BusAway):
        await handler(engine, shelf)(received(told))
    assert shelf.messages == []
    await handler(engine, shelf)(received(told))
    assert [decided.version for decided in shelf.decided()] == [1]
    assert await rows(engine, "SELECT count(*) FROM decisions") == [(1,)]


async def test_many_events_of_one_customer_give_as_many_decisions_and_one_profile(
    engine: AsyncEngine,
) -> None:
    """Two hundred answers in one batch are two hundred versions in order."""
    shelf = Shelf()
    told = [answered(f"r{n}", n % 11, at=NOON + timedelta(seconds=n)) for n in range(200)]
    await handler(engine, shelf, now=day(1))(received(*reversed(told)))
    assert [decided.version for decided in shelf.decided()] == list(range(1, 201))
    assert shelf.decided()[-1].snapshot.response_count == 200
    assert await rows(engine, "SELECT version FROM profiles") == [(200,)]
    late = answered("early", 0, at=day(-1))
    await handler(engine, shelf, now=day(1))(received(late))
    last = shelf.decided()[-1]
    assert last.cause.late
    assert last.snapshot.response_count == 201
    assert last.snapshot.first_answered_at == day(-1)
    assert last.snapshot.score == 199 % 11


async def test_an_event_that_names_two_customers_merges_them(engine: AsyncEngine) -> None:
    """The older id stays, its version rises above both, and the stricter consent wins."""
    shelf = Shelf()
    first = answered("r1", 9, consents=(says(granted=True),))
    await handler(engine, shelf, now=NOON)(received(first))
    second = updated(
        *ids_of(external_id="C-1"), at=day(-1), consents=(says(granted=False, at=day(-1)),)
    )
    await handler(engine, shelf, now=day(1))(received(second))
    link = updated(*ids_of(ANNA, external_id="C-1"), at=day(2))
    await handler(engine, shelf, now=day(2))(received(link))
    anna, other, both = shelf.decided()
    (merged,) = shelf.merged()
    assert (merged.customer_id, merged.merged_id) == (anna.customer_id, other.customer_id)
    assert both.customer_id == anna.customer_id
    assert both.version == 2
    assert both.cause.triggers == ("updated", "merged")
    assert [e.type for e in shelf.events()[-2:]] == ["customer.merged", "customer.decided"]
    assert not permit(both, "marketing", "email").allowed
    assert permit(anna, "marketing", "email").allowed
    # What her old id still causes reaches the survivor.
    await handler(engine, shelf, now=day(3))(
        received(updated(*ids_of(external_id="C-1"), at=day(3), attributes={"orders": 3}))
    )
    assert shelf.decided()[-1].customer_id == anna.customer_id
    assert shelf.decided()[-1].snapshot.attributes == {"orders": 3}


def permit(
    decided: decisions.CustomerDecided, contact_class: str, channel: str
) -> decisions.Permit:
    return next(
        p for p in decided.permits if (p.contact_class, p.channel) == (contact_class, channel)
    )


async def test_a_score_without_address_waits_for_the_message_that_brings_one(
    engine: AsyncEngine,
) -> None:
    """An anonymous score is kept silently; the comment with the address makes the customer."""
    shelf = Shelf()
    handle = handler(engine, shelf)
    await handle(received(answered("r1", 2, email=None, complete=False, revision=1)))
    assert shelf.messages == []
    assert await rows(engine, "SELECT note FROM decisions") == [
        ("no personal identifier is known yet",)
    ]
    await handle(received(answered("r1", email=ANNA, revision=2, comment="Livraison en retard")))
    (decided,) = shelf.decided()
    assert (decided.snapshot.score, decided.snapshot.theme) == (2, "delivery")
    assert decided.cause.id == ids.response_cause("demo", "nps", "r1")


async def test_of_copies_the_earliest_receipt_counts(engine: AsyncEngine) -> None:
    """An answer dated in the future counts as of its first receipt, whichever copy comes first."""
    shelf = Shelf()
    early = answered("r1", 3, origin="future", at=NOON)
    late = answered("r1", 3, origin="future", at=NOON + timedelta(hours=1))
    newer = answered("r2", 9, at=NOON + timedelta(minutes=30))
    assert early.id == late.id
    await handler(engine, shelf, now=day(1))(received(late))
    await handler(engine, shelf, now=day(1))(received(newer))
    assert shelf.decided()[-1].cause.late
    assert shelf.decided()[-1].snapshot.segment == "detractor"
    await handler(engine, shelf, now=day(1))(received(early))
    last = shelf.decided()[-1]
    assert (last.version, last.snapshot.segment) == (3, "promoter")
    assert last.cause.late
    await handler(engine, shelf, now=day(1))(received(late))
    assert shelf.messages[-1] == shelf.messages[-2]


async def test_what_reports_change_nothing_is_kept_silently(engine: AsyncEngine) -> None:
    """An accepted delivery is a contact and is told; its other states and openings are history."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(answered("r1", 8)))
    customer = shelf.decided()[0].customer_id
    await handle(received(settled(customer, state="in_doubt")))
    await handle(received(reported(outcomes.MessageOpened)))
    assert len(shelf.messages) == 1
    await handle(received(settled(customer, at=day(0.5), change=2)))
    assert shelf.decided()[-1].cause.triggers == ("contacted",)
    await handle(received(settled(customer, at=day(0.6), change=3)))
    assert len(shelf.messages) == 2
    assert await rows(engine, "SELECT count(*) FROM decisions") == [(5,)]


async def test_a_contact_of_ours_moves_the_next_survey_date_once(engine: AsyncEngine) -> None:
    """The clock after a contact is a pushed attribute, so its change is told; telling it sends
    nothing, and what is told of the same delivery afterwards changes nothing."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(89))
    await handle(received(answered("r1", 8)))
    customer = shelf.decided()[0].customer_id
    assert shelf.decided()[0].snapshot.next_survey_at == day(90)
    await handle(received(settled(customer, at=day(88))))
    moved = shelf.decided()[-1]
    assert (moved.snapshot.next_survey_at, moved.cause.triggers) == (day(95), ("contacted",))
    assert moved.move is None
    await handle(received(settled(customer, at=day(88), state="accepted", change=2)))
    await handle(received(reported(outcomes.MessageSent, None, delivery="delivery-1", at=day(88))))
    assert len(shelf.messages) == 2


async def test_a_report_finds_its_customer_by_the_delivery_whichever_comes_first(
    engine: AsyncEngine,
) -> None:
    """A bounce that names only our delivery closes the channel once the delivery is known."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(answered("r1", 8)))
    customer = shelf.decided()[0].customer_id
    assert permit(shelf.decided()[0], "service", "email").allowed
    await handle(received(reported(outcomes.MessageBounced, None, delivery="d1", at=day(0.5))))
    assert len(shelf.messages) == 1
    await handle(received(settled(customer, "d1", at=day(0.4))))
    last = shelf.decided()[-1]
    assert last.customer_id == customer
    assert permit(last, "service", "email").reason == "the address bounced"
    assert shelf.merged() == []


async def test_one_bad_event_harms_no_other(engine: AsyncEngine) -> None:
    """What cannot be a fact is refused with a reason; the rest of the batch is handled."""
    shelf = Shelf()
    odd = updated(at=NOON.replace(year=1900))
    foreign = event(
        decisions.SegmenterProgressed(topic="nps.feedback", partition=0, partitions=1, upto=NOON)
    )
    nul = answered("r2", 4, comment="a\x00b")
    refused = await handler(engine, shelf)(received(odd, answered("r1", 9), foreign, nul))
    assert [rejected.reason for rejected in refused] == [
        "a moment lies before 1970 or after 2199",
        "segmenter.progressed is no fact about a customer",
    ]
    assert [decided.snapshot.comment for decided in shelf.decided()] == [None, "ab"]


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        pytest.param(1e300, "1e+300", id="huge"),
        pytest.param(12345678901234567890123.0, "1.2345678901234568e+22", id="too many digits"),
        pytest.param(float("inf"), None, id="infinity"),
        pytest.param(2**63 - 1, 2**63 - 1, id="the largest whole number"),
        pytest.param(0.1, 0.1, id="a plain number"),
    ],
)
async def test_no_number_stops_the_segmenter(
    engine: AsyncEngine, number: float, kept: object
) -> None:
    """A number comes back from the database as it went in, in every later decision, too."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(3))
    await handle(received(updated(attributes={"number": number})))
    await handle(received(answered("r1", 3, at=day(1), many=number)))
    await handle(received(updated(*ids_of(external_id="C-1"))))
    await handle(received(updated(*ids_of(ANNA, external_id="C-1"), at=day(2))))
    numbers = [decided.snapshot.attributes.get("number", "-") for decided in shelf.decided()]
    assert numbers == [kept, kept, "-", kept]


async def test_the_beginning_of_unix_time_is_a_moment(engine: AsyncEngine) -> None:
    """Many systems write it for "unknown": what ingest takes, the segmenter takes."""
    shelf, unknown = Shelf(), NOON.replace(year=1970, month=1, day=1, hour=0)
    told = updated(at=unknown, consents=(says(granted=True, at=unknown),))
    assert await handler(engine, shelf)(received(told)) == []
    assert permit(shelf.decided()[0], "marketing", "email").allowed


async def test_one_id_for_two_people_changes_neither(engine: AsyncEngine) -> None:
    """A caller who uses an id twice gets the first decision again; no state is mixed up."""
    shelf = Shelf()
    first = updated(*ids_of(ANNA), at=day(1), attributes={"orders": 1})
    second = Event(
        id=first.id,
        source=first.source,
        time=day(-1),
        data=updated(*ids_of(BEN), at=day(-1), attributes={"orders": 2}).data,
    )
    await handler(engine, shelf)(received(first))
    await handler(engine, shelf)(received(second))
    assert shelf.messages[0] == shelf.messages[1]
    query = "SELECT count(*) FROM facts WHERE body->'attributes'->>'orders' = '1'"
    assert await rows(engine, query) == [(1,)]


async def test_what_is_personal_stays_in_the_tables(engine: AsyncEngine) -> None:
    """No address, name, comment or customer number is in logs, keys or headers; each event has one
    line of its own."""
    shelf = Shelf()
    told = [
        answered("r1", 3, email="canary@example.com", comment="canary sings"),
        updated(
            *ids_of("canary@example.com", external_id="canary-7"),
            attributes={"first_name": "Canary"},
        ),
    ]
    with written_lines("services.segmenter.handle") as lines:
        await handler(engine, shelf)(received(*told))
    assert sorted(line["event_id"] for line in lines) == sorted(str(one.id) for one in told)
    assert "canary" not in str(lines).lower()
    assert all(message.key == lines[0]["customer_id"] for message in shelf.messages)
    assert all(message.headers == () for message in shelf.messages)


async def test_the_policy_is_kept_under_its_version(engine: AsyncEngine) -> None:
    """A decision names a policy whose text can be read."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 9)))
    assert await rows(engine, "SELECT version, text FROM policies") == [
        (shelf.decided()[0].policy, "the text of the policy")
    ]
