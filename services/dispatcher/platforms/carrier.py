"""A target ready to be called: drives exchanges over a transport, with sign-in and quick retries.

In: `ProfilePush`, `ActionCall` or `Deletion`, a budget. Out: a `Verdict`, always within the budget.
Nothing here decides what an answer means (`verdict`) or what is asked (`exchange`): only when, and
how long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt, wait_random

from services.dispatcher.calls.calls import (
    ActionCall,
    Deletion,
    Heard,
    Idempotency,
    Inquiry,
    ProfilePush,
    Verdict,
)
from services.dispatcher.platforms import render
from services.dispatcher.platforms.auth import ClientCredentials
from services.dispatcher.platforms.deals import (
    Account,
    Deal,
    Names,
    action_deal,
    erase_deal,
    push_deal,
    status_deal,
)
from services.dispatcher.platforms.exchange import (
    Asked,
    SignIn,
    Told,
    ask_once,
    ask_status,
    exchange,
)
from services.dispatcher.platforms.halving import Halving
from services.dispatcher.platforms.inspection import Inspection
from services.dispatcher.platforms.operation import Operation, Step
from services.dispatcher.platforms.signin import Tokens
from services.dispatcher.platforms.status import read
from services.dispatcher.platforms.together import Member, batch_deal, gathered
from services.dispatcher.platforms.verdict import Failure
from services.dispatcher.platforms.wire import failure_of

#: Two quick repeats heal a dropped connection or a restarting instance; longer outages are rows.
_ATTEMPTS = 3
#: Seconds between them, at random, so that many workers do not knock together.
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.2, 1.0
#: Not worth beginning a request with less time than this.
_LEAST_S = 0.05


@dataclass(frozen=True, slots=True)
class _Tried:
    """One attempt's verdict, and whether another attempt could do harm."""

    verdict: Verdict
    repeatable: bool


class PlatformCarrier:
    """One target. Implements `calls.Carrier` for every preset."""

    def __init__(
        self,
        name: str,
        account: Account,
        names: Names,
        *,
        transport: httpx.AsyncBaseTransport,
        idempotency: Idempotency,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.action_idempotency = idempotency
        self._account = account
        self._names = names
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        auth = account.preset.auth
        self._tokens = (
            Tokens(auth, account.vars, self._sign_in, clock)
            if isinstance(auth, ClientCredentials)
            else None
        )

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: datetime) -> Verdict:
        """Bring the platform's profile to the wanted attributes (safe to repeat)."""
        deal = push_deal(self._account, self._names, push, now=now)
        return deal if isinstance(deal, Verdict) else await self._do(deal, budget)

    async def push_profiles(
        self, pushes: Sequence[ProfilePush], *, budget: timedelta, now: datetime
    ) -> list[Verdict]:
        """Push those of several customers by the preset's batch; each alone where it has none.

        A batch that is refused as a whole is cut in halves until who is refused is alone.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + budget.total_seconds()
        operation = self._account.preset.push_profile
        batch = None if operation is None else operation.batch
        halving = Halving(gathered(self._account, self._names, batch, pushes, now=now))
        while group := halving.following():
            left = until - loop.time()
            if left < _LEAST_S:
                break
            halving.heard(group, await self._push_group(group, timedelta(seconds=left), now))
        return halving.verdicts(len(pushes))

    async def _push_group(
        self, group: Sequence[Member], budget: timedelta, now: datetime
    ) -> Verdict:
        operation = self._account.preset.push_profile
        if len(group) == 1 or operation is None:
            return await self.push_profile(group[0].push, budget=budget, now=now)
        return await self._do(batch_deal(self._account, operation, group, now=now), budget)

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Trigger the action once; `in_doubt` when bytes left and no answer came."""
        deal = action_deal(
            self._account, self._names, call, keyed=self.action_idempotency.kind == "key", now=now
        )
        return deal if isinstance(deal, Verdict) else await self._do(deal, budget)

    async def erase(self, deletion: Deletion, *, budget: timedelta, now: datetime) -> Verdict:
        """Delete a person; `ok` also when the platform knows nobody by these names."""
        deal = erase_deal(self._account, deletion, now=now)
        return deal if isinstance(deal, Verdict) else await self._do(deal, budget)

    async def look(self, inspection: Inspection, *, budget: timedelta) -> httpx.Response | Verdict:
        """Ask one question that changes nothing: the good answer, or the verdict instead of it."""
        step = Step(id=inspection.id, request=inspection.request)
        deal = Deal(
            operation=Operation(success="ok", steps=(step,)),
            names=self._account.vars,
            acts=False,
            keyed=True,
            message_id="preflight",
        )
        return await self._hear(ask_once(self._account, deal, at=self._clock()), budget)

    async def inquire(self, inquiry: Inquiry, *, budget: timedelta, now: datetime) -> Heard:
        """Ask once what became of a message: whoever does not answer is asked another time."""
        deal = status_deal(self._account, inquiry, now=now)
        if isinstance(deal, Verdict):
            return Heard(deal)
        answer = await self._hear(ask_status(self._account, deal, at=self._clock()), budget)
        status = self._account.preset.status
        if isinstance(answer, Verdict) or status is None:
            return Heard(answer if isinstance(answer, Verdict) else Verdict("reject", "not asked"))
        return read(status, inquiry, answer, now)

    async def _hear(
        self, flow: Generator[Asked, Told, httpx.Response | Verdict], budget: timedelta
    ) -> httpx.Response | Verdict:
        """Drive a conversation that is only listened to."""
        until = asyncio.get_running_loop().time() + budget.total_seconds()
        try:
            asked = next(flow)
            while True:
                asked = flow.send(await self._tell(asked, until))
        except StopIteration as stop:
            answer: httpx.Response | Verdict = stop.value
            return answer

    def filled(self, inspection: Inspection) -> Inspection:
        """Put the account's vars where an inspection names them in what it looks for."""
        fields, known = inspection.fields, self._account.vars
        if fields is None:
            return inspection
        ours = tuple(render.text(name, known) for name in fields.ours)
        named = fields.model_copy(update={"at": render.text(fields.at, known), "ours": ours})
        return inspection.model_copy(update={"fields": named})

    async def close(self) -> None:
        """End what is under way and close the connections."""
        if self._tokens is not None:
            await self._tokens.close()
        await self._transport.aclose()

    async def _do(self, deal: Deal, budget: timedelta) -> Verdict:
        """Attempt, and attempt again while that is quick, harmless and promising."""
        loop = asyncio.get_running_loop()
        until = loop.time() + budget.total_seconds()

        doubts: list[str] = []

        async def attempt() -> _Tried:
            tried = await self._attempt(deal, until)
            if tried.verdict.outcome == "in_doubt":
                doubts.append(tried.verdict.reason)
            return tried

        def again(tried: _Tried) -> bool:
            outcome, wait = tried.verdict.outcome, tried.verdict.wait
            # The next attempt must have time left after the longest wait before it.
            in_time = until - loop.time() > _LONGEST_WAIT_S * 2
            return outcome in ("retry", "in_doubt") and not wait and tried.repeatable and in_time

        tried = await attempt()
        if again(tried):
            tried = await self._again(tried, attempt, again)
        verdict = tried.verdict
        if doubts and verdict.outcome not in ("ok", "accepted", "in_doubt"):
            # What a later attempt could not do, an earlier one may have done: only success ends it.
            # If the whole target is to wait, the next call hears that again.
            reason = f"{doubts[0]}; then {verdict.reason}"
            return Verdict("in_doubt", reason, verdict.wait, shown=verdict.shown)
        return verdict

    async def _again(
        self,
        first: _Tried,
        attempt: Callable[[], Awaitable[_Tried]],
        again: Callable[[_Tried], bool],
    ) -> _Tried:
        """Repeat quickly after a first attempt; nearly no call comes here, and pays for it."""
        tried_before = [first]

        async def next_attempt() -> _Tried:
            return tried_before.pop() if tried_before else await attempt()

        # One object per call: a shared one mixes up the state of concurrent calls.
        retrying = AsyncRetrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random(_SHORTEST_WAIT_S, _LONGEST_WAIT_S),
            retry=retry_if_result(again),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
            sleep=self._sleep,
        )
        tried: _Tried = await retrying(next_attempt)
        return tried

    async def _attempt(self, deal: Deal, until: float) -> _Tried:
        """Hold the exchange once, from its beginning."""
        flow = exchange(self._account, deal, at=self._clock())
        repeatable = True
        try:
            asked = next(flow)
            while True:
                if self._too_late(asked, deal):
                    return _Tried(Verdict("retry", "the deadline came before the call"), False)
                told = await self._tell(asked, until)
                if isinstance(asked, httpx.Request) and asked.extensions["effect"]:
                    # Only what certainly never left us may be sent again without a second thought.
                    never_left = isinstance(told, Failure) and told.phase == "connect"
                    repeatable = deal.keyed or never_left
                asked = flow.send(told)
        except StopIteration as stop:
            return _Tried(stop.value, repeatable)

    def _too_late(self, asked: Asked, deal: Deal) -> bool:
        """Tell whether sign-in, steps or retries took until the message had become wrong."""
        effect = isinstance(asked, httpx.Request) and bool(asked.extensions["effect"])
        return effect and deal.deadline is not None and self._clock() >= deal.deadline

    async def _tell(self, asked: Asked, until: float) -> Told:
        if isinstance(asked, httpx.Request):
            return await self._call(asked, until - asyncio.get_running_loop().time())
        return await self._token(asked, until - asyncio.get_running_loop().time())

    async def _token(self, asked: SignIn, left_s: float) -> Told:
        if self._tokens is None:
            raise TypeError("only a preset that signs in asks for tokens")
        try:
            async with asyncio.timeout(left_s):
                return await self._tokens.get(stale=asked.stale)
        except TimeoutError:
            return Verdict("retry", "sign-in: no answer in time")

    async def _sign_in(self, request: httpx.Request) -> httpx.Response | Failure:
        """Make the shared sign-in call, under its own time and not that of who came first."""
        limits = self._account.preset.limits
        return await self._call(request, limits.connect_s + limits.answer_s)

    async def _call(self, request: httpx.Request, left_s: float) -> httpx.Response | Failure:
        """Make one call within `left_s`; tells by phase what went wrong."""
        if left_s < _LEAST_S:
            return Failure("connect", "no time left for this call")
        limits = self._account.preset.limits
        total = min(left_s, limits.connect_s + limits.answer_s)
        request.extensions["timeout"] = {
            "connect": min(total, limits.connect_s),
            "read": limits.answer_s,
            "write": limits.answer_s,
            "pool": min(total, limits.connect_s),
            "total": total,
        }
        try:
            # The wire ends by itself and knows the phase; this is for a transport that does not.
            async with asyncio.timeout(total + _LEAST_S):
                response = await self._transport.handle_async_request(request)
                await response.aread()
        except httpx.TransportError as error:
            return failure_of(error)
        except TimeoutError:
            return Failure("sent", "no answer in time")
        return response
