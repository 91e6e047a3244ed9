"""The wire: golden JSON of every event, read and written without loss, open to newer writers.

A golden file in `events/` changes only by addition within a major version of its type. A new type
needs an example below; `NPS_WRITE_GOLDEN=1` writes files that do not exist yet.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.errors import Unprocessable
from shared.events import decisions, feedback, outcomes
from shared.events.envelope import Event, EventData, UnknownEvent, decode, encode
from shared.events.vocabulary import ConsentStatement, Identifier, Ready

GOLDEN = Path(__file__).resolve().parent / "events"

AT = datetime(2026, 11, 21, 10, 0, 0, 123456, UTC)
LATER = datetime(2026, 11, 22, 8, tzinfo=UTC)
CUSTOMER = UUID("11111111-1111-5111-8111-111111111111")
OTHER = UUID("22222222-2222-5222-8222-222222222222")
CAUSE = UUID("33333333-3333-5333-8333-333333333333")
DECISION = UUID("44444444-4444-5444-8444-444444444444")
DELIVERY = UUID("55555555-5555-5555-8555-555555555555")
EVENT = UUID("66666666-6666-5666-8666-666666666666")
EMAIL = Identifier(kind="email", value="camille@example.com")
NUMBER = Identifier(kind="external_id", value="C-17")
RESPONSE = Identifier(kind="response", value="shop/relational/R-1")
CONSENT = ConsentStatement(
    channel="email",
    purpose="marketing",
    granted=True,
    said_at=AT,
    text_version="2026-01",
    proof="shop/relational/R-1",
)

_REPORT: dict[str, Any] = {
    "identifiers": (EMAIL,),
    "delivery_id": DELIVERY,
    "channel": "email",
    "contact_class": "service",
    "target": "acs",
    "occurred_at": AT,
}
_ASKED: dict[str, Any] = {
    "survey": "relational",
    "identifiers": (NUMBER, EMAIL),
    "occurred_at": AT,
    "channel": "email",
}

_STEP: dict[str, Any] = {
    "case_id": "helpdesk/4711",
    "identifiers": (EMAIL,),
    "occurred_at": AT,
    "response": feedback.ResponseLink(source="shop", survey="relational", response_id="R-1"),
}

#: One example of each type, with every field set.
EXAMPLES: tuple[EventData, ...] = (
    feedback.ResponseReceived(
        source="shop",
        survey="relational",
        response_id="R-1",
        revision=1795255200123,
        metric="nps",
        given=feedback.Given(value=1, least=1, most=11, band="unhappy"),
        answered_at=AT,
        answered_at_origin="platform",
        received_at=LATER,
        complete=True,
        identifiers=(EMAIL, NUMBER, RESPONSE),
        answers={
            "score": 0,
            "comment": "Trop cher, « déjà » dit",
            "liked_least": None,
            "reasons": ["price", "delay"],
            "callback_requested": True,
            "wait_minutes": 12.5,
        },
        attributes={"first_name": "Camille", "plan": None, "orders": 3},
        consents=(CONSENT,),
        history=True,
        provenance="own",
    ),
    feedback.InvitationSent(**_ASKED),
    feedback.SurveyShown(**_ASKED),
    feedback.SurveyDeclined(**_ASKED),
    feedback.SurveyOptedOut(**_ASKED),
    feedback.CaseOpened(**_STEP),
    feedback.CaseResolved(**_STEP),
    feedback.CaseReopened(**_STEP),
    feedback.CustomerUpdated(
        identifiers=(NUMBER, EMAIL),
        occurred_at=AT,
        attributes={"plan": "premium", "title": None},
        consents=(CONSENT,),
        provenance="partner",
    ),
    feedback.MergeRequested(customer_id=CUSTOMER, other_id=OTHER, asked_by="operator", asked_at=AT),
    feedback.UnmergeRequested(customer_id=OTHER, asked_by="operator", asked_at=AT),
    feedback.ErasureRequested(
        erasure_id=EVENT,
        customer_ids=(CUSTOMER, OTHER),
        people=("9f86d081884c7d65",),
        erased_before=AT,
        asked_by="operator",
    ),
    outcomes.ErasureConfirmed(erasure_id=EVENT, part="dispatcher", at=AT),
    feedback.TimerDue(kind="hold_end", customer_id=CUSTOMER, subject="5d0c", arm=2, due_at=AT),
    decisions.CustomerDecided(
        decision_id=DECISION,
        customer_id=CUSTOMER,
        version=7,
        decided_at=LATER,
        cause=decisions.Cause(
            id=CAUSE,
            kind="response",
            triggers=("received", "settled"),
            deadline_from=AT,
            source="shop",
            survey="relational",
            what="review_left",
            late=False,
        ),
        identifiers=(EMAIL, NUMBER, RESPONSE),
        group="household-3",
        zone="Europe/Paris",
        snapshot=decisions.Snapshot(
            score=3,
            segment="detractor",
            previous_segment="promoter",
            response_count=2,
            first_answered_at=AT,
            last_answered_at=AT,
            comment="Trop cher",
            theme="price",
            language="fr",
            tone="vous",
            title="Mme",
            first_name="Camille",
            last_name="Durand",
            recovered_from=2,
            callback_requested=True,
            panel_opt_in=True,
            next_survey_at=LATER,
            attributes={"plan": "premium", "orders": 3},
        ),
        move=decisions.Move(kind="down", before="promoter", after="detractor"),
        case=decisions.DecidedCase(
            case_id="nps/4711",
            opened_at=AT,
            due_at=LATER,
            reason="the answer is a detractor's",
            reference="T-4711",
        ),
        permits=(
            decisions.Permit(
                contact_class="marketing",
                channel="email",
                allowed=True,
                basis="consent",
                reason="said yes",
            ),
        ),
        budgets=(
            decisions.Budget(
                name="e-mail per 16 h",
                scope="person",
                classes=("marketing",),
                channels=("email",),
                limit=1,
                window=decisions.RollingWindow(hours=16),
                foreign=(AT,),
            ),
            decisions.Budget(
                name="household per day",
                scope="group",
                classes=("marketing", "survey"),
                channels=None,
                limit=2,
                window=decisions.CalendarWindow(unit="day", zone="Europe/Paris"),
            ),
        ),
        holds=(
            decisions.Hold(
                rule="open case", classes=("marketing",), reason="a case is open", until=LATER
            ),
        ),
        trace=(
            decisions.TraceLine(
                rule="survey clock", outcome="wait", reason="asked 3 days ago", until=LATER
            ),
        ),
        policy="0123456789abcdef",
    ),
    decisions.CustomerMerged(customer_id=CUSTOMER, merged_id=OTHER, merged_at=AT),
    decisions.CustomerUnmerged(
        customer_id=OTHER, survivor_id=CUSTOMER, unmerged_at=LATER, causes=(CAUSE,)
    ),
    decisions.CustomerErased(
        erasure_id=EVENT,
        customer_id=CUSTOMER,
        customer_ids=(CUSTOMER, OTHER),
        people=("9f86d081884c7d65",),
        erased_before=AT,
        erased_at=LATER,
    ),
    decisions.OwnerWeekCounted(
        digest="stores",
        attribute="store",
        owner="Lyon",
        zone="Europe/Paris",
        start=AT,
        end=LATER,
        due_at=LATER,
        as_of=LATER,
        detractors=12,
        passives=8,
        promoters=20,
        nps=20.0,
        low=-7.1,
        high=43.6,
        too_few=False,
        answers_before=38,
        nps_before=-10.5,
        changed=True,
        themes=(decisions.WeekTheme(theme="price", answers=9, detractors=7),),
        cases_opened=5,
        cases_resolved=3,
        cases_open=4,
        commented=14,
        comments=(decisions.WeekComment(customer_id=CUSTOMER, score=2, theme="price"),),
    ),
    decisions.FigureChanged(
        alert="stores",
        survey="nps",
        by="attribute:store",
        value="Lyon",
        zone="Europe/Paris",
        state="open",
        reason="changed",
        direction="down",
        since=LATER,
        before=decisions.FigureScore(
            start=AT, end=LATER, detractors=4, passives=10, promoters=26, nps=55.0
        ),
        after=decisions.FigureScore(
            start=AT, end=LATER, detractors=20, passives=10, promoters=10, nps=-25.0
        ),
        points=-80.0,
        low=-107.6,
        high=-40.3,
    ),
    decisions.SegmenterProgressed(topic="nps.feedback", partition=3, partitions=12, upto=AT),
    outcomes.DeliverySettled(
        delivery_id=DELIVERY,
        change=4,
        customer_id=CUSTOMER,
        cause_id=CAUSE,
        play="reassure",
        action="reassurance",
        channel="email",
        contact_class="service",
        target="acs",
        state="accepted",
        message="delivered",
        reason="taken by the platform",
        at=AT,
        reference="T-4711",
        case_id="nps/4711",
    ),
    outcomes.MessageSent(**_REPORT),
    outcomes.MessageDelivered(**_REPORT),
    outcomes.MessageBounced(**_REPORT),
    outcomes.MessageOpened(**_REPORT),
    outcomes.MessageUnsubscribed(**_REPORT, proof="blackListEmail"),
    outcomes.ActionCompleted(
        what="review_left",
        identifiers=(EMAIL,),
        delivery_id=DELIVERY,
        play="ask_for_a_review",
        action="review_invite",
        target="acs",
        occurred_at=AT,
    ),
)

each_example = pytest.mark.parametrize(
    "data", [pytest.param(data, id=data.TYPE) for data in EXAMPLES]
)


def event(data: EventData) -> Event:
    """Wrap an example."""
    return Event(id=EVENT, source="example", time=AT, data=data)


def wire(data: EventData) -> dict[str, Any]:
    """Give the JSON of an example as a map that may be changed."""
    found: dict[str, Any] = orjson.loads(encode(event(data)))
    return found


@each_example
def test_each_event_is_written_as_its_golden_file(data: EventData) -> None:
    """What other releases and other programs read does not change by accident."""
    path = GOLDEN / f"{data.TYPE}.json"
    if not path.exists() and os.environ.get("NPS_WRITE_GOLDEN"):
        path.write_bytes(orjson.dumps(wire(data), option=orjson.OPT_INDENT_2) + b"\n")
    assert wire(data) == orjson.loads(path.read_bytes())


@each_example
def test_each_golden_file_is_read_as_the_event(data: EventData) -> None:
    """Nothing is lost on the way through bytes, and writing again gives the same bytes."""
    read = decode((GOLDEN / f"{data.TYPE}.json").read_bytes())
    assert read == event(data)
    assert encode(read) == encode(event(data))


def test_a_tuple_made_ready_is_the_same_decision_and_the_same_bytes() -> None:
    """What most decisions hold is written once; nobody who reads or compares sees a difference."""
    plain = next(data for data in EXAMPLES if isinstance(data, decisions.CustomerDecided))
    permits, budgets = Ready(plain.permits), Ready(plain.budgets)
    fields = {**plain.__dict__, "permits": permits, "budgets": budgets}
    ready = decisions.CustomerDecided(**fields)
    assert ready.permits is permits
    for _ in range(2):  # before its JSON is kept, and after
        assert encode(event(ready)) == encode(event(plain))
        assert permits.json is not None
        assert budgets.json is not None
        assert ready == plain
        assert ready.model_dump() == plain.model_dump()
        assert ready.model_dump_json() == plain.model_dump_json()
        assert ready.model_copy() == plain
        assert (permits, hash(permits)) == (plain.permits, hash(plain.permits))
    assert type(decode(encode(event(ready))).data.permits) is tuple  # type: ignore[union-attr]


def test_what_is_read_of_a_tuple_that_may_be_ready_is_validated() -> None:
    """Only a tuple that we made ready ourselves is taken as it is."""
    plain = next(data for data in EXAMPLES if isinstance(data, decisions.CustomerDecided))
    with pytest.raises(ValidationError):
        decisions.CustomerDecided.model_validate({**plain.__dict__, "permits": ({"channel": 1},)})


def test_every_type_has_an_example_and_every_file_a_type() -> None:
    """A new event cannot forget its golden file; a removed one leaves none behind."""
    types = {
        member.TYPE for union in get_args(EventData) for member in (get_args(union) or (union,))
    }
    assert {data.TYPE for data in EXAMPLES} == types
    assert {path.stem for path in GOLDEN.glob("*.json")} == types


@each_example
def test_fields_of_a_newer_writer_are_ignored(data: EventData) -> None:
    """A higher minor version with more fields, at every depth, reads as what we know of it."""
    newer = _with_more(wire(data))
    major = data.VERSION.split(".")[0]
    newer["dataversion"] = f"{major}.99"
    assert decode(orjson.dumps(newer)) == event(data)


def _with_more(value: Any) -> Any:
    """Add an unknown field to every map but the free ones (answers, attributes)."""
    if isinstance(value, list):
        return [_with_more(item) for item in value]
    if not isinstance(value, dict):
        return value
    free = ("answers", "attributes")
    grown = {key: item if key in free else _with_more(item) for key, item in value.items()}
    return {**grown, "added_later": {"x": 1}}


@pytest.mark.parametrize(
    ("file", "current"),
    [
        pytest.param(path, data, id=path.stem)
        for path in sorted((GOLDEN / "older").glob("*.json"))
        for data in EXAMPLES
        if path.stem.startswith(f"{data.TYPE}-")
    ],
)
def test_what_an_older_writer_left_is_read(file: Path, current: EventData) -> None:
    """A record of an earlier minor version has its defaults for what was added since."""
    older, now = orjson.loads(file.read_bytes()), wire(current)
    assert older["dataversion"] != now["dataversion"]
    assert _covers(wire(decode(file.read_bytes()).data)["data"], older["data"])
    assert _covers(now["data"], older["data"])


def _covers(newer: Any, older: Any) -> bool:
    """Tell whether everything of an older value is unchanged within a newer one."""
    if isinstance(older, dict):
        return all(name in newer and _covers(newer[name], older[name]) for name in older)
    if isinstance(older, list):
        return len(newer) == len(older) and all(map(_covers, newer, older))
    return bool(newer == older)


def test_a_trigger_of_a_newer_writer_is_ignored() -> None:
    """What only a later release reacts to stops nobody from reading the rest."""
    plain = next(data for data in EXAMPLES if isinstance(data, decisions.CustomerDecided))
    newer = wire(plain)
    newer["data"]["cause"]["triggers"] = ["received", "dreamt", "settled"]
    assert decode(orjson.dumps(newer)) == event(plain)
    newer["data"]["cause"]["triggers"] = ["received", {"dreamt": 1}]
    with pytest.raises(Unprocessable):
        decode(orjson.dumps(newer))


@each_example
def test_a_newer_major_version_is_unknown(data: EventData) -> None:
    """It stops its partition for a grace time instead of being misread."""
    newer = {**wire(data), "dataversion": "2.0"}
    with pytest.raises(UnknownEvent):
        decode(orjson.dumps(newer))


@pytest.mark.parametrize("type_", ["survey.dreamt.of", "", 7, ["customer.updated"]])
def test_an_unknown_type_is_unknown(type_: object) -> None:
    """A release that is rolling out may write what this one cannot read."""
    with pytest.raises(UnknownEvent):
        decode(orjson.dumps({**wire(EXAMPLES[0]), "type": type_}))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="not utf-8"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="no attributes"),
        pytest.param(orjson.dumps({**wire(EXAMPLES[1]), "id": "x"}), id="id is no uuid"),
        pytest.param(orjson.dumps({**wire(EXAMPLES[1]), "time": "soon"}), id="time is none"),
        pytest.param(orjson.dumps({**wire(EXAMPLES[1]), "data": {}}), id="data lacks fields"),
        pytest.param(orjson.dumps({**wire(EXAMPLES[1]), "data": None}), id="no data"),
        pytest.param(
            orjson.dumps({**wire(EXAMPLES[1]), "time": "2026-11-21T10:00:00"}), id="zone-less time"
        ),
    ],
)
def test_what_can_never_be_read_is_unprocessable(raw: bytes) -> None:
    """It is dead-lettered at once; the reason holds nothing of the data."""
    with pytest.raises(Unprocessable) as caught:
        decode(raw)
    assert not isinstance(caught.value, UnknownEvent)
    assert "camille" not in str(caught.value)


@given(raw=st.binary(max_size=300))
def test_no_bytes_make_decode_raise_anything_else(raw: bytes) -> None:
    """A consumer is never brought down by a record."""
    with pytest.raises(Unprocessable):
        decode(raw)


class DriversId(UUID):
    """An id as a database driver gives it."""


def test_an_id_from_the_database_is_written_as_any_other() -> None:
    """A driver's own class of UUID is one, in the envelope and within the data."""
    due = feedback.TimerDue(kind="hold_end", customer_id=CUSTOMER, arm=2, due_at=AT)
    told = due.model_copy(update={"customer_id": DriversId(str(CUSTOMER))})
    odd = Event(id=DriversId(str(EVENT)), source="example", time=AT, data=told)
    assert encode(odd) == encode(event(due))


def test_not_said_and_cleared_stay_apart_on_the_wire() -> None:
    """An absent answer is absent, a cleared one is null."""
    answers = wire(EXAMPLES[0])["data"]["answers"]
    assert answers["liked_least"] is None
    assert "improve" not in answers


def test_a_report_about_nobody_is_refused() -> None:
    """A message is about a delivery of ours or about someone."""
    nobody = {**_REPORT, "identifiers": (), "delivery_id": None}
    with pytest.raises(ValueError, match="identifiers or a delivery_id"):
        outcomes.MessageSent(**nobody)
    with pytest.raises(ValueError, match="identifiers or a delivery_id"):
        outcomes.ActionCompleted(what="referral", occurred_at=AT)


class _DriverUuid(UUID):
    """What asyncpg returns for a uuid: a class of its own below `UUID`."""


def test_an_id_read_from_the_database_is_written_like_any_other() -> None:
    """A decision stored and published again is the same bytes as at first."""
    decided = next(one for one in EXAMPLES if isinstance(one, decisions.CustomerDecided))
    again = decided.model_copy(update={"customer_id": _DriverUuid(str(decided.customer_id))})
    first = Event(EVENT, "segmenter", AT, decided)
    second = Event(_DriverUuid(str(EVENT)), "segmenter", AT, again)
    assert encode(second) == encode(first)
