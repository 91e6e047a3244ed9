"""What planning remembers of a customer beside her contacts: her arms, what she completed, and what
followed earlier draws.

Gathered before a batch is decided, told by its decisions, kept in its transaction. A playbook
without experiments, or without asks that stop when done, reads and writes nothing for them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.plan import completed, draws
from services.dispatcher.plan.refusals import Known
from services.dispatcher.playbook.plays import Playbook
from shared.events.decisions import CustomerDecided


@dataclass
class Followed:
    """What is known of a batch's customers, and what its decisions add to it."""

    arms: dict[UUID, dict[str, str]] = field(default_factory=dict)
    done: dict[UUID, set[str]] = field(default_factory=dict)
    answers: dict[tuple[UUID, UUID], draws.Answer] = field(default_factory=dict)
    churned: set[UUID] = field(default_factory=set)
    completed: list[tuple[UUID, str]] = field(default_factory=list)

    def hear(self, decision: CustomerDecided, customer: UUID) -> str | None:
        """Note what a decision tells; returns what she completed by it."""
        answer = draws.answer_of(decision, customer)
        if answer is not None:
            self.answers[customer, answer.cause_id] = answer
        if decision.snapshot.lifecycle == "churned":
            self.churned.add(customer)
        what = decision.cause.what
        if decision.cause.kind != "action" or what is None:
            return None
        self.completed.append((customer, what))
        self.done.setdefault(customer, set()).add(what)
        return what

    def known(self, decision: CustomerDecided, customer: UUID, seen: Recipient) -> Known:
        """Return what planning reads of her; `seen` is her state with this decision."""
        state = seen.state
        revised = state is not None and state.answer == decision.cause.id
        return Known(
            arms=self.arms.get(customer, {}),
            done=frozenset(self.done.get(customer, ())),
            highest=state.highest if state and revised else None,
            highest_segment=state.highest_segment if state and revised else None,
        )


async def gather(
    connection: AsyncConnection, customers: Collection[UUID], playbook: Playbook
) -> Followed:
    """Read what is known of these customers."""
    return Followed(
        arms=await draws.arms(connection, customers) if _measures(playbook) else {},
        done=await completed.read(connection, customers) if _stops(playbook) else {},
    )


async def keep(
    connection: AsyncConnection,
    followed: Followed,
    created: Iterable[Delivery],
    told: Mapping[UUID, CustomerDecided],
    *,
    playbook: Playbook,
    now: datetime,
) -> None:
    """Write what a batch told (decisions by id) and whom its deliveries drew for an arm."""
    if _stops(playbook):
        await completed.keep(connection, followed.completed, now)
    if _measures(playbook):
        await draws.start(connection, created, told)
        await draws.answered(connection, list(followed.answers.values()))
        await draws.churned(connection, followed.churned, now)


def _measures(playbook: Playbook) -> bool:
    return any(play.experiment for play in playbook.plays)


def _stops(playbook: Playbook) -> bool:
    return any(play.stop_when for play in playbook.plays)
