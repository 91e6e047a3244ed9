"""Permits: which channel is open for which class, by which basis, or why not."""

import pytest

from services.segmenter.decide.permits import permits, permits_of
from services.segmenter.profile.profile import rebuild
from shared.events import outcomes
from shared.events.envelope import Event
from tests.builders.facts import (
    ANNA,
    answered,
    day,
    fact,
    ids_of,
    opted_out,
    reported,
    says,
    shipped_policy,
    updated,
)

YES = updated(consents=(says(granted=True),))


@pytest.mark.parametrize(
    ("told", "asked", "allowed", "why"),
    [
        pytest.param(
            [answered("r1", 9)],
            ("marketing", "email"),
            False,
            "no consent to marketing is known, and unknown is no",
            id="unknown is no for marketing",
        ),
        pytest.param([YES], ("marketing", "email"), True, "consent", id="marketing with a yes"),
        pytest.param(
            [YES],
            ("marketing", "sms"),
            False,
            "no consent to marketing is known, and unknown is no",
            id="a yes to another channel",
        ),
        pytest.param(
            [answered("r1", 3)], ("service", "email"), True, "contract", id="service by contract"
        ),
        pytest.param(
            [YES, opted_out(at=day(1))],
            ("marketing", "email"),
            False,
            "marketing refused on this channel",
            id="marketing after an opt-out",
        ),
        pytest.param(
            [opted_out()], ("service", "email"), True, "contract", id="service after an opt-out"
        ),
        pytest.param(
            [opted_out()],
            ("survey", "email"),
            False,
            "survey refused on this channel",
            id="a survey after an opt-out",
        ),
        pytest.param(
            [updated(consents=(says(granted=False, purpose="service", channel="all"),))],
            ("service", "email"),
            False,
            "service refused on this channel",
            id="who refuses everything gets no service message",
        ),
        pytest.param(
            [answered("r1", 3, callback_requested=True)],
            ("asked_for", "call"),
            True,
            "request of the customer",
            id="a call that was asked for",
        ),
        pytest.param(
            [
                answered("r1", 3, callback_requested=True),
                answered("r2", 3, at=day(7), callback_requested=False),
            ],
            ("asked_for", "call"),
            True,
            "request of the customer",
            id="a newer answer takes no request back",
        ),
        pytest.param(
            [
                answered("r1", 3, callback_requested=True),
                answered("r2", 3, at=day(7.1)),
            ],
            ("asked_for", "call"),
            False,
            "the customer asked for no contact in the newest answers",
            id="a request of long before her newest answer",
        ),
        pytest.param(
            [
                answered("r1", callback_requested=True, metric="csat"),
                answered("r2", 9, at=day(-1)),
            ],
            ("asked_for", "call"),
            True,
            "request of the customer",
            id="a call asked for without a score",
        ),
        pytest.param(
            [
                answered("r1", 3, revision=1, callback_requested=True),
                answered("r1", 3, revision=2, callback_requested=False),
            ],
            ("asked_for", "call"),
            False,
            "the customer asked for no contact in the newest answers",
            id="a request taken back",
        ),
        pytest.param(
            [answered("r1", 3, history=True, callback_requested=True)],
            ("asked_for", "call"),
            False,
            "the customer asked for no contact in the newest answers",
            id="a request of long ago that was imported",
        ),
        pytest.param(
            [answered("r1", 3), reported(outcomes.MessageBounced)],
            ("service", "email"),
            False,
            "the address bounced",
            id="a bounced address",
        ),
        pytest.param(
            [
                answered("r1", 3),
                reported(outcomes.MessageBounced),
                reported(outcomes.MessageOpened, at=day(1)),
            ],
            ("service", "email"),
            True,
            "contract",
            id="a bounced address at which a message was opened since",
        ),
        pytest.param(
            [
                answered("r1", 3),
                reported(outcomes.MessageBounced),
                updated(*ids_of(ANNA, external_id="C-1")),
                updated(*ids_of("anna@example.net", external_id="C-1"), at=day(1)),
            ],
            ("service", "email"),
            True,
            "contract",
            id="another address works",
        ),
        pytest.param(
            [answered("r1", 3), reported(outcomes.MessageBounced)],
            ("internal", "email"),
            True,
            "internal",
            id="an alert to staff is not about her address",
        ),
    ],
)
def test_a_permit_names_its_basis_or_its_reason(
    told: list[Event], asked: tuple[str, str], allowed: bool, why: str
) -> None:
    """Every class and channel of the shipped policy has exactly one answer."""
    seen, policy = rebuild(map(fact, told)), shipped_policy().value
    stated = permits(seen, policy)
    of_class = tuple(permit for permit in stated if permit.contact_class == asked[0])
    (permit,) = [permit for permit in of_class if permit.channel == asked[1]]
    assert permit.allowed is allowed
    assert (permit.basis if allowed else permit.reason) == why
    assert permits_of(seen, policy, permit.contact_class) == of_class
