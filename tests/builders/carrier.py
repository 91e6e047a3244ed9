"""A campaign platform that answers by a script and remembers what it was asked."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.dispatcher.calls.calls import (
    ActionCall,
    Deletion,
    Heard,
    Idempotency,
    Inquiry,
    ProfilePush,
    Verdict,
)

OK = Verdict("ok", "taken")


@dataclass
class ScriptedCarrier:
    """Answers `OK` unless `on_push`, `on_act`, … say otherwise (given the call's number).

    `gate`, when set, holds every call until the event is set. `kinds` is the order of calls as
    (kind, customer), `batches` are pushes that came together. `overlaps` counts moments with two
    calls in flight for one customer, `most` is how many were in flight at once.
    """

    name: str = "sandbox"
    action_idempotency: Idempotency = field(default_factory=lambda: Idempotency("key"))
    on_push: Callable[[int], Verdict] = lambda _number: OK
    on_act: Callable[[int], Verdict] = lambda _number: OK
    on_erase: Callable[[int], Verdict] = lambda _number: OK
    on_inquire: Callable[[int], Heard] = lambda _number: Heard(OK)
    gate: asyncio.Event | None = None
    pushes: list[ProfilePush] = field(default_factory=list)
    actions: list[ActionCall] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    inquiries: list[Inquiry] = field(default_factory=list)
    kinds: list[tuple[str, UUID]] = field(default_factory=list)
    batches: list[tuple[ProfilePush, ...]] = field(default_factory=list)
    overlaps: int = 0
    most: int = 0
    _calls: int = 0
    _flying: Counter[UUID] = field(default_factory=Counter)

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: datetime) -> Verdict:
        """Note the push and answer by the script."""
        del budget, now
        self.pushes.append(push)
        number = len(self.pushes)
        await self._fly("push", push.customer_id)
        return self.on_push(number)

    async def push_profiles(
        self, pushes: Sequence[ProfilePush], *, budget: timedelta, now: datetime
    ) -> list[Verdict]:
        """Note a batch; `on_push` is asked for each, by the number of the push."""
        del budget, now
        first = len(self.pushes) + 1
        self.pushes.extend(pushes)
        self.batches.append(tuple(pushes))
        await self._fly("push", *(push.customer_id for push in pushes))
        return [self.on_push(first + place) for place in range(len(pushes))]

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Note the action and answer by the script."""
        del budget, now
        self.actions.append(call)
        number = len(self.actions)
        await self._fly("act", call.customer_id)
        return self.on_act(number)

    async def erase(self, deletion: Deletion, *, budget: timedelta, now: datetime) -> Verdict:
        """Note the deletion and answer by the script."""
        del budget, now
        self.deletions.append(deletion)
        number = len(self.deletions)
        await self._fly("erase", deletion.customer_id)
        return self.on_erase(number)

    async def inquire(self, inquiry: Inquiry, *, budget: timedelta, now: datetime) -> Heard:
        """Note the question and answer by the script; it is nobody's call, so none overlaps."""
        del budget, now
        self.inquiries.append(inquiry)
        number = len(self.inquiries)
        await self._fly("inquire")
        return self.on_inquire(number)

    async def _fly(self, kind: str, *customers: UUID) -> None:
        self.kinds.extend((kind, customer) for customer in customers)
        self._flying.update(customers)
        self.overlaps += any(self._flying[customer] > 1 for customer in customers)
        self._calls += 1
        self.most = max(self.most, self._calls)
        try:
            # One turn of the loop at least, so that a second call could overlap if it were let.
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self._flying.subtract(customers)
            self._calls -= 1
