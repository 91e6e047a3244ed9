"""A state machine that tells a segmenter whatever may happen, in any order, and checks it.

Events wait on a bus of its own: they are handled in batches as they come, told again, told late;
time goes on meanwhile, so timers may be behind; what the segmenter publishes for itself comes back.
Platforms' clocks are up to ten minutes off, and those of replicas that handle ten minutes behind.
"""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from random import Random
from typing import Any, ClassVar, Final, get_args
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)

from services.segmenter.decide.decide import Rulebook
from services.segmenter.profile.facts import PERSONAL
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Customer
from shared.events import feedback, outcomes
from shared.events.envelope import Event
from shared.identifiers import hashed_name
from tests.builders.facts import ROUTE_KEY, event
from tests.builders.segmenter_checks import (
    Published,
    consent_is_never_wider,
    expected,
    found,
    has_its_cause,
    holds_end,
    newest_is_true,
    nothing_came_back,
    order_is_nothing,
    rebuilt_is_stored,
    requests_are_told,
    timers_are_set,
    versions_are_sound,
    windows_end,
)
from tests.builders.segmenter_forgetting import group
from tests.builders.segmenter_rows import Segmenter, due_of_policy
from tests.builders.segmenter_tables import Rows
from tests.builders.segmenter_telling import MINUTE, NOBODY, STEPS, Telling

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
    """What a machine tries: a policy made ready, and how an empty segmenter is made of it."""

    rulebook: Rulebook
    make: Callable[[Rulebook], Segmenter]


_NO_FACTS: Final = (feedback.TimerDue, *get_args(feedback.MergeCommand), feedback.ErasureRequested)


class SegmenterMachine(Telling):
    """Tells a segmenter everything."""

    about: ClassVar[About]

    def __init__(self) -> None:
        super().__init__()
        self.rulebook = self.about.rulebook
        self.segmenter = self.about.make(self.rulebook)
        self.published = Published()
        #: What waits on the bus; all that was ever handled, in order; and by id, as first handled.
        self.waiting: list[Event] = []
        self.handled: list[Event] = []
        self.first: dict[UUID, Event] = {}
        self.asked = 0
        self.size = 1
        #: How far the clock of whoever handles is behind that of whoever rings.
        self.behind = timedelta()
        self.differed = False
        #: Of each customer the version up to which all was found sound.
        self.sound: dict[UUID, int] = {}
        #: Whether a person parted somebody: then the order in which keys came to somebody counts.
        self.parted = False
        #: Every id that stood for somebody forgotten, and every event that was theirs.
        self.forgotten: set[UUID] = set()
        self.unsaid: set[UUID] = set()
        #: The policies in force by turns, by their version; and of each customer the one by which
        #: she was decided about last.
        self.books = {one.version: one for one in (self.rulebook, other_policy(self.rulebook))}
        self.under: dict[UUID, str] = {}
        self.refuses = self.rulebook.policy.merges.consent == "refuse"

    @initialize(size=st.integers(1, 5))
    def start(self, size: int) -> None:
        """So many events wait at most until somebody handles them."""
        self.size = size

    def tell(self, told: Event) -> None:
        self.waiting.append(told)
        if len(self.waiting) >= self.size:
            batch, self.waiting = self.waiting, []
            self.run(batch)

    def customers(self) -> list[UUID]:
        return list(self.rows().customers)

    # What a person asks for.

    @rule(one=st.integers(0, 7), other=st.integers(0, 7))
    def merge(self, one: int, other: int) -> None:
        """A person says that two customers are one."""
        known = self.customers()
        if known:
            self.tell(self.wish(known[one % len(known)], known[other % len(known)]))

    @rule(one=st.integers(0, 7))
    def unmerge(self, one: int) -> None:
        """A person says that one of them is somebody of her own."""
        known = self.customers()
        if known:
            self.tell(self.wish(known[one % len(known)]))

    def wish(self, one: UUID, other: UUID | None = None) -> Event:
        self.asked += 1
        asked: dict[str, Any] = {"customer_id": one, "asked_by": "operator", "asked_at": self.now}
        if other is None:
            return event(feedback.UnmergeRequested(**asked), self.asked)
        return event(feedback.MergeRequested(**asked, other_id=other), self.asked)

    @rule(one=st.integers(0, 7), at_once=st.booleans())
    def forget(self, one: int, at_once: bool) -> None:
        """A person asks to be forgotten; what she says from now on makes somebody new."""
        known = self.customers()
        if not known:
            return
        found = group(self.rows(), [known[one % len(known)]])
        self.asked += 1
        data = feedback.ErasureRequested(
            erasure_id=UUID(int=10**12 + self.asked),
            customer_ids=found.customer_ids,
            people=tuple(hashed_name(ROUTE_KEY, *key) for key in found.keys if key[0] in PERSONAL),
            erased_before=self.now,
            asked_by="operator",
        )
        asked = event(data, self.asked)
        if at_once:
            self.run([asked])
        else:
            self.tell(asked)

    @rule()
    def another_policy(self) -> None:
        """The operator rolls out the other policy, and has everybody decided about anew."""
        version = next(one for one in self.books if one != self.rulebook.version)
        self.rulebook = self.books[version]
        self.segmenter.use(self.rulebook)
        for row in self.rows().roots():
            told = self.published.newest.get(row.customer_id)
            if row.profile.known and (told is None or told.policy != version):
                self.waiting.append(due_of_policy(row, self.rulebook, self.now))

    @rule()
    def prune(self) -> None:
        """The broom goes round: bodies of decisions go, and nobody is another because of it."""
        self.segmenter.prune(self.now)

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

    @rule(by=STEPS)
    def time_goes_on(self, by: timedelta) -> None:
        """Whatever waits goes on waiting."""
        self.now += by

    @rule(behind=st.sampled_from([timedelta(), 3 * MINUTE, 10 * MINUTE]))
    def another_replica(self, behind: timedelta) -> None:
        """Another one handles from now on; its clock is behind."""
        self.behind = behind
        self.differed = self.differed or bool(behind)

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
        before, said = dict(self.rows().customers), set(self.rows().facts)
        for lines in self.segmenter.handle(batch, self.now - self.behind):
            self.waiting += self.published.add(lines, again=again)
        for one, row in self.rows().customers.items():
            if one not in before or before[one].version != row.version:
                self.under[one] = self.rulebook.version
        self.handled += [one for one in batch if not again]
        for told in batch:
            self.first.setdefault(told.id, told)
            decision = self.rows().decisions[told.id]
            if decision.payload and decision.decision_id in self.published.decided:
                has_its_cause(told, self.published.decided[decision.decision_id].cause)
        self.parted = self.parted or any(
            isinstance(one.data, feedback.UnmergeRequested) for one in batch
        ) or len(self.rows().aliases) < undone  # fmt: skip

        if any(isinstance(one.data, feedback.ErasureRequested) for one in batch):
            # Who was made and forgotten within one batch is in no list, and is nobody's.
            self.forgotten |= before.keys() - self.rows().customers.keys()
            self.unsaid |= said - set(self.rows().facts)
        if self.forgotten:
            nothing_came_back(self.rows(), self.forgotten, self.unsaid)

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
        for version, book in self.books.items():
            told = {one for one, said in self.published.newest.items() if said.policy == version}
            newest_is_true(rows, _of(folds, told), self.published, book)
            last = {one for one, known in self.under.items() if known == version}
            hers, exact = _of(folds, last), not self.differed
            timers_are_set(rows, hers, book.policy, self.published, exact=exact)
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
        windows_end(self.rows(), folds, self.published, self.rulebook.policy)
        for profile in folds.values():
            order_is_nothing(profile, self.now, self.rulebook)
        if not self.parted:
            requests_are_told(self.rows(), folds, self.published, self.rulebook.policy)
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
            if coming > self.now:
                # From now until then nothing rings: what was told must be true all the while.
                folds = rebuilt_is_stored(self.rows(), self.rows().roots())
                for at in (self.now, coming - timedelta(microseconds=1)):
                    holds_end(folds, self.published, self.rulebook, at)
                assert {
                    self.published.newest[one].policy
                    for one, profile in folds.items()
                    if profile.known
                } <= {self.rulebook.version}, "everybody is decided about by the policy in force"
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
        # A copy may name what was somebody else's when it came first.
        before.stones = self.rows().stones
        assert self.rows() == before, "told again, nothing changes"
        assert self.published.payloads == told

    def _told_otherwise(self) -> None:
        """Tell another segmenter the facts alone, in another order, split and doubled."""
        facts = [
            _of_nobody(one)
            for one in self.handled
            if not isinstance(one.data, _NO_FACTS) and one.id in self.rows().facts
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


def _of(folds: dict[UUID, Profile], some: set[UUID]) -> dict[UUID, Profile]:
    return {one: profile for one, profile in folds.items() if one in some}


# Made once: a policy is told by the object that it is, and its themes take long to make ready.
@lru_cache(maxsize=8)
def other_policy(rulebook: Rulebook) -> Rulebook:
    """Another policy: other clocks and ages, so other holds, dates and timers."""
    policy = rulebook.policy
    clocks = policy.clocks.model_copy(update={"new_customer_days": 40})
    lifecycle = policy.lifecycle.model_copy(update={"active_days": 100, "sleeping_days": 300})
    other = policy.model_copy(update={"clocks": clocks, "lifecycle": lifecycle})
    return replace(rulebook, policy=other, version="another policy")


def _of_nobody(told: Event) -> Event:
    """Take away whom a delivery went to: another segmenter gives other ids."""
    if not isinstance(told.data, outcomes.DeliverySettled):
        return told
    return replace(told, data=told.data.model_copy(update={"customer_id": NOBODY}))
