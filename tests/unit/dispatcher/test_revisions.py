"""One answer, however it is revised: each play once at most, of an `only_one_of` one at a time."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.consume.planning import decide
from services.dispatcher.consume.plans import Plans, Told
from services.dispatcher.delivery import SLOT_STATES, Delivery
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.playbook.conditions import matches
from services.dispatcher.slots.book import Book, contact_of
from shared.events.decisions import CustomerDecided, Snapshot
from shared.events.ids import delivery_id
from shared.events.vocabulary import Segment
from tests.builders.decisions import NOW, decision
from tests.builders.deliveries import CUSTOMER
from tests.builders.dispatching import play, rules

SERVICE = {"class": "service", "legal_basis": "contract"}


def reply(name: str, priority: int, **when: object) -> dict[str, object]:
    made = {**play(name, "detractor", name, **SERVICE), "only_one_of": "reply"}
    return {**made, "priority": priority, "when": {"trigger": "settled", **when}}


BOOK = rules(
    reply("price", 3, theme=["price"]),
    reply("delivery", 2, theme=["delivery"]),
    reply("any", 1, score_to=6),
    play(
        "alert", "detractor", "tell", trigger="received", target="alerts", **{"class": "internal"}
    ),
    {**play("thanks", "promoter", "thanks"), "when": {"trigger": "settled", "score_from": 7}},
)
GROUP = {"price", "delivery", "any"}
OPEN = {"planned", "waiting"}

#: What her one answer says: a score, or none any more, and a reason.
SAYS = st.tuples(
    st.sampled_from([3, 8, 10, None]), st.sampled_from(["price", "delivery", "product"])
)
#: A batch of revisions, or a delivery that is called and accepted, or called in vain.
STEPS = st.lists(
    st.one_of(
        st.lists(SAYS, min_size=1, max_size=3),
        st.tuples(st.sampled_from(["accepted", "waiting"]), st.integers(0, 9)),
    ),
    max_size=12,
)


def said(version: int, says: tuple[int | None, str]) -> CustomerDecided:
    """What is decided of a revision of her answer, the only one she gave."""
    score, theme = says
    segment: Segment | None = None
    if score is not None:
        segment = "detractor" if score < 7 else "passive" if score < 9 else "promoter"
    seen = Snapshot(score=score, segment=segment, theme=theme, last_answered_at=NOW)
    if score is None:
        return decision(CUSTOMER, version=version, snapshot=Snapshot(), triggers=())
    return decision(CUSTOMER, version=version, snapshot=seen)


class Ledger:
    """Rows as planning finds and leaves them, without a database."""

    def __init__(self) -> None:
        self.rows: dict[object, Delivery] = {}
        self.her = Recipient(CUSTOMER)

    def tell(self, *told: CustomerDecided) -> None:
        """Work a batch as one transaction does."""
        book = Book()
        for row in self.rows.values():
            if row.state in SLOT_STATES:
                book.add(contact_of(row))
        waiting = [row for row in self.rows.values() if row.state in {*OPEN, "parked"}]
        ended = ("superseded", "suppressed")
        plans = Plans(
            recipients={CUSTOMER: self.her},
            book=book,
            pending={CUSTOMER: waiting},
            existing={row.id for row in self.rows.values()},
            unsent={
                row.id: row
                for row in self.rows.values()
                if row.state in ended and row.attempts == 0 and row.unanswered_since is None
            },
        )
        decide(plans, [Told(one.decision_id, one) for one in told], BOOK, NOW)
        self.her = plans.recipients[CUSTOMER]
        new, renewed = plans.by_kind()
        assert not {row.id for row in new} & self.rows.keys()
        assert {row.id for row in renewed} <= self.rows.keys()
        assert not plans.ended.keys() & plans.created.keys()
        for row in [*new, *renewed, *plans.ended.values()]:
            before = self.rows.get(row.id)
            assert before is None or before.state in {*OPEN, *ended}, "a sent one is touched"
            self.rows[row.id] = replace(row, change=row.change + 1)

    def call(self, state: str, number: int) -> None:
        """Have one of those that wait called."""
        waiting = sorted((r for r in self.rows.values() if r.state in OPEN), key=lambda r: r.play)
        if waiting:
            row = waiting[number % len(waiting)]
            called = row.to(state, "called", due=NOW + timedelta(hours=1))  # type: ignore[arg-type]
            self.rows[row.id] = replace(called, attempts=row.attempts + 1)


@given(STEPS, SAYS)
def test_however_it_is_revised_the_last_word_is_done_once(
    steps: list[list[tuple[int | None, str]] | tuple[str, int]], last: tuple[int | None, str]
) -> None:
    """What waits is right by the last word; what was sent is never touched; one of a group."""
    ledger, version = Ledger(), 0
    for step in [*steps, [last]]:
        if isinstance(step, tuple):
            ledger.call(*step)
            continue
        batch = [said(version + place, says) for place, says in enumerate(step, start=1)]
        version += len(batch)
        ledger.tell(*batch)
        holding = [r for r in ledger.rows.values() if r.state in SLOT_STATES]
        assert sum(1 for row in holding if row.play in GROUP) <= 1
    final = said(version + 1, last)
    wanted = {one.name for one in BOOK.playbook.plays if matches(one.when, final)}
    waiting = {row.play for row in ledger.rows.values() if row.state in OPEN}
    assert waiting <= wanted
    begun = {row.play for row in ledger.rows.values() if row.attempts}
    assert waiting - GROUP == wanted - GROUP - begun | (waiting & begun) - GROUP
    if wanted & GROUP and not begun & GROUP:
        assert len(waiting & GROUP) == 1


def test_a_decision_names_the_rows_by_its_cause() -> None:
    """So that the rows above are those that planning looks for."""
    told = said(1, (3, "price"))
    ledger = Ledger()
    ledger.tell(told)
    assert delivery_id(told.cause.id, "price", "price") in ledger.rows
