"""What the dispatcher promises on a real PostgreSQL: from a decision to the platform, once."""

import uuid

import pytest
from sqlalchemy import text

from services.dispatcher.calls.calls import Verdict
from shared.events.decisions import DecidedCase
from shared.events.outcomes import DeliverySettled
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import NOW, decision, later, open_permits
from tests.builders.dispatching import dispatching


async def test_a_decision_becomes_a_profile_push_and_then_its_action(database: str) -> None:
    """The profile arrives before the message that speaks of it, and both are told as accepted."""
    async with dispatching(database) as d:
        customer = uuid.uuid4()
        await d.tell(decision(customer))
        await d.run()
        assert d.carriers["sandbox"].kinds == [("push", customer), ("act", customer)]
        assert [call.action for call in d.carriers["alerts"].actions] == ["internal_alert"]
        assert {row.state for row in await d.rows()} == {"accepted"}
        await d.teller.step()
        settled = [e.data for e in d.bag.events() if isinstance(e.data, DeliverySettled)]
        assert {(s.play, s.state) for s in settled} == {
            ("sorry", "accepted"),
            ("alert", "accepted"),
        }


async def test_the_number_of_the_ticket_comes_back_with_the_outcome(database: str) -> None:
    """What the platform answered as the id of what it made, and the case it was made for."""
    case = DecidedCase(case_id="nps/1", opened_at=NOW, due_at=later(hours=24), reason="a detractor")
    made = Verdict("accepted", "taken", reference="4711")
    carriers = {"alerts": ScriptedCarrier("alerts", on_act=lambda _number: made)}
    async with dispatching(database, carriers=carriers) as d:
        await d.tell(decision().model_copy(update={"case": case}))
        await d.run()
        await d.teller.step()
        settled = [e.data for e in d.bag.events() if isinstance(e.data, DeliverySettled)]
        assert {(s.play, s.reference, s.case_id) for s in settled} == {
            ("alert", "4711", "nps/1"),
            ("sorry", None, None),
        }


async def test_a_redelivered_decision_changes_nothing(database: str) -> None:
    """The same decision, again and again, is planned once and sent once."""
    async with dispatching(database) as d:
        told = decision()
        await d.tell(told, told)
        await d.run()
        await d.tell(told)
        await d.run()
        assert len(d.carriers["sandbox"].actions) == 1
        assert len(d.carriers["sandbox"].pushes) == 1


async def test_an_equal_state_is_not_pushed_again(database: str) -> None:
    """A newer decision with the same attributes and addresses pushes nothing; another one does."""
    async with dispatching(database) as d:
        customer = uuid.uuid4()
        await d.tell(decision(customer))
        await d.run()
        await d.tell(decision(customer, version=2, triggers=("updated",), response="u1"))
        await d.run()
        assert len(d.carriers["sandbox"].pushes) == 1
        await d.tell(decision(customer, version=3, segment="passive", response="r2"))
        await d.run()
        assert [p.attributes["nps_segment"] for p in d.carriers["sandbox"].pushes] == [
            "detractor",
            "passive",
        ]


async def test_an_older_version_overwrites_nothing(database: str) -> None:
    """Decisions in the wrong order leave the newest state; both are planned."""
    async with dispatching(database) as d:
        customer = uuid.uuid4()
        await d.tell(decision(customer, version=2, segment="promoter", response="r2"))
        await d.tell(decision(customer, version=1, segment="detractor", response="r1"))
        await d.run()
        assert d.carriers["sandbox"].pushes[-1].attributes == {"nps_segment": "promoter"}
        assert (await d.row(play="sorry")).state == "superseded"
        assert (await d.row(play="thanks")).state == "accepted"


async def test_consent_withdrawn_between_plan_and_send_stops_the_send(database: str) -> None:
    """A decision that closes the permit suppresses what waits, with the reason."""
    async with dispatching(database) as d:
        customer = uuid.uuid4()
        await d.tell(decision(customer, segment="promoter"))
        await d.tell(
            decision(
                customer,
                version=2,
                segment="promoter",
                response="u1",
                triggers=("updated",),
                permits=open_permits(refused=["marketing"]),
            )
        )
        await d.run()
        row = await d.row()
        assert row.state == "suppressed"
        assert "no consent is known" in row.reason
        assert d.carriers["sandbox"].actions == []


async def test_a_message_whose_deadline_passed_expires(database: str) -> None:
    """After an outage nobody gets an old apology."""
    async with dispatching(database) as d:
        await d.tell(decision())
        d.now = later(hours=73)
        await d.run()
        assert {row.state for row in await d.rows()} == {"expired"}
        assert d.carriers["sandbox"].actions == []


@pytest.mark.parametrize("copies", [1, 5])
async def test_every_change_is_kept_with_time_and_reason(database: str, copies: int) -> None:
    """The history of a delivery reads planned, sending, accepted."""
    async with dispatching(database) as d:
        told = decision(segment="promoter")
        await d.tell(*[told] * copies)
        await d.run()
        async with d.engine.connect() as connection:
            states = await connection.scalars(
                text("SELECT state FROM delivery_changes ORDER BY change")
            )
            assert states.all() == ["planned", "sending", "accepted"]
