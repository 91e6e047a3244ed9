"""Writing down what an operator asks for before it is done, within the time of a request.

In: the token that asks, the action and what it is about. Out: a durable row, or the 503 problem:
then nothing may be done. What these routes do is published or deleted in many transactions, so the
row says what was asked for, and the answer and the log say what became of it.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.keep.intake import Intake
from shared.audit.actions import Action
from shared.audit.chain import Value
from shared.audit.trail import Pen, Trail
from shared.http.auth import Token


class Ahead:
    """The audit record of one process."""

    def __init__(self, engine: AsyncEngine, intake: Intake, trail: Trail) -> None:
        self._engine = engine
        self._intake = intake
        self._trail = trail

    def pen(self, token: Token) -> Pen:
        """Take a pen in the name of who asks, for what has a transaction of its own."""
        return self._trail.pen(token.name, self._intake.clock())

    async def __call__(self, token: Token, action: Action, subject: str, **detail: Value) -> None:
        """Return when it is written down. Raises the 503 problem."""
        writing = self.pen(token).ahead(self._engine, action, subject, **detail)
        await self._intake.in_time(writing)
