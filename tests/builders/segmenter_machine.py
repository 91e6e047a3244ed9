"""A state machine that tells a segmenter whatever may happen, in any order, and checks it.

Events wait on a bus of its own: they are handled in batches as they come, told again, told late;
time goes on meanwhile, so timers may be behind; what the segmenter publishes for itself comes back.
Platforms' clocks are up to ten minutes off.
"""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, ClassVar, Final
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from services.segmenter.decide import Rulebook
from services.segmenter.rows import Customer
from services.segmenter.state import Profile
from shared.events import feedback, ids, outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import ConsentStatement, Identifier, Value
from tests.builders import facts as say
from tests.builders.facts import NOON, event, ids_of
from tests.builders.segmenter_checks import (
    Published,
    consent_is_never_wider,
    expected,
    found,
    has_its_cause,
    holds_end,
    newest_is_true,
    rebuilt_is_stored,
    timers_are_set,
    versions_are_sound,
    windows_end,
)
from tests.builders.segmenter_rows import Rows, Segmenter

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
_STEPS = st.sampled_from(
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


#: More, and other ones on each run, where somebody looks for faults.
_EXAMPLES: Final = int(os.environ.get("NPS_TEST_EXAMPLES", "0"))


def examples(usual: int, steps: int) -> settings:
    """The same examples on each run; `NPS_TEST_EXAMPLES` asks for so many random ones instead."""
    return settings(
        max_examples=_EXAMPLES or usual,
        stateful_step_count=steps,
        derandomize=not _EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class About:
    """What a machine tries: a policy made ready, and how an empty segmenter is made of it.

    `folds_only`: stored profiles leave so much out that decisions would be others.
    """

    rulebook: Rulebook
    make: Callable[[Rulebook], Segmenter]
    folds_only: bool = False


class SegmenterMachine(RuleBasedStateMachine):
    """Tells a segmenter everything."""

    about: ClassVar[About]

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.rulebook = self.about.rulebook
        self.segmenter = self.about.make(self.rulebook)
        self.published = Published()
        #: What waits on the bus; all that was ever handled, in order; and by id, as first handled.
        self.waiting: list[Event] = []
        self.handled: list[Event] = []
        self.first: dict[UUID, Event] = {}
        self.asked = 0
        self.size = 1
        #: Of each customer the version up to which all was found sound.
        self.sound: dict[UUID, int] = {}
        #: Whether a person parted somebody: then the order in which keys came to somebody counts.
        self.parted = False
        self.refuses = self.rulebook.policy.merges.consent == "refuse"

    # What is told.

    @initialize(size=st.integers(1, 5))
    def start(self, size: int) -> None:
        """So many events wait at most until somebody handles them."""
        self.size = size

    def tell(self, told: Event) -> None:
        self.waiting.append(told)
        if len(self.waiting) >= self.size:
            batch, self.waiting = self.waiting, []
            self.run(batch)

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
        says=st.dictionaries(
            st.sampled_from(["comment", "callback_requested"]),
            st.sampled_from([None, "Trop cher", True]),
            max_size=1,
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
        says: dict[str, Value],
        cleared: tuple[str, ...],
    ) -> None:
        """A message about an answer: a part, all of it, a revision; late, or of long ago."""
        at = self.now - ago
        receipt = max(at, self.now) - later
        answers = says if score is None else {"score": score, **says}
        data = feedback.ResponseReceived(
            source="demo",
            survey=survey,
            response_id=name,
            revision=revision,
            answered_at=at if origin == "platform" else receipt,
            answered_at_origin=origin,
            received_at=receipt,
            complete=complete,
            identifiers=person or (),
            answers={**answers, **dict.fromkeys(cleared)},
            consents=self.consents(consents),
            metric=metric,
            history=history,
            provenance=provenance,
        )
        unnamed = {"received_at", "answered_at", "history"}
        content = ids.content_hash(data.model_dump(mode="json", exclude=unnamed))
        self.tell(event(data, name, revision, content, received=data.received_at))

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
        hold=st.one_of(st.none(), st.none(), _STEPS),
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
        known = list(self.rows().customers)
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

    # What a person asks for.

    @rule(one=st.integers(0, 7), other=st.integers(0, 7))
    def merge(self, one: int, other: int) -> None:
        """A person says that two customers are one."""
        known = list(self.rows().customers)
        if known:
            self.tell(self.wish(known[one % len(known)], known[other % len(known)]))

    @rule(one=st.integers(0, 7))
    def unmerge(self, one: int) -> None:
        """A person says that one of them is somebody of her own."""
        known = list(self.rows().customers)
        if known:
            self.tell(self.wish(known[one % len(known)]))

    def wish(self, one: UUID, other: UUID | None = None) -> Event:
        self.asked += 1
        asked: dict[str, Any] = {"customer_id": one, "asked_by": "operator", "asked_at": self.now}
        if other is None:
            return event(feedback.UnmergeRequested(**asked), self.asked)
        return event(feedback.MergeRequested(**asked, other_id=other), self.asked)

    @precondition(lambda self: not self.waiting)
    @rule(one=st.integers(0, 7), other=st.integers(0, 7))
    def merge_and_unmerge(self, one: int, other: int) -> None:
        """Merged and unmerged, both are who they were, under higher versions."""
        before = {row.customer_id: row for row in self.rows().roots()}
        known = sorted(before)
        if len(known) < 2 or one % len(known) == other % len(known):
            return
        before = copy.deepcopy(before)
        pair = {known[one % len(known)], known[other % len(known)]}
        self.run([self.wish(*sorted(pair))])
        (gone,) = pair & self.rows().aliases.keys()
        self.run([self.wish(gone)])
        self.parted = True
        after = {row.customer_id: row for row in self.rows().roots()}
        assert after.keys() == before.keys()
        for customer_id, row in before.items():
            assert after[customer_id].profile == row.profile
            assert (after[customer_id].version > row.version) is (customer_id in pair)

    # Time and the bus.

    @rule(by=_STEPS)
    def time_goes_on(self, by: timedelta) -> None:
        """Whatever waits goes on waiting."""
        self.now += by

    @rule(close=st.booleans())
    def ring(self, close: bool) -> None:
        """The loop tells what is due; killed before it closes, it will tell it again."""
        self.waiting += self.segmenter.ring(self.now, close=close)

    @precondition(lambda self: self.waiting)
    @rule(most=st.integers(1, 4), shuffled=st.randoms(use_true_random=False))
    def handle(self, most: int, shuffled: Random) -> None:
        """A batch of what waits, not the oldest first."""
        shuffled.shuffle(self.waiting)
        batch, self.waiting = self.waiting[:most], self.waiting[most:]
        self.run(batch)

    @precondition(lambda self: self.handled)
    @rule(which=st.integers(0, 30), earlier=st.booleans(), how_many=st.integers(1, 3))
    def tell_again(self, which: int, earlier: bool, how_many: int) -> None:
        """The bus tells anything again; a copy may have been received earlier."""
        for number in range(how_many):
            told = self.handled[(which + number) % len(self.handled)]
            if earlier and isinstance(told.data, feedback.ResponseReceived):
                before = told.data.received_at - 5 * MINUTE
                receipt = {"received_at": before}
                if told.data.answered_at_origin != "platform":
                    receipt["answered_at"] = before
                data = told.data.model_copy(update=receipt)
                told = replace(told, data=data, time=before)
            self.tell(told)

    # What is checked.

    def rows(self) -> Rows:
        return self.segmenter.rows()

    def run(self, batch: list[Event], *, again: bool = False) -> None:
        """Handle a batch, and check what is published."""
        undone = len(self.rows().aliases)
        for lines in self.segmenter.handle(batch, self.now):
            self.waiting += self.published.add(lines, again=again)
        self.handled += [one for one in batch if not again]
        for told in batch:
            self.first.setdefault(told.id, told)
            decision = self.rows().decisions[told.id]
            if decision.payload and decision.decision_id in self.published.decided:
                has_its_cause(told, self.published.decided[decision.decision_id].cause)
        self.parted = self.parted or any(
            isinstance(one.data, feedback.UnmergeRequested) for one in batch
        ) or len(self.rows().aliases) < undone  # fmt: skip

    @invariant()
    def all_is_sound(self) -> None:
        """After each step, of whoever it touched: the fold, what was told last, what will ring."""
        rows = self.rows()
        touched = [one for one in rows.roots() if self.sound.get(one.customer_id) != one.version]
        if touched:
            self.sound.update((one.customer_id, one.version) for one in touched)
            versions_are_sound(rows)
            self.check(touched)

    def check(self, of: list[Customer]) -> dict[UUID, Profile]:
        """Check all that is to hold of customers; return the folds of their facts."""
        rows = self.rows()
        folds = rebuilt_is_stored(rows, of)
        if self.about.folds_only:
            return folds
        newest_is_true(folds, self.published, self.rulebook)
        timers_are_set(rows, folds, self.rulebook.policy)
        consent_is_never_wider(folds, rows)
        return folds

    def teardown(self) -> None:
        """In the end all is handled and rung; then nothing can change any more."""
        try:
            self._end()
        finally:
            super().teardown()

    def _end(self) -> None:
        self._drain()
        folds = self.check(self.rows().roots())
        if not self.about.folds_only:
            windows_end(self.rows(), folds, self.published, self.rulebook.policy)
        self._told_all_again()
        self._told_otherwise()

    def _drain(self) -> None:
        """Let time come to whatever waits for it: each step only as far as the next timer."""
        for _ in range(200):
            if self.waiting:
                batch, self.waiting = self.waiting, []
                self.run(batch)
                continue
            due = [one.due_at for one in self.rows().timers.values() if one.open]
            coming = min(due, default=self.now + timedelta(days=3660))
            if coming > self.now and not self.about.folds_only:
                # From now until then nothing rings: what was told must be true all the while.
                folds = rebuilt_is_stored(self.rows(), self.rows().roots())
                for at in (self.now, coming - timedelta(microseconds=1)):
                    holds_end(folds, self.published, self.rulebook, at)
            if not due:
                return
            self.now = max(self.now, min(due))
            self.waiting = self.segmenter.ring(self.now, close=True)
        raise AssertionError("timers ring for ever")

    def _told_all_again(self) -> None:
        before = copy.deepcopy(self.rows())
        told = dict(self.published.payloads)
        shuffled = list(self.first.values())
        Random(len(shuffled)).shuffle(shuffled)
        self.now += timedelta(days=1)
        for at in range(0, len(shuffled), 3):
            self.run(shuffled[at : at + 3], again=True)
        assert self.rows() == before, "told again, nothing changes"
        assert self.published.payloads == told

    def _told_otherwise(self) -> None:
        """Tell another segmenter the facts alone, in another order, split and doubled."""
        facts = [
            _of_nobody(one)
            for one in self.handled
            if not isinstance(one.data, feedback.TimerDue | feedback.MergeCommand)
        ]
        # Whom a ticket's number links depends on who was known by it when it came.
        tickets = any(getattr(one.data, "reference", None) for one in facts)
        if not facts or tickets or self.refuses:
            return
        chance = Random(len(facts))
        shuffled = [*facts, *facts[::2]]
        chance.shuffle(shuffled)
        other = self.about.make(self.rulebook)
        while shuffled:
            size = chance.randint(1, 5)
            batch, shuffled = shuffled[:size], shuffled[size:]
            other.handle(batch, self.now)
        wanted = expected(facts)
        assert found(other.rows()) == wanted


def _of_nobody(told: Event) -> Event:
    """Take away whom a delivery went to: another segmenter gives other ids."""
    if not isinstance(told.data, outcomes.DeliverySettled):
        return told
    return replace(told, data=told.data.model_copy(update={"customer_id": NOBODY}))


def _our_case(survey: str, response_id: str) -> str:
    """Name the case that the policy opens for an answer."""
    return f"nps/{ids.case_of(ids.response_cause('demo', survey, response_id))}"
