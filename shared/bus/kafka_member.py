"""One consumer of aiokafka as a member of its group: it joins, is looked at, and leaves.

In: aiokafka's settings and the topics. Out: its `consumer` to read from, and a reason once that is
dead inside. Its private parts are asked for nowhere else: nothing public tells.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from shared.bus.kafka_watch import Watch
from shared.errors import DependencyAway

#: A request that hangs is a broker that is away.
DEADLINE_S: Final = 5.0


class Member:
    """One membership; `joining_s` and `idle_s` are `Watch`'s."""

    def __init__(
        self,
        settings: Mapping[str, object],
        topics: Sequence[str],
        listener: ConsumerRebalanceListener,
        *,
        joining_s: float,
        idle_s: float,
    ) -> None:
        self.consumer = AIOKafkaConsumer(**settings)
        self._topics = topics
        self._listener = listener
        self._watch = Watch(time.monotonic(), joining_s=joining_s, idle_s=idle_s)

    async def join(self) -> None:
        """Connect; the group is joined in the background while records are asked for.

        Raises `DependencyAway`, and then it has left again.
        """
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self.consumer.start()
        except (KafkaError, TimeoutError) as error:
            await self.leave()
            raise DependencyAway(f"Kafka: {type(error).__name__}") from None
        # After `start`, which would otherwise wait for an assignment without end.
        self.consumer.subscribe(self._topics, listener=self._listener)

    async def leave(self) -> None:
        """Leave the group within about 4 s, also with the broker away."""
        stop = asyncio.create_task(self.consumer.stop())
        done, _ = await asyncio.wait({stop}, timeout=3)
        if not done:
            stop.cancel()
            await asyncio.wait({stop}, timeout=0.5)
            await self.consumer._client.close()
        elif not stop.cancelled():
            stop.exception()  # a farewell that failed: the session lapses by itself

    def polled(self) -> None:
        """Note that records came."""
        self._watch.polled(time.monotonic())

    def led(self) -> bool:
        """Tell whether a broker leads the group.

        aiokafka says nothing: with the broker away it just has no records.
        """
        return self.consumer._coordinator.coordinator_id is not None

    async def dead(self, active: Sequence[TopicPartition]) -> str | None:
        """Say why it must be made anew, or None; `active` are the partitions it should read."""
        now, coordinator = time.monotonic(), self.consumer._coordinator
        reason = self._watch.verdict(
            now,
            ended=coordinator._coordination_task.done()
            or self.consumer._fetcher._fetch_task.done(),
            joining=not self.led() or coordinator._rejoin_needed_fut.done(),
        )
        if reason is not None or not self._watch.wants_ends(now):
            return reason
        try:
            async with asyncio.timeout(DEADLINE_S):
                ends = await self.consumer.end_offsets(active) if active else {}
        except (KafkaError, TimeoutError):
            return None  # then it is the broker that is away
        return self._watch.ends(now, {where: self._position(where) for where in active}, ends)

    def _position(self, where: TopicPartition) -> int:
        """Tell where a partition is read; -1 while that is not known, which may not last either."""
        assignment = self.consumer._subscription.subscription.assignment
        if assignment is None or where not in assignment.tps:
            return -1
        state = assignment.state_value(where)
        return int(state.position) if state.has_valid_position else -1
