"""A survey tool that sends many answers and repeats each until it is accepted, as real ones do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import httpx

from services.ingest.examples import SignedRequest
from tests.builders.waiting import eventually


async def send_all(
    url: str,
    requests: Sequence[SignedRequest],
    *,
    at_once: int = 24,
    milestones: Mapping[int, Callable[[], Awaitable[None]]] | None = None,
) -> list[httpx.Response]:
    """Post every request until it gets a 202; returns every other answer that came meanwhile.

    `milestones` are run when so many have been accepted, while others are still being sent.
    """
    refused: list[httpx.Response] = []
    accepted = 0
    pending = dict(milestones or {})
    queue = list(reversed(requests))
    limits = httpx.Limits(max_connections=at_once)

    async with httpx.AsyncClient(base_url=url, timeout=15, limits=limits) as client:

        async def deliver(request: SignedRequest) -> bool:
            try:
                answer = await client.post(
                    request.path, headers=request.headers, content=request.body
                )
            except httpx.TransportError:
                return False
            if answer.status_code != 202:
                refused.append(answer)
            return answer.status_code == 202

        async def sender() -> None:
            nonlocal accepted
            while queue:
                request = queue.pop()
                attempt = partial(deliver, request)
                await eventually(attempt, within=90, what="an accepted webhook")
                accepted += 1
                if event := pending.pop(accepted, None):
                    await event()

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(sender())
    assert not pending, f"milestones never reached: {sorted(pending)}"
    return refused
