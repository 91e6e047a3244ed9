"""Be a service that is killed around one publish or call: `python -m tests.faults.crashing`.

Arguments: service, `before`, `after` or `closed` and an event type, or `claimed` or `sent` and a
target, and how many seconds its clock is ahead. The process kills itself (SIGKILL, as a power cut
would) around its first publish of an event of that type: `before` falls between the commit of the
work and its telling, `after` between the telling and its closing, `closed` (of due timers) as soon
as that is committed. Of the first action at the target, `claimed` falls between the claim and the
send, `sent` between the send and its record.
"""

import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module

import orjson

from services.dispatcher.calls.calls import ActionCall, Verdict
from services.dispatcher.platforms.carrier import PlatformCarrier
from services.segmenter.store.timers import Timers
from shared.bus.port import Bus, Consumer, Message, Publisher, Record
from shared.hosting import Part
from shared.observe import configure_logging
from shared.process import Build, Context, read_settings, run_or_explain, serve


class CrashingPublisher:
    """Publishes until an event of the type passes, then ends the process without a word."""

    def __init__(self, inner: Publisher, when: str, event_type: str) -> None:
        self._inner = inner
        self._when = when
        self._type = event_type

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, dying before or after."""
        fatal = any(orjson.loads(message.value).get("type") == self._type for message in messages)
        if fatal and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await self._inner.publish(messages)
        if fatal and self._when == "after":
            os.kill(os.getpid(), signal.SIGKILL)


class CrashingBus:
    """A bus whose publisher is the crashing one."""

    def __init__(self, inner: Bus, when: str, event_type: str) -> None:
        self._inner = inner
        self.publisher: Publisher = CrashingPublisher(inner.publisher, when, event_type)

    async def subscribe(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join as the inner bus does."""
        return await self._inner.subscribe(group, topics)

    def read(self, topic: str) -> AsyncGenerator[Record, None]:
        """Read as the inner bus does."""
        return self._inner.read(topic)

    async def check(self) -> None:
        """Compare as the inner bus does."""
        await self._inner.check()

    async def close(self) -> None:
        """Close the inner bus."""
        await self._inner.close()


def die_when_closed() -> None:
    """Let the loop of timers end the process once it has closed what it told."""
    tell_due = Timers.tell_due

    async def tell_and_die(timers: Timers) -> int:
        told = await tell_due(timers)
        if told:
            os.kill(os.getpid(), signal.SIGKILL)
        return told

    setattr(Timers, "tell_due", tell_and_die)  # noqa: B010 - a method is not assigned to


def die_around_a_call(when: str, target: str) -> None:
    """Let the carrier of one target end the process before its first action, or right after it."""
    act = PlatformCarrier.act

    async def act_and_die(
        carrier: PlatformCarrier, call: ActionCall, *, budget: timedelta, now: datetime
    ) -> Verdict:
        if carrier.name == target and when == "claimed":
            os.kill(os.getpid(), signal.SIGKILL)
        verdict = await act(carrier, call, budget=budget, now=now)
        if carrier.name == target:
            os.kill(os.getpid(), signal.SIGKILL)
        return verdict

    setattr(PlatformCarrier, "act", act_and_die)  # noqa: B010 - a method is not assigned to


async def main(service: str, when: str, event_type: str, ahead_s: str = "0") -> None:
    """Serve one service with the crashing bus."""
    settings = read_settings()
    configure_logging(settings.log_level)
    build: Build = import_module(f"services.{service}.__main__").build
    ahead = timedelta(seconds=float(ahead_s))
    if when == "closed":
        die_when_closed()
    if when in {"claimed", "sent"}:
        die_around_a_call(when, event_type)

    async def crashing(context: Context) -> Part:
        bus = CrashingBus(context.bus, when, event_type)
        return await build(replace(context, bus=bus, clock=lambda: context.clock() + ahead))

    await serve(settings, [crashing])


if __name__ == "__main__":
    run_or_explain(lambda: main(*sys.argv[1:]))
