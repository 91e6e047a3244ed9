"""What may be told to a segmenter: a state machine's rules for each kind of event.

Each draws what happened and when, by a clock that may be ten minutes off, and hands it to `tell`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from shared.events import feedback, ids, outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import ConsentStatement, Identifier, Value
from tests.builders import facts as say
from tests.builders.facts import NOON, answered, event, ids_of

EMAILS = ("anna@example.com", "ben@example.org", "chloe@example.net")
NUMBERS = ("C-1", "C-2")
PHONES = ("+33612345678",)
MINUTE = timedelta(minutes=1)
NOBODY = UUID(int=10**9)

#: How long ago something happened, by the clock of whoever tells it.
_AGO = st.sampled_from(
    [timedelta(), -10 * MINUTE, 10 * MINUTE, 3 * MINUTE, timedelta(hours=2), timedelta(days=1),
     timedelta(days=20), timedelta(days=400)]
)  # fmt: skip
#: Steps of time: within a window, over it, over each of the holds and the years.
STEPS = st.sampled_from(
    [MINUTE, 4 * MINUTE, 6 * MINUTE, timedelta(hours=1), timedelta(days=1), timedelta(days=4),
     timedelta(days=15), timedelta(days=31), timedelta(days=91), timedelta(days=366)]
)  # fmt: skip
_ONE: st.SearchStrategy[tuple[Identifier, ...]] = st.one_of(
    st.sampled_from(EMAILS).map(ids_of),
    st.sampled_from(NUMBERS).map(lambda number: ids_of(external_id=number)),
    st.sampled_from(PHONES).map(lambda phone: ids_of(phone=phone)),
)
_TWO = st.tuples(_ONE, _ONE).map(lambda pair: tuple(dict.fromkeys((*pair[0], *pair[1]))))
_PERSON = st.one_of(_ONE, _ONE, _ONE, _TWO)
_RESPONSES = ("r1", "r2", "r3")
_CASES = ("helpdesk/1", "helpdesk/2")
_DELIVERIES = ("d1", "d2", "d3")
_REPORTS: tuple[Callable[..., outcomes.MessageReport], ...] = (
    outcomes.MessageSent,
    outcomes.MessageDelivered,
    outcomes.MessageBounced,
    outcomes.MessageOpened,
    outcomes.MessageUnsubscribed,
)
_SAYS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(["email", "sms", "all"]),
        st.sampled_from(["marketing", "survey", "service"]),
        _AGO,
    ),
    max_size=2,
)
_SURVEYS = st.sampled_from(["nps", "nps", "after-delivery"])


class Telling(RuleBasedStateMachine):
    """Draws events; a subclass takes them in."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOON

    def tell(self, told: Event) -> None:
        """Take an event in; overridden by whoever has a segmenter."""

    def customers(self) -> list[UUID]:
        """List the customers that are known by now."""
        return []

    def consents(self, drawn: Any) -> tuple[ConsentStatement, ...]:
        return tuple(
            say.says(granted=granted, channel=channel, purpose=purpose, at=self.now - ago)
            for granted, channel, purpose, ago in drawn
        )

    @rule(
        name=st.sampled_from(_RESPONSES),
        score=st.one_of(st.none(), st.integers(0, 10)),
        person=st.one_of(st.none(), _ONE, _TWO),
        ago=_AGO,
        later=st.sampled_from([timedelta(), 2 * MINUTE, timedelta(hours=3)]),
        revision=st.one_of(st.none(), st.integers(0, 3)),
        complete=st.booleans(),
        origin=st.sampled_from(["platform", "platform", "receipt", "future"]),
        metric=st.sampled_from(["nps", "nps", "nps", "csat"]),
        history=st.sampled_from([False, False, False, True]),
        consents=_SAYS,
        provenance=st.sampled_from([None, None, "bought"]),
        survey=_SURVEYS,
        says=st.fixed_dictionaries(
            {},
            optional={
                "comment": st.sampled_from([None, "Trop cher", True, "Mon avocat"]),
                "callback_requested": st.sampled_from([None, True, True, False]),
            },
        ),
        cleared=st.sampled_from([(), (), (), ("score",)]),
    )
    def response(
        self,
        name: str,
        score: int | None,
        person: tuple[Identifier, ...] | None,
        ago: timedelta,
        later: timedelta,
        revision: int | None,
        complete: bool,
        origin: feedback.TimeOrigin,
        metric: feedback.Metric,
        history: bool,
        consents: Any,
        provenance: feedback.Provenance | None,
        survey: str,
        says: dict[str, Any],
        cleared: tuple[str, ...],
    ) -> None:
        """A message about an answer: a part, all of it, a revision; late, or of long ago."""
        at = self.now - ago
        self.tell(
            answered(
                name,
                score,
                people=person or (),
                at=at,
                received=max(at, self.now) - later,
                revision=revision,
                complete=complete,
                origin=origin,
                survey=survey,
                consents=self.consents(consents),
                cleared=cleared,
                metric=metric,
                history=history,
                provenance=provenance,
                **says,
            )
        )

    @rule(
        model=st.sampled_from(
            [
                feedback.InvitationSent,
                feedback.SurveyShown,
                feedback.SurveyDeclined,
                feedback.SurveyOptedOut,
            ]
        ),
        person=_PERSON,
        ago=_AGO,
        survey=_SURVEYS,
    )
    def asking(
        self, model: Any, person: tuple[Identifier, ...], ago: timedelta, survey: str
    ) -> None:
        """An invitation, a survey shown, declined, an opt-out."""
        self.tell(event(model(survey=survey, identifiers=person, occurred_at=self.now - ago)))

    @rule(
        person=_PERSON,
        ago=_AGO,
        said=st.dictionaries(
            st.sampled_from(["city", "group", "zone", "lifecycle", "customer_since"]),
            st.sampled_from([None, "a", "Asia/Tokyo", "churned", "2026-02-28"]),
            max_size=2,
        ),
        hold=st.one_of(st.none(), st.none(), STEPS),
        consents=_SAYS,
        provenance=st.sampled_from([None, None, "bought"]),
    )
    def update(
        self,
        person: tuple[Identifier, ...],
        ago: timedelta,
        said: dict[str, Value],
        hold: timedelta | None,
        consents: Any,
        provenance: feedback.Provenance | None,
    ) -> None:
        """What a CRM tells; two identifiers make two customers one."""
        if hold is not None:
            said = {**said, "contact_hold_until": (self.now + hold).isoformat()}
        self.tell(
            say.updated(
                *person,
                at=self.now - ago,
                attributes=said,
                consents=self.consents(consents),
                provenance=provenance,
            )
        )

    @rule(
        step=st.sampled_from(["opened", "resolved", "resolved", "reopened"]),
        name=st.sampled_from([*_CASES, "ours"]),
        person=st.one_of(st.none(), _ONE),
        ago=_AGO,
        about=st.one_of(st.none(), st.sampled_from(_RESPONSES)),
        survey=_SURVEYS,
    )
    def case(
        self,
        step: Any,
        name: str,
        person: tuple[Identifier, ...] | None,
        ago: timedelta,
        about: str | None,
        survey: str,
    ) -> None:
        """A step of a helpdesk's case, or one of a person of ours about the case of an answer."""
        if name == "ours":
            name, about = _our_case(survey, about or "r1"), None
        link = about and feedback.ResponseLink(source="demo", survey=survey, response_id=about)
        told = say.case(step, name, email=None, at=self.now - ago, response=link or None)
        self.tell(event(told.data.model_copy(update={"identifiers": person or ()})))

    @rule(
        model=st.sampled_from(_REPORTS),
        person=st.one_of(st.none(), _ONE),
        delivery=st.one_of(st.none(), st.sampled_from(_DELIVERIES)),
        ago=_AGO,
        channel=st.sampled_from(["email", "email", "sms"]),
        contact_class=st.sampled_from(["marketing", "survey"]),
        account=st.sampled_from(["newsletter", "sandbox", None]),
    )
    def report(
        self,
        model: Any,
        person: tuple[Identifier, ...] | None,
        delivery: str | None,
        ago: timedelta,
        channel: Any,
        contact_class: Any,
        account: str | None,
    ) -> None:
        """A platform reports a message, ours or anybody's."""
        if person is None and delivery is None:
            person = ids_of(EMAILS[0])
        told = say.reported(
            model,
            EMAILS[0],
            delivery=delivery,
            at=self.now - ago,
            channel=channel,
            contact_class=contact_class,
            target=account,
        )
        self.tell(event(told.data.model_copy(update={"identifiers": person or ()})))

    @rule(
        who=st.integers(0, 5),
        delivery=st.sampled_from(_DELIVERIES),
        state=st.sampled_from(["accepted", "accepted", "in_doubt", "rejected"]),
        ago=_AGO,
        contact_class=st.sampled_from(["service", "marketing", "survey"]),
        change=st.integers(1, 2),
        ticket=st.sampled_from([None, None, None, "1"]),
        about=st.sampled_from(_RESPONSES),
    )
    def settled(
        self,
        who: int,
        delivery: str,
        state: outcomes.DeliveryState,
        ago: timedelta,
        contact_class: Any,
        change: int,
        ticket: str | None,
        about: str,
    ) -> None:
        """A delivery of ours reached a state, or made a ticket; of somebody merged since or not."""
        known = self.customers()
        one = known[who % len(known)] if known else NOBODY
        self.tell(
            say.settled(
                one,
                f"{delivery}, a ticket" if ticket else delivery,
                state=state,
                at=self.now - ago,
                change=change,
                contact_class="internal" if ticket else contact_class,
                channel="ticket" if ticket else "email",
                target="helpdesk" if ticket else "sandbox",
                reference=ticket,
                case_id=_our_case("nps", about) if ticket else None,
            )
        )

    @rule(
        person=_ONE,
        delivery=st.one_of(st.none(), st.sampled_from(_DELIVERIES)),
        what=st.sampled_from(["review_left", "purchase"]),
        ago=_AGO,
    )
    def completed(
        self, person: tuple[Identifier, ...], delivery: str | None, what: str, ago: timedelta
    ) -> None:
        """She left a review, or ordered."""
        told = say.completed(what, EMAILS[0], delivery=delivery, at=self.now - ago)
        self.tell(event(told.data.model_copy(update={"identifiers": person})))


def _our_case(survey: str, response_id: str) -> str:
    """Name the case that the policy opens for an answer."""
    return f"nps/{ids.case_of(ids.response_cause('demo', survey, response_id))}"
