"""An address is closed by a bounce until something newer says that it works."""

from collections.abc import Sequence
from datetime import datetime
from itertools import permutations

import pytest

from services.segmenter.profile.bounces import any_channel_closed, channel_closed_since, closings
from services.segmenter.profile.profile import rebuild
from shared.events.envelope import Event
from shared.events.outcomes import (
    MessageBounced,
    MessageDelivered,
    MessageOpened,
    MessageSent,
    MessageUnsubscribed,
)
from shared.events.vocabulary import Channel
from tests.builders.facts import ANNA, answered, day, fact, ids_of, reported, updated

NEW = "anna.new@example.com"
KNOWN = updated(*ids_of(ANNA, external_id="C-1"), at=day(-1))


def moved(at: float) -> Event:
    """Her CRM tells another address of hers."""
    return updated(*ids_of(NEW, external_id="C-1"), at=day(at))


def bounce(at: float, email: str | None = ANNA, channel: Channel = "email") -> Event:
    """A bounce; without an address it names a delivery of ours."""
    delivery = None if email else f"b{at}"
    return reported(MessageBounced, email, delivery=delivery, at=day(at), channel=channel)


def arrived(at: float, email: str | None = ANNA, channel: Channel = "email") -> Event:
    """A message arrived; without an address it names a delivery of ours."""
    delivery = None if email else f"a{at}"
    return reported(MessageDelivered, email, delivery=delivery, at=day(at), channel=channel)


@pytest.mark.parametrize(
    ("events", "since"),
    [
        pytest.param([KNOWN], None, id="no bounce"),
        pytest.param([KNOWN, bounce(1)], day(1), id="a bounce"),
        pytest.param([KNOWN, bounce(1), arrived(2)], None, id="something arrived since"),
        pytest.param(
            [KNOWN, bounce(1), reported(MessageOpened, at=day(2))], None, id="opened since"
        ),
        pytest.param([KNOWN, arrived(1), bounce(2)], day(2), id="it arrived before"),
        pytest.param([KNOWN, bounce(1), arrived(1)], day(1), id="in one moment the bounce counts"),
        pytest.param([KNOWN, bounce(1), arrived(2), bounce(3)], day(3), id="bounced again"),
        pytest.param(
            [KNOWN, bounce(1), bounce(3), arrived(2)], day(3), id="an arrival between two bounces"
        ),
        pytest.param(
            [KNOWN, bounce(1), reported(MessageSent, at=day(2))], day(1), id="sent is not arrived"
        ),
        pytest.param(
            [KNOWN, bounce(1), reported(MessageUnsubscribed, at=day(2))],
            day(1),
            id="nor is a refusal, which closes it anyway",
        ),
        pytest.param(
            [KNOWN, bounce(1), updated(*ids_of(ANNA), at=day(2))],
            day(1),
            id="a CRM that repeats the address knows nothing of it",
        ),
        pytest.param([KNOWN, bounce(1), moved(2)], None, id="a new address"),
        pytest.param([KNOWN, moved(0), bounce(1)], None, id="another address"),
        pytest.param([KNOWN, bounce(1), moved(2), bounce(3, NEW)], day(3), id="both bounced"),
        pytest.param(
            [KNOWN, bounce(1), moved(2), bounce(3, NEW), arrived(4)], None, id="the old one works"
        ),
        pytest.param([KNOWN, bounce(1, None)], day(1), id="a bounce of our own delivery"),
        pytest.param([KNOWN, bounce(1, None), arrived(2)], None, id="arrived at the address"),
        pytest.param([KNOWN, bounce(1, None), arrived(2, None)], None, id="ours arrived"),
        pytest.param([KNOWN, bounce(1), arrived(2, None)], None, id="there is but one address"),
        pytest.param([KNOWN, bounce(1, None), moved(2)], None, id="not known when it bounced"),
        pytest.param(
            [KNOWN, moved(0), bounce(1), bounce(1, NEW), arrived(2, None)],
            day(1),
            id="of two closed ones nobody can tell which works",
        ),
        pytest.param(
            [KNOWN, bounce(1), arrived(2, channel="sms")], day(1), id="another channel's arrival"
        ),
        pytest.param([bounce(1, None)], day(1), id="nothing is known of her address"),
        pytest.param([bounce(1, None), arrived(2, None)], None, id="and it works again"),
    ],
)
def test_the_newest_report_about_an_address_counts(
    events: Sequence[Event], since: datetime | None
) -> None:
    """Whatever came first, and told twice."""
    facts = [fact(event) for event in events]
    for order in permutations(facts):
        profile = rebuild([*order, *facts])
        assert channel_closed_since(profile, "email") == since
        assert any_channel_closed(profile) is (since is not None)


def test_a_telephone_number_is_closed_for_the_channel_that_it_bounced_on() -> None:
    """No SMS reaches a landline, and a call does."""
    her = ids_of(ANNA, phone="+33612345678")
    failed = MessageBounced(identifiers=her, channel="sms", occurred_at=day(1))
    profile = rebuild([fact(answered("r", 3, people=her)), fact(reported(lambda **_: failed))])
    assert closings(profile) == {("sms", "phone:+33612345678"), ("sms", "")}
    assert channel_closed_since(profile, "call") is None


def test_what_no_gate_reads_closes_nothing() -> None:
    """A second bounce of a closed address, or an arrival at one that is open, changes nothing."""
    once = rebuild([fact(KNOWN), fact(bounce(1))])
    twice = rebuild([fact(KNOWN), fact(bounce(1)), fact(bounce(2))])
    fine = rebuild([fact(KNOWN), fact(arrived(1))])
    assert closings(once) == closings(twice) != frozenset()
    assert closings(fine) == closings(rebuild([fact(KNOWN)])) == frozenset()
