"""Random histories of a few people, some of whom turn out to be the same."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from hypothesis import strategies as st

from shared.events import feedback, ids, outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import ConsentStatement, Identifier
from tests.builders.facts import (
    NOON,
    answered,
    case,
    completed,
    ids_of,
    invited,
    opted_out,
    reported,
    says,
    settled,
    updated,
)

_EMAILS = ("anna@example.com", "ben@example.org", "chloe@example.net")
_NUMBERS = ("C-1", "C-2")
#: Few moments, so that facts often happen at the same one.
_MOMENTS = st.integers(0, 6).map(lambda step: NOON + timedelta(hours=8 * step))
_REPORTS: list[Callable[..., outcomes.MessageReport]] = [
    outcomes.MessageSent,
    outcomes.MessageBounced,
    outcomes.MessageUnsubscribed,
]
_OWNER = uuid5(ids.name_id("nobody"), "owner")


def _people() -> st.SearchStrategy[tuple[Identifier, ...]]:
    """One identifier mostly, sometimes two that link."""
    one = st.one_of(
        st.sampled_from(_EMAILS).map(ids_of),
        st.sampled_from(_NUMBERS).map(lambda number: ids_of(external_id=number)),
    )
    two = st.tuples(st.sampled_from(_EMAILS), st.sampled_from(_NUMBERS)).map(
        lambda pair: ids_of(pair[0], external_id=pair[1])
    )
    return st.one_of(one, one, one, two)


def _consents(at: datetime) -> st.SearchStrategy[tuple[ConsentStatement, ...]]:
    statement = st.builds(
        lambda granted, channel: says(granted=granted, channel=channel, at=at),
        st.booleans(),
        st.sampled_from(["email", "sms", "all"]),
    )
    return st.one_of(st.just(()), statement.map(lambda one: (one,)))


@st.composite
def _answer(draw: st.DrawFn) -> Event:
    at = draw(_MOMENTS)
    receipt = at + timedelta(hours=draw(st.integers(0, 2)))
    texts: dict[str, Any] = draw(
        st.dictionaries(
            st.sampled_from(["comment", "language"]),
            st.one_of(st.none(), st.text("ab", max_size=2)),
            max_size=2,
        )
    )
    return answered(
        draw(st.sampled_from(["r1", "r2", "r3"])),
        draw(st.one_of(st.none(), st.integers(0, 10))),
        email=draw(st.one_of(st.none(), st.sampled_from(_EMAILS))),
        at=at,
        received=receipt,
        revision=draw(st.one_of(st.none(), st.integers(0, 2))),
        complete=draw(st.booleans()),
        origin=draw(st.sampled_from(["platform", "receipt", "future"])),
        attributes=draw(
            st.dictionaries(
                st.sampled_from(["city", "zone"]), st.text("ab", max_size=2), max_size=1
            )
        ),
        consents=draw(_consents(at)),
        metric=draw(st.sampled_from(["nps", "nps", "csat", "stars"])),
        # By the receipt: the import of a message is a copy of it, received at another time.
        history=receipt > at,
        provenance=draw(st.sampled_from([None, "bought"])),
        **texts,
    )


@st.composite
def _update(draw: st.DrawFn) -> Event:
    at = draw(_MOMENTS)
    return updated(
        *draw(_people()),
        at=at,
        attributes=draw(
            st.dictionaries(st.sampled_from(["city", "orders"]), st.integers(0, 3), max_size=2)
        ),
        consents=draw(_consents(at)),
    )


@st.composite
def _report(draw: st.DrawFn) -> Event:
    model = draw(st.sampled_from(_REPORTS))
    delivery = draw(st.one_of(st.none(), st.sampled_from(["d1", "d2"])))
    emails = st.sampled_from(_EMAILS)
    email = draw(st.one_of(st.none(), emails) if delivery else emails)
    return reported(model, email, delivery=delivery, at=draw(_MOMENTS))


@st.composite
def _case(draw: st.DrawFn) -> Event:
    return case(
        draw(st.sampled_from(["opened", "resolved", "reopened"])),
        draw(st.sampled_from(["helpdesk/1", "helpdesk/2"])),
        email=draw(st.one_of(st.none(), st.sampled_from(_EMAILS))),
        at=draw(_MOMENTS),
        response=draw(
            st.one_of(
                st.none(),
                st.sampled_from(["r1", "r2"]).map(
                    lambda told: feedback.ResponseLink(
                        source="demo", survey="nps", response_id=told
                    )
                ),
            )
        ),
    )


@st.composite
def _completed(draw: st.DrawFn) -> Event:
    delivery = draw(st.one_of(st.none(), st.sampled_from(["d1", "d2"])))
    emails = st.sampled_from(_EMAILS)
    email = draw(st.one_of(st.none(), emails) if delivery else emails)
    what = draw(st.sampled_from(["review_left", "purchase"]))
    return completed(what, email, delivery=delivery, at=draw(_MOMENTS))


@st.composite
def _settled(draw: st.DrawFn) -> Event:
    return settled(
        _OWNER,
        draw(st.sampled_from(["d1", "d2"])),
        state=draw(st.sampled_from(["accepted", "in_doubt"])),
        at=draw(_MOMENTS),
    )


def events() -> st.SearchStrategy[Event]:
    """Any one event."""
    return st.one_of(
        _answer(),
        _answer(),
        _update(),
        _report(),
        _settled(),
        _case(),
        _completed(),
        st.builds(lambda email, at: invited(email, at=at), st.sampled_from(_EMAILS), _MOMENTS),
        st.builds(lambda email, at: opted_out(email, at=at), st.sampled_from(_EMAILS), _MOMENTS),
    )


def histories() -> st.SearchStrategy[list[Event]]:
    """A few events in any order."""
    return st.lists(events(), min_size=1, max_size=14)
