"""A target in shadow: every request is written, none is sent.

Implements `calls.Carrier` without any transport, so there is nothing that could send. In: what a
lane asks. Out: the verdict `shadow`, or the refusal that the target itself would have met before
its first request: no address, no event, a value that cannot stand where it must.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from services.dispatcher.calls.calls import (
    SHADOWED,
    ActionCall,
    Deletion,
    Idempotency,
    ProfilePush,
    Verdict,
)
from services.dispatcher.platforms.compose import write_request
from services.dispatcher.platforms.deals import Account, Deal, Names, action_deal, push_deal
from services.dispatcher.platforms.one_by_one import OneByOne
from services.dispatcher.platforms.operation import Step
from services.dispatcher.platforms.render import Unrenderable

#: Stands for what an answer of the platform would have said, as a text or as a number.
_TOLD_LATER: Final = "0"


class ShadowCarrier(OneByOne):
    """One target that is rehearsed and never called."""

    def __init__(self, name: str, account: Account, names: Names, idempotency: Idempotency) -> None:
        self.name = name
        self.action_idempotency = idempotency
        self._account = account
        self._names = names

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: datetime) -> Verdict:
        """Write the requests of a profile push."""
        del budget
        deal = push_deal(self._account, self._names, push, now=now)
        return deal if isinstance(deal, Verdict) else rehearse(self._account, deal, at=now)

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Write the requests of an action."""
        del budget
        keyed = self.action_idempotency.kind == "key"
        deal = action_deal(self._account, self._names, call, keyed=keyed, now=now)
        return deal if isinstance(deal, Verdict) else rehearse(self._account, deal, at=now)

    async def erase(self, deletion: Deletion, *, budget: timedelta, now: datetime) -> Verdict:
        """Leave a deletion undone: it is asked again until a person does it, or shadow ends."""
        del deletion, budget, now
        return Verdict("park", "shadow: nothing is sent, a deletion neither")


def rehearse(account: Account, deal: Deal, *, at: datetime) -> Verdict:
    """Write every request of an operation, as far as can be told without an answer. Pure.

    Once a step takes something from an answer, what follows is written with a stand-in; that it
    cannot be written so says nothing.
    """
    names: dict[str, Any] = {**deal.names, "token": _TOLD_LATER}
    told = False
    for step in deal.operation.steps:
        if step.channels and deal.channel not in step.channels:
            continue
        lacking = next((kind for kind in step.needs if not names.get(kind)), None)
        if lacking and not told:
            return Verdict("reject", f"the customer has no {lacking}, which this platform needs")
        if lacking:
            continue
        try:
            write_request(account, deal, step, names, effect=deal.acts and step.acts, at=at)
        except Unrenderable as error:
            if not told:
                return Verdict("reject", str(error))
        names.update(_stand_ins(account, step))
        told = told or bool(step.extracted) or step.branch is not None
    return SHADOWED


def _stand_ins(account: Account, step: Step) -> dict[str, str]:
    """Stand in for what an answer would have told; a link stays on the target's own address."""
    links = {name for name in step.extracted if name in ("link", "href", "url")}
    base = account.base_url.rstrip("/")
    return {
        name: f"{base}/{_TOLD_LATER}" if name in links else _TOLD_LATER for name in step.extracted
    }
