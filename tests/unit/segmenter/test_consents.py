"""Consent: unknown is unknown, the newest word by the same identifier counts, else the stricter."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from services.segmenter.consents import consent
from services.segmenter.profile import rebuild
from shared.events import outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import Identifier
from tests.builders.facts import (
    ANNA,
    answered,
    day,
    fact,
    ids_of,
    opted_out,
    reported,
    says,
    updated,
)

MAIL = ids_of(ANNA)
NUMBER = ids_of(external_id="C-1")
BOTH = ids_of(ANNA, external_id="C-1")


def said(who: Sequence[Identifier], when: float, *, granted: bool, channel: str = "email") -> Event:
    statement = says(granted=granted, at=day(when), channel=channel)
    return updated(*who, at=day(when), consents=(statement,))


def told_by_delivery(when: datetime) -> Event:
    return reported(outcomes.MessageUnsubscribed, None, delivery="d1", at=when)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([], "unknown", id="never said"),
        pytest.param([said(MAIL, 1, granted=True)], "granted", id="said yes"),
        pytest.param(
            [said(MAIL, 2, granted=True), said(MAIL, 1, granted=False)],
            "granted",
            id="a newer yes replaces an older no by the same address",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True), said(MAIL, 2, granted=False)],
            "refused",
            id="a newer no replaces an older yes",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True), said(MAIL, 1, granted=False)],
            "refused",
            id="at one moment the stricter counts",
        ),
        pytest.param(
            [said(NUMBER, 1, granted=False), said(MAIL, 2, granted=True)],
            "refused",
            id="identifiers that share nothing: a newer yes widens nothing",
        ),
        pytest.param(
            [said(NUMBER, 1, granted=False), said(BOTH, 2, granted=True)],
            "granted",
            id="a newer yes that names both replaces the no",
        ),
        pytest.param(
            [
                said(NUMBER, 1, granted=False),
                said(BOTH, 2, granted=True),
                said(MAIL, 3, granted=True),
            ],
            "granted",
            id="what was replaced stays replaced",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True, channel="all")],
            "granted",
            id="a word about all channels is one about each",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True), said(MAIL, 2, granted=False, channel="all")],
            "refused",
            id="a newer no to all channels",
        ),
        pytest.param(
            [said(MAIL, 1, granted=False, channel="all"), said(MAIL, 2, granted=True)],
            "granted",
            id="a newer yes to one channel",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True, channel="sms")],
            "unknown",
            id="another channel says nothing",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True), opted_out(at=day(2))],
            "refused",
            id="an opt-out from surveys stops marketing",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True), reported(outcomes.MessageUnsubscribed, at=day(2))],
            "refused",
            id="an unsubscribe in another tool stops marketing",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True), told_by_delivery(day(2))],
            "refused",
            id="an unsubscribe that names our delivery only",
        ),
        pytest.param(
            [said(MAIL, 1, granted=True), told_by_delivery(day(2)), said(MAIL, 3, granted=True)],
            "granted",
            id="taken back by the one address known then",
        ),
        pytest.param(
            [said(BOTH, 1, granted=True), told_by_delivery(day(2)), said(MAIL, 3, granted=True)],
            "refused",
            id="not taken back by one of two",
        ),
        pytest.param(
            [said(BOTH, 1, granted=True), told_by_delivery(day(2)), said(BOTH, 3, granted=True)],
            "granted",
            id="taken back by both",
        ),
        pytest.param(
            [told_by_delivery(day(2)), said(MAIL, 3, granted=True)],
            "refused",
            id="not taken back by an address that came later",
        ),
        pytest.param(
            [
                answered("r1", 9, consents=(says(granted=True),)),
                answered("r1", revision=2, at=day(1), consents=(says(granted=False, at=day(1)),)),
            ],
            "refused",
            id="a revision of the answer takes it back",
        ),
    ],
)
def test_what_statements_add_up_to(told: list[Event], expected: str) -> None:
    """The marketing consent on e-mail, whatever the order of telling."""
    for order in (told, told[::-1]):
        assert consent(rebuild(map(fact, order)), "email", "marketing") == expected


def test_an_opt_out_stops_every_channel_but_not_service() -> None:
    """Marketing and surveys end on all channels; nothing is said about service messages."""
    profile = rebuild([fact(opted_out())])
    assert consent(profile, "sms", "marketing") == "refused"
    assert consent(profile, "post", "survey") == "refused"
    assert consent(profile, "email", "service") == "unknown"
