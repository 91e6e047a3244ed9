"""Consent: unknown is unknown, the newest word by the same identifier counts, else the stricter."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import orjson
import pytest

from services.segmenter.profile.consents import consent, deciding
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import dump, load
from shared.events import feedback, outcomes
from shared.events.envelope import Event
from shared.events.feedback import Provenance
from shared.events.vocabulary import Identifier, Purpose
from tests.builders.facts import (
    ANNA,
    NOON,
    answered,
    day,
    event,
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


def said(
    who: Sequence[Identifier],
    when: float,
    *,
    granted: bool,
    channel: str = "email",
    purpose: Purpose = "marketing",
) -> Event:
    statement = says(granted=granted, at=day(when), channel=channel, purpose=purpose)
    return updated(*who, at=day(when), consents=(statement,))


def everything() -> Event:
    return event(
        feedback.SurveyOptedOut(survey="nps", identifiers=MAIL, occurred_at=NOON, everything=True)
    )


def unsubscribed_from_everything() -> Event:
    return event(
        outcomes.MessageUnsubscribed(
            channel="sms", identifiers=MAIL, occurred_at=NOON, everything=True
        )
    )


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


@pytest.mark.parametrize(
    ("provenance", "source", "proof", "expected"),
    [
        pytest.param("bought", "seller", None, "unknown", id="no proof"),
        pytest.param("bought", "seller", " ", "unknown", id="a blank proof"),
        pytest.param("bought", "seller", "seller", "unknown", id="the seller proves nothing"),
        pytest.param("bought", "seller", "https://example.com/p/1", "granted", id="her own proof"),
        pytest.param(
            "bought", None, "https://example.com/p/1", "unknown", id="kept before sources"
        ),
        pytest.param("partner", "shop", None, "granted", id="a partner's needs none"),
        pytest.param(None, "crm", None, "granted", id="ours needs none"),
    ],
)
def test_a_bought_yes_counts_with_a_proof_of_its_own(
    provenance: Provenance | None, source: str | None, proof: str | None, expected: str
) -> None:
    """A statement for each person, kept somewhere to be shown: a name of the source is none."""
    yes = says(granted=True).model_copy(update={"proof": proof})
    told = updated(consents=(yes,), provenance=provenance)
    profile = rebuild([replace(fact(told), source=source)])
    assert consent(profile, "email", "marketing") == expected


def test_a_bought_no_is_obeyed_without_a_proof() -> None:
    """Whoever brings it: contacts may be fewer, never more."""
    profile = rebuild([fact(updated(consents=(says(granted=False),), provenance="bought"))])
    assert consent(profile, "email", "marketing") == "refused"


def test_where_an_answer_came_from_is_no_proof_of_its_own() -> None:
    """Ingest names the response as the proof of what was said in it."""
    yes = says(granted=True)
    named, proved = (
        answered("r1", 9, provenance="bought", consents=(yes.model_copy(update={"proof": proof}),))
        for proof in ("demo/nps/r1", "form 4711")
    )
    assert consent(rebuild([fact(named)]), "email", "marketing") == "unknown"
    assert consent(rebuild([fact(proved)]), "email", "marketing") == "granted"


@pytest.mark.parametrize(
    ("told", "service"),
    [
        pytest.param([opted_out()], "unknown", id="surveys and marketing"),
        pytest.param([everything()], "refused", id="everything"),
        pytest.param([unsubscribed_from_everything()], "refused", id="everything, elsewhere"),
        pytest.param([everything(), opted_out(at=day(1))], "refused", id="a lesser one later"),
        pytest.param(
            [everything(), said(MAIL, 1, granted=True, purpose="service")],
            "granted",
            id="a newer yes to service",
        ),
        pytest.param(
            [everything(), said(MAIL, 1, granted=True)], "refused", id="a newer yes to offers alone"
        ),
    ],
)
def test_everything_stops_service_too(told: list[Event], service: str) -> None:
    """On all channels, from any tool, until she says otherwise."""
    for order in (told, told[::-1]):
        profile = rebuild(map(fact, order))
        assert consent(profile, "email", "service") == service
        assert consent(profile, "sms", "marketing") == "refused"
        assert consent(profile, "sms", "survey") == "refused"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param([], None, id="nothing said"),
        pytest.param(
            [said(MAIL, 1, granted=True), said(MAIL, 2, granted=True)], (True, 2), id="the newest"
        ),
        pytest.param(
            [said(NUMBER, 1, granted=False), said(MAIL, 2, granted=True)],
            (False, 1),
            id="the refusal that still stands",
        ),
        pytest.param(
            [said(MAIL, 1, granted=False), said(MAIL, 2, granted=True)],
            (True, 2),
            id="not one that was replaced",
        ),
    ],
)
def test_the_statement_that_decides(told: list[Event], expected: tuple[bool, float] | None) -> None:
    """It is shown with its source, time, text and proof."""
    found = deciding(rebuild(map(fact, told)), "email", "marketing")
    assert (found and (found.granted, found.said_at)) == (
        expected and (expected[0], day(expected[1]))
    )


def test_a_statement_keeps_source_text_and_proof() -> None:
    """What an audit asks for is with the consent, also after it was stored."""
    yes = says(granted=True).model_copy(update={"text_version": "v3", "proof": "form 4711"})
    profile = rebuild([fact(answered("r1", 9, consents=(yes,)))])
    found = deciding(load(dump(profile)), "email", "marketing")
    assert found is not None
    assert (found.source, found.text_version, found.proof) == ("demo", "v3", "form 4711")


def test_a_profile_stored_before_sources_were_kept_still_loads() -> None:
    """Its statements and attributes have no source, and count as before."""
    yes = says(granted=True)
    profile = rebuild([fact(updated(attributes={"city": "Lyon"}, consents=(yes,)))])
    stored = orjson.loads(dump(profile))
    for part in ("consents", "attributes"):
        for kept in stored[part].values():
            for name in ("source", "text_version", "proof"):
                kept.pop(name, None)
    old = load(orjson.dumps(stored))
    assert old.attributes["city"].source is None
    assert old.attribute("city") == "Lyon"
    assert consent(old, "email", "marketing") == "granted"


def test_an_opt_out_stops_every_channel_but_not_service() -> None:
    """Marketing and surveys end on all channels; nothing is said about service messages."""
    profile = rebuild([fact(opted_out())])
    assert consent(profile, "sms", "marketing") == "refused"
    assert consent(profile, "post", "survey") == "refused"
    assert consent(profile, "email", "service") == "unknown"
