"""What always holds of the segmenter's tables and of what it published."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from services.segmenter.cases import opening, urgent
from services.segmenter.decide import snapshot
from services.segmenter.decide.decide import Due, Rulebook, decide
from services.segmenter.decide.moments import LATEST, ahead
from services.segmenter.decide.settle import waiting
from services.segmenter.decide.waits import waits
from services.segmenter.erase import erasure
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.consents import consent
from services.segmenter.profile.facts import PERSONAL, Fact, Key, fact_of
from services.segmenter.profile.joining import believed
from services.segmenter.profile.profile import rebuild, trim
from services.segmenter.profile.state import Profile, Response
from services.segmenter.store.rows import Customer
from shared.events import feedback, ids, outcomes
from shared.events.decisions import URGENT, Cause, CustomerDecided, CustomerErased
from shared.events.envelope import Event, decode
from shared.events.vocabulary import Channel, ConsentStatement, Purpose
from tests.builders.facts import ROUTE_KEY
from tests.builders.segmenter_tables import Rows

#: What a decision says that does not depend on the event which brought it.
STATE = ("group", "zone", "permits", "budgets", "holds", "test", "snapshot")


@dataclass
class Published:
    """Everything told to `nps.decisions`: each payload, and of each customer the newest state."""

    payloads: dict[UUID, list[str]] = field(default_factory=dict)
    newest: dict[UUID, CustomerDecided] = field(default_factory=dict)
    decided: dict[UUID, CustomerDecided] = field(default_factory=dict)

    def add(self, lines: Sequence[str], *, again: bool) -> list[Event]:
        """Take what one decision publishes; list what of it goes to `nps.feedback`."""
        *others, last = [decode(line.encode()) for line in lines]
        decided = last.data
        if isinstance(decided, CustomerErased):
            first = self.payloads.setdefault(last.id, list(lines))
            assert first == list(lines), "told again, it is told byte by byte as it was"
            return []
        assert isinstance(decided, CustomerDecided)
        known = self.payloads.get(decided.decision_id)
        assert known in (None, list(lines)), "told again, it is told byte by byte as it was"
        self.payloads[decided.decision_id] = list(lines)
        if known is None:
            newest = self.newest.get(decided.customer_id)
            assert newest is None or newest.version < decided.version, "a version fell"
            assert not again, "told again, nothing new is decided"
            _is_sound(decided)
            self.newest[decided.customer_id] = decided
            self.decided[decided.decision_id] = decided
        return [one for one in others if one.topic == "nps.feedback"]


def _is_sound(decided: CustomerDecided) -> None:
    assert all(hold.reason and hold.until > decided.decided_at for hold in decided.holds)
    assert all(hold.classes for hold in decided.holds)
    assert all(permit.reason for permit in decided.permits)
    assert all(line.reason for line in decided.trace)
    assert decided.identifiers, "nobody is told of who is not known"
    assert decided.version > 0


def has_its_cause(event: Event, cause: Cause) -> None:
    """Check that a decision is about what its event told."""
    data = event.data
    if isinstance(data, feedback.ResponseReceived):
        wanted = ids.response_cause(data.source, data.survey, data.response_id)
        assert (cause.kind, cause.id) == ("response", wanted)
    elif isinstance(data, feedback.CaseStep):
        # A helpdesk's case may be one of ours, by its ticket's number: the id is then ours.
        assert cause.kind == "case"
    elif isinstance(data, feedback.MergeCommand):
        assert (cause.kind, cause.id) == ("merge", ids.event_cause(event.id))
    elif not isinstance(data, feedback.TimerDue):
        assert cause.id == ids.event_cause(event.id)


def rebuilt_is_stored(rows: Rows, of: Iterable[Customer]) -> dict[UUID, Profile]:
    """Check that the profiles of customers are the folds of their facts; return the folds.

    Without what a stored profile leaves out: nothing is decided by that.
    """
    folds = {}
    for row in of:
        folds[row.customer_id] = trim(rebuild(rows.hers(row.customer_id)))
        assert row.profile == folds[row.customer_id], _differing(row, folds[row.customer_id])
    for gone in rows.aliases:
        assert rows.customers[gone].profile == Profile(), "merged away, she is nobody"
    assert not set(rows.aliases.values()) & set(rows.aliases), "an alias of an alias"
    return folds


def _differing(row: Customer, fold: Profile) -> list[tuple[str, object, object]]:
    pairs = (
        (one.name, getattr(row.profile, one.name), getattr(fold, one.name))
        for one in fields(Profile)
    )
    return [(name, stored, folded) for name, stored, folded in pairs if stored != folded]


def versions_are_sound(rows: Rows) -> None:
    """Check that no version is given twice, and none is above its customer's."""
    given = [(one.customer_id, one.version) for one in rows.decisions.values() if one.version]
    assert len(given) == len(set(given))
    for customer_id, version in given:
        if customer_id in rows.customers:
            assert version <= rows.customers[customer_id].version
    for event_id in rows.facts:
        assert event_id in rows.decisions, "a fact was never decided"


def nothing_came_back(rows: Rows, forgotten: Collection[UUID], unsaid: Collection[UUID]) -> None:
    """Check that of people forgotten neither an id nor anything said up to then is there.

    `unsaid` are the events that were theirs.
    """
    assert not rows.facts.keys() & unsaid
    assert not rows.customers.keys() & forgotten
    assert not set(rows.keys.values()) & set(forgotten)
    assert not {timer.customer_id for timer in rows.timers.values()} & set(forgotten)
    for owner, fact in rows.facts.values():
        assert owner not in forgotten
        # By her addresses alone: who has none, and shares a ticket with her, is asked to be
        # forgotten by a request of its own.
        named = replace(erasure.named(fact, ROUTE_KEY), things=())
        gone, _ = erasure.dropped([named], rows.stones)
        assert not gone, fact
    for decision in rows.decisions.values():
        if decision.customer_id in forgotten and decision.version:
            assert (decision.payload, decision.note) == (None, erasure.ERASED)


def newest_is_true(
    rows: Rows, folds: Mapping[UUID, Profile], published: Published, rulebook: Rulebook
) -> None:
    """Check that what was told last of each customer is what all her facts say."""
    for customer_id, profile in folds.items():
        told = published.newest.get(customer_id)
        if not profile.known:
            continue
        assert told is not None, "somebody known was never told of"
        wanted = _as_told(told, profile, _cause_in(rows.hers(customer_id), told, profile), rulebook)
        for name in STATE:
            assert getattr(told, name) == getattr(wanted, name), _apart(told, wanted, name)
        assert set(told.identifiers) == set(wanted.identifiers)


def _cause_in(hers: Iterable[Fact], told: CustomerDecided, profile: Profile) -> Response | None:
    """Find the answer that a decision is about, also where the stored profile leaves it out."""
    if told.cause.kind != "response":
        return None
    for known in (profile, rebuild(hers)):
        for one in known.responses.values():
            if urgent.cause_id(one) == told.cause.id:
                return one
    return None


def _as_told(
    told: CustomerDecided, profile: Profile, about: Response | None, rulebook: Rulebook
) -> CustomerDecided:
    """Decide anew; with the case that it opens, a decision holds before the case is a fact."""
    wanted = _of_its_answer(state_at(profile, told.decided_at, rulebook), about, rulebook)
    if told.case is None or not opening.opens(told.case, told.cause, profile):
        return wanted
    held = waits(profile, rulebook.policy, told.decided_at, opening_at=told.case.opened_at)
    seen = wanted.snapshot.model_copy(update=snapshot.waiting(held))
    return wanted.model_copy(update={"holds": held.standing, "snapshot": seen})


def _of_its_answer(
    wanted: CustomerDecided, about: Response | None, rulebook: Rulebook
) -> CustomerDecided:
    """Say of what is urgent what the answer says that is the cause."""
    if about is None:
        return wanted
    said = {
        "callback_requested": urgent.asks(about),
        "escalations": urgent.raised(about, rulebook.policy),
    }
    return wanted.model_copy(update={"snapshot": wanted.snapshot.model_copy(update=said)})


def _apart(told: CustomerDecided, wanted: CustomerDecided, name: str) -> str:
    if name != "snapshot":
        return f"{name}: told {getattr(told, name)}, is {getattr(wanted, name)}"
    said, true = told.snapshot.model_dump(), wanted.snapshot.model_dump()
    return (
        f"{told.version}: {[(one, said[one], true[one]) for one in said if said[one] != true[one]]}"
    )


def order_is_nothing(profile: Profile, at: datetime, rulebook: Rulebook) -> None:
    """Check that what is decided does not depend on the order in which a profile lists its parts.

    That is how its facts came in; read from the database, they are in yet another order.
    """
    decided, other = (state_at(one, at, rulebook) for one in (profile, backwards(profile)))
    assert decided == other, _apart(decided, other, "snapshot")


def backwards(profile: Profile) -> Profile:
    """List every part of a profile in the reverse order: an equal one."""
    answers = {
        name: replace(one, answers=dict(reversed(one.answers.items())))
        for name, one in profile.responses.items()
    }
    asked = {survey: dict(reversed(ways.items())) for survey, ways in profile.asked.items()}
    parts = {
        one.name: getattr(profile, one.name)
        for one in fields(Profile)
        if isinstance(getattr(profile, one.name), dict)
    }
    parts |= {"responses": answers, "asked": asked}
    turned: dict[str, Any] = {name: dict(reversed(part.items())) for name, part in parts.items()}
    return replace(profile, **turned)


def state_at(profile: Profile, at: datetime, rulebook: Rulebook) -> CustomerDecided:
    """Decide about a profile as if a hold of hers had ended just now."""
    nobody = UUID(int=0)
    data = feedback.TimerDue(kind="hold_end", customer_id=nobody, arm=1, due_at=at)
    due = Due(nobody, data)
    return decide(profile, profile, due, rulebook, at, customer_id=nobody, version=1)


def timers_are_set(
    rows: Rows,
    folds: Mapping[UUID, Profile],
    policy: Policy,
    published: Published,
    *,
    exact: bool,
) -> None:
    """Check that whatever lies ahead will ring, and that of her who is gone nothing does.

    Not `exact`: clocks of replicas differed, so a moment that was told may ring once more before.
    """
    for timer in rows.timers.values():
        assert not (timer.open and timer.customer_id in rows.aliases), "a timer of nobody"
    latest: dict[UUID, datetime] = {}
    for decision in rows.decisions.values():
        if not decision.version:  # about nobody
            continue
        known = latest.get(decision.customer_id, decision.decided_at)
        latest[decision.customer_id] = max(known, decision.decided_at)
    for customer_id, profile in folds.items():
        now = latest[customer_id]
        if customer_id in published.newest:
            # What time brings is decided as of then, also where the clock is not yet there.
            now = max(now, published.newest[customer_id].decided_at)
        for (kind, subject), at in ahead(profile, policy, now).items():
            found = rows.timers.get((kind, customer_id, subject))
            if at > now:
                assert found is not None, (kind, at)
                again = not exact and found.open and found.due_at < at
                assert found.due_at == at or again, kind


def holds_end(
    folds: Mapping[UUID, Profile],
    published: Published,
    rulebook: Rulebook,
    now: datetime,
) -> None:
    """Check, when all that was due has rung, that the dispatcher knows what still holds."""
    for customer_id, profile in folds.items():
        if not profile.known:
            continue
        newest = published.newest[customer_id]
        # Of an answer that two are said to have given, the case is hers who gave it first.
        elsewhere = newest.case is not None and opening.opens(newest.case, newest.cause, profile)
        told = {
            (hold.rule, hold.classes, hold.until)
            for hold in newest.holds
            if hold.until > now and not (elsewhere and hold.rule == "open_case")
        }
        wanted = {
            (hold.rule, hold.classes, hold.until) for hold in state_at(profile, now, rulebook).holds
        }
        assert told == wanted, f"{customer_id} at {now}: told {told}, is {wanted}"


def windows_end(
    rows: Rows, folds: Mapping[UUID, Profile], published: Published, policy: Policy
) -> None:
    """Check, when all has rung, that of no newest answer the end of its window was left untold.

    Unless something of her was handled so late that nobody would react any more.
    """
    settled = {
        one.cause.id for one in published.decided.values() if "settled" in one.cause.triggers
    }
    for customer_id, profile in folds.items():
        found = waiting(profile, policy)
        if not profile.known or found is None:
            continue
        response, due_at = found
        handled = [rows.decisions[one.event_id].decided_at for one in rows.hers(customer_id)]
        if max(handled) < due_at + LATEST:
            cause = ids.response_cause(response.source, response.survey, response.response_id)
            assert cause in settled


def requests_are_told(
    rows: Rows, folds: Mapping[UUID, Profile], published: Published, policy: Policy
) -> None:
    """Check that what was told last of each answer brings just what is urgent in it."""
    last: dict[tuple[UUID, UUID], CustomerDecided] = {}
    for told in published.decided.values():
        # A window's end tells nothing anew.
        if told.cause.kind == "response" and told.cause.triggers != ("settled",):
            last[rows.root(told.customer_id), told.cause.id] = told
    for customer_id, profile in folds.items():
        for response in profile.responses.values():
            told_of = last.get((customer_id, urgent.cause_id(response)))
            if told_of is None:
                continue
            wanted = set() if response.history else set(urgent.urgent(response, profile, policy))
            assert URGENT.intersection(told_of.cause.triggers) == wanted, response.identity


def consent_is_never_wider(folds: Mapping[UUID, Profile], rows: Rows) -> None:
    """Check that who is open to a channel left no refusal there that no later word replaced."""
    for customer_id, profile in folds.items():
        said = list(_said(rows.hers(customer_id)))
        for purpose in get_args(Purpose):
            for channel in get_args(Channel):
                if consent(profile, channel, purpose) == "granted":
                    about = [
                        (statement, rank, keys)
                        for statement, rank, keys in said
                        if statement.channel in (channel, "all") and statement.purpose == purpose
                    ]
                    assert not any(_stands(one, about) for one in about), (channel, purpose)


_Said = tuple[ConsentStatement, tuple[datetime, bool, str], frozenset[Key]]


def _said(facts: Iterable[Fact]) -> Iterable[_Said]:
    for fact in facts:
        data = fact.data
        statements: Iterable[ConsentStatement] = ()
        if isinstance(data, feedback.ResponseReceived | feedback.CustomerUpdated):
            statements = believed(fact, data)
        elif isinstance(data, feedback.SurveyOptedOut | outcomes.MessageUnsubscribed):
            purposes: tuple[Purpose, ...] = ("marketing", "survey")
            statements = [
                ConsentStatement(
                    channel="all", purpose=purpose, granted=False, said_at=data.occurred_at
                )
                for purpose in (*purposes, *(("service",) if data.everything else ()))
            ]
        for one in statements:
            rank = (one.said_at, not one.granted, str(fact.event_id))
            yield one, rank, frozenset(fact.keys)


def _stands(one: _Said, about: Iterable[_Said]) -> bool:
    """Tell whether a refusal by one of her addresses was followed by nothing of that address."""
    statement, rank, keys = one
    personal = {key for key in keys if key[0] in PERSONAL}
    return (
        bool(personal)
        and not statement.granted
        and not any(keys & other and rank < later for _, later, other in about)
    )


def components(facts: Iterable[Fact]) -> list[set[Key]]:
    """Group keys that some fact names together: the plain definition of who is one customer."""
    groups: list[set[Key]] = []
    for one in facts:
        keys = set(one.keys)
        touching = [group for group in groups if group & keys]
        for group in touching:
            groups.remove(group)
            keys |= group
        groups.append(keys)
    return groups


def expected(events: Iterable[Event]) -> dict[frozenset[Key], Profile]:
    """The profile of each customer, from the set of facts alone."""
    facts: dict[UUID, Fact] = {}
    for one in map(fact_of, events):
        known = facts.get(one.event_id)
        copies = (one,) if known is None else (one, known)
        facts[one.event_id] = min(copies, key=lambda copy: (copy.received_at, copy.occurred_at))
    return {
        frozenset(group): trim(rebuild(f for f in facts.values() if set(f.keys) & group))
        for group in components(facts.values())
    }


def found(rows: Rows) -> dict[frozenset[Key], Profile]:
    """The profile of each customer as the tables have it, by all keys that lead to her."""
    keys: dict[UUID, set[Key]] = {}
    for key, owner in rows.keys.items():
        keys.setdefault(rows.root(owner), set()).add(key)
    return {frozenset(hers): rows.customers[one].profile for one, hers in keys.items()}
