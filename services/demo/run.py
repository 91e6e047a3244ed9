"""`make demo`: feed a running instance, wait until everything has settled, tell what happened.

In: the instance's address, and an environment with its secrets and token. Out: tables, or JSON with
fixed counts; the exit code is 0 if all counts are as bundled, 1 if one differs. It may run at any
hour and as often as one likes: later runs tell the same answers again and add no contact.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx
import orjson
import typer
from rich.console import Console

from services.demo.data import Case, Counts, Response, Source, cases, expected, responses
from services.demo.instance import Instance
from services.demo.outcome import (
    Facts,
    case_differences,
    contact_differences,
    count,
    differences,
)
from services.demo.tables import show
from services.demo.webhooks import secrets_of, tampered, webhook
from services.ingest.examples import SignedRequest
from shared.errors import ConfigError
from shared.times import utc_now

#: Requests at once: enough to be quick, few enough not to be a load test.
_AT_ONCE: Final = 12
#: How long everything together may take to settle; an undisturbed instance needs a tenth of it.
_DEADLINE_S: Final = 90.0
_LOOK_AGAIN_S: Final = 0.5
#: Calls among which the last profile push is found, though alerts and messages come after it.
_RECENT: Final = 200
_TOKEN: Final = "NPS_TOKEN_OPERATOR"  # noqa: S105 - its name


async def run_demo(base_url: str, environ: Mapping[str, str], *, json_output: bool) -> int:
    """Run the demo against an instance; returns the exit code.

    `environ` holds `NPS_SECRET_…` of the three sources and `NPS_TOKEN_OPERATOR` (scope `read`).
    Raises `ConfigError` if one is missing or no instance answers.
    """
    secrets = secrets_of(environ)
    if not environ.get(_TOKEN):
        raise ConfigError(f"{_TOKEN}: not set and not in the data folder")
    limits = httpx.Limits(max_connections=_AT_ONCE)
    async with httpx.AsyncClient(base_url=base_url, timeout=30, limits=limits) as client:
        instance = Instance(client, environ[_TOKEN])
        await instance.check()
        demo = _Demo(instance, secrets, utc_now())
        console = Console(stderr=json_output)
        with console.status("Posting invented survey responses …"):
            effects = await demo.run()
    found = count(demo.facts)
    wrong = differences(expected(), found)
    wrong += [line for case in demo.cases for line in case_differences(case, demo.facts)]
    wrong += contact_differences(
        demo.facts, effects, since=demo.now, first=demo.first, accepted=_accepted(found)
    )
    if json_output:
        typer.echo(_as_json(found, wrong))
    else:
        show(console, demo.facts, demo.cases, found, wrong, added=len(effects), base_url=base_url)
    return 1 if wrong else 0


def _accepted(found: Counts) -> int:
    return sum(n for name, n in found.deliveries.items() if name.endswith(": accepted"))


def _as_json(found: Counts, wrong: Sequence[str]) -> str:
    content = {"counts": found.model_dump(), "differences": list(wrong)}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


@dataclass(slots=True)
class _Demo:
    """One run. `now` is the moment to which all answer times are relative."""

    instance: Instance
    secrets: Mapping[Source, str]
    now: datetime
    facts: Facts = field(default_factory=Facts)
    ordinary: Sequence[Response] = field(default_factory=responses)
    cases: Sequence[Case] = field(default_factory=cases)
    first: bool | None = None
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _end: float = 0.0

    async def run(self) -> Sequence[str]:
        """Post all and wait; returns the deliveries that the sandbox performed in this run."""
        self._end = time.monotonic() + _DEADLINE_S
        self.first = await self._is_first()
        newest = max((call.number for call in await self.instance.received(1)), default=0)
        *others, last = self.ordinary
        await asyncio.gather(
            *(self._post_ordinary(response) for response in others),
            *(self._post_case(case) for case in self.cases),
        )
        # The last goes alone: once its profile has arrived, so has the work of all before it.
        await self._post_ordinary(last)
        await self._wait_for_push(last.email, newest)
        await self._settle()
        ours = {customer.id for customer in self.facts.customers.values() if customer}
        return [
            call.delivery
            for call in await self.instance.received()
            if call.delivery and call.effect and call.number > newest and call.customer in ours
        ]

    async def _is_first(self) -> bool | None:
        """Tell by the special cases' customers whether the demo ran here before; None: in part."""
        await self._look(case.email for case in self.cases)
        known = [case for case in self.cases if self.facts.customers[case.email]]
        due = [case for case in self.cases if any(p.answer == "accepted" for p in case.posts)]
        return {0: True, len(due): False}.get(len(known))

    async def _post_ordinary(self, response: Response) -> None:
        await self._post(response.email, webhook(response, self.secrets, self.now))

    async def _post_case(self, case: Case) -> None:
        """Post one after the other, each when the one before has had its effect."""
        for place, post in enumerate(case.posts):
            if place:
                await self._wait_for(case.email)
            await self._post(case.email, tampered(post, self.secrets, self.now))

    async def _post(self, email: str, request: SignedRequest) -> None:
        async with self._slots:
            answer = await self.instance.post(request)
        self.facts.answers.setdefault(email, []).append(answer)

    async def _wait_for(self, email: str) -> None:
        while time.monotonic() < self._end:
            await self._look([email])
            if self.facts.settled(email):
                return
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _wait_for_push(self, email: str, newest: int) -> None:
        """Wait until the sandbox received this customer's profile after the call `newest`."""
        while time.monotonic() < self._end:
            customer = await self.instance.find(email)
            for call in await self.instance.received(_RECENT):
                if customer and call.customer == customer.id and call.number > newest:
                    return
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _settle(self) -> None:
        """Look until all counts are as expected, or the time is over."""
        wanted = expected()
        emails = [r.email for r in self.ordinary] + [case.email for case in self.cases]
        await self._look(emails)
        while True:
            self.facts.quarantined = frozenset(await self.instance.quarantined())
            if not differences(wanted, count(self.facts)) or time.monotonic() > self._end:
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
            await self._look(email for email in emails if not self.facts.settled(email))

    async def _look(self, emails: Iterable[str]) -> None:
        await asyncio.gather(*(self._look_at(email) for email in emails))

    async def _look_at(self, email: str) -> None:
        async with self._slots:
            customer = await self.instance.find(email)
            rows = await self.instance.deliveries(customer.id) if customer else ()
        self.facts.customers[email] = customer
        self.facts.deliveries[email] = rows
