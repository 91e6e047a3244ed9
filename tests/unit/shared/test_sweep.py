"""The sweep over connections: all that are overdue are ended, and never thousands in one go."""

import asyncio
from math import inf

from shared.http.sweep import Sweep
from tests.builders.waiting import eventually

MANY = 100


class Turns:
    """Counts the turns of the loop while it goes; `begun` once a connection was told."""

    def __init__(self) -> None:
        self.number = 0
        self.going = True
        self.begun = asyncio.Event()
        self._next()

    def _next(self) -> None:
        self.number += 1
        if self.going:
            asyncio.get_running_loop().call_soon(self._next)


class Connection:
    """Overdue from the start; notes the turns of the loop in which it was told so."""

    def __init__(self, turns: Turns, due: float = 0.0) -> None:
        self.due = due
        self.stuck_until = inf
        self.told: list[int] = []
        self._turns = turns

    def overdue(self, _now: float) -> None:
        self.told.append(self._turns.number)
        self._turns.begun.set()
        self.due = inf


async def test_many_overdue_connections_leave_turns_to_others_between_them() -> None:
    """Each is told once; never more than a few in one turn, for the requests in between."""
    turns, sweep = Turns(), Sweep(every_s=0.001)
    connections = [Connection(turns) for _ in range(MANY)]
    patient = Connection(turns, due=inf)
    for connection in (*connections, patient):
        sweep.add(connection, asyncio.get_running_loop())

    async def all_told() -> bool:
        return all(connection.told for connection in connections)

    await eventually(all_told, what="every overdue connection told")
    turns.going = False
    for connection in (*connections, patient):
        sweep.remove(connection)
    told = [turn for connection in connections for turn in connection.told]
    assert len(told) == MANY
    assert max(map(told.count, told)) <= 16
    assert patient.told == []


async def test_a_connection_that_ended_meanwhile_is_left_alone() -> None:
    """Of those that wait for their turn to be ended, some go by themselves."""
    turns, sweep = Turns(), Sweep(every_s=0.001)
    connections = [Connection(turns) for _ in range(MANY)]
    for connection in connections:
        sweep.add(connection, asyncio.get_running_loop())

    await turns.begun.wait()
    untold = [connection for connection in connections if not connection.told]
    last = Connection(turns)
    for connection in connections:
        sweep.remove(connection)
    sweep.add(last, asyncio.get_running_loop())

    async def looked_again() -> bool:
        return bool(last.told)

    await eventually(looked_again, what="the next look")
    turns.going = False
    sweep.remove(last)
    assert untold
    assert not any(connection.told for connection in untold)
