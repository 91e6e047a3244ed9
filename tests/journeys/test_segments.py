"""The three segments get different journeys, each once, each with its reason."""

import uuid
from collections.abc import Callable

import pytest

from services.ingest.examples import Answer
from tests.builders.sink import Sink
from tests.builders.system import System
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
YES = {"consent_email": "yes"}


def by_action(deliveries: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    """Index deliveries by their action."""
    return {str(delivery["action"]): delivery for delivery in deliveries}


async def test_a_detractor_who_names_the_price_is_reassured_about_it_once_and_an_alert_goes_out(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """The model case: the reason decides the variant, the profile is written before the message."""
    email = someone()
    await system.answer(
        Answer(
            response_id=uuid.uuid4().hex,
            score=3,
            email=email,
            comment="Le produit est bien mais c'est beaucoup trop cher.",
            language="fr",
        )
    )
    deliveries = by_action(await system.settled(email, 2))

    assert {name: d["state"] for name, d in deliveries.items()} == {
        "reassurance": "accepted",
        "internal_alert": "accepted",
    }
    sent = {action["action"]: action for action in sink.actions_for(email)}
    assert sent["reassurance"]["variant"] == "price"
    assert sink.profile_of(email)["nps_score"] == 3
    assert sink.profile_of(email)["nps_segment"] == "detractor"
    assert sink.profile_of(email)["nps_theme"] == "price"
    assert len(sink.actions_for(email)) == 2


@pytest.mark.parametrize(
    ("score", "action"),
    [
        # Of four asks one goes; the others are told which.
        pytest.param(10, "review_invite", id="promoter"),
        pytest.param(8, "discount", id="passive"),
    ],
)
async def test_who_consents_gets_the_offer_and_who_does_not_is_left_alone_with_a_reason(
    system: System, sink: Sink, someone: Callable[[], str], score: int, action: str
) -> None:
    """Unknown consent is no for marketing, and the row says so."""
    willing, silent = someone(), someone()
    for email, hidden in ((willing, YES), (silent, None)):
        await system.answer(
            Answer(response_id=uuid.uuid4().hex, score=score, email=email, hidden=hidden)
        )
    rows = 4 if action == "review_invite" else 1
    offered = by_action(await system.settled(willing, rows))[action]
    refused = by_action(await system.settled(silent, rows))[action]

    assert offered["state"] == "accepted"
    assert [sent["action"] for sent in sink.actions_for(willing)] == [action]
    assert refused["state"] == "suppressed"
    assert "consent" in str(refused["reason"])
    assert sink.actions_for(silent) == []
    assert sink.profile_of(silent)["nps_score"] == score


async def test_the_same_webhook_five_times_sends_one_message(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """A survey tool that saw no answer repeats itself; a later answer proves that it is over."""
    email, later = someone(), someone()
    answer = Answer(response_id=uuid.uuid4().hex, score=8, email=email, hidden=YES)
    for _ in range(5):
        await system.answer(answer)
    await system.settled(email, 1)
    await system.answer(Answer(response_id=uuid.uuid4().hex, score=8, email=later, hidden=YES))
    await system.settled(later, 1)

    assert len(sink.actions_for(email)) == 1
    assert (await system.customer(email))["profile"]["response_count"] == 1


async def test_an_answer_that_arrives_late_changes_no_newer_segment(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """It enters the history, and nobody reacts to it."""
    email = someone()
    await system.answer(Answer(response_id=uuid.uuid4().hex, score=10, email=email, hidden=YES))
    await system.settled(email, 4)
    await system.answer(
        Answer(
            response_id=uuid.uuid4().hex,
            score=2,
            email=email,
            answered_at="2026-01-05T10:00:00Z",
            comment="trop cher",
        )
    )

    async def both_known() -> bool:
        profile = (await system.customer(email))["profile"]
        return bool(profile["response_count"] == 2)

    await eventually(both_known, what="both answers in the history")
    told = await system.customer(email)
    assert (told["profile"]["score"], told["profile"]["segment"]) == (10, "promoter")
    assert "reassurance" not in {sent["action"] for sent in sink.actions_for(email)}


async def test_an_answer_dated_2099_counts_as_of_its_receipt_and_is_replaced_by_a_later_one(
    system: System, someone: Callable[[], str]
) -> None:
    """A wrong clock at the survey tool must not freeze a customer for ever."""
    email = someone()
    await system.answer(
        Answer(
            response_id=uuid.uuid4().hex,
            score=2,
            email=email,
            answered_at="2099-01-01T00:00:00Z",
        )
    )

    async def first() -> bool:
        return bool((await system.customer(email))["profile"]["score"] == 2)

    await eventually(first, what="the first answer")
    marked = (await system.customer(email))["responses"]
    await system.answer(Answer(response_id=uuid.uuid4().hex, score=9, email=email))

    async def replaced() -> bool:
        return bool((await system.customer(email))["profile"]["score"] == 9)

    await eventually(replaced, what="the later answer")
    assert [response["answered_at_origin"] for response in marked] == ["future"]
    assert (await system.customer(email))["profile"]["last_answered_at"] < "2099"
