"""A base of customers and a backlog of events about them, made before anything is measured.

In: how many. Out: rows as the segmenter itself would have written them (each customer with one
answer, an address and a customer number), and records on its input topic: answers of random
customers, of which two in five carry a comment of 25 words.
"""

import asyncio
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.segmenter.profile.facts import fact_of
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import dump
from shared import identifiers
from shared.bus.port import Message, Publisher
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import ResponseReceived
from shared.events.vocabulary import Identifier

WITH_COMMENT: Final = 0.4
_KEY: Final = b"route key of the bench"
#: 25 words each, of every theme and of none, so that no cache knows them all.
_WORDS: Final = (  # noqa: SIM905 - sixty words are easier to read so
    "livraison colis retard produit qualité prix facture service conseiller équipe "
    "magasin commande écran batterie application panne remboursement réclamation "
    "accueil créneau transporteur carton semaine hier toujours jamais vraiment assez "
    "trop peu très bien mal rapide lent cher correct gentil efficace cassé neuf "
    "propre simple compliqué agréable déçu content satisfait parfait mais et donc car "
    "avec sans pour chez dans depuis encore avant après pendant aussi surtout "
).split()
#: Rows made in one statement: a statement of a million would hold the server's memory.
_STEP: Final = 100_000
_AT_ONCE: Final = 500
#: More than are ever poured; their ids are told apart by the turn.
_NO_END: Final = 10_000_000
_SEED: Final = """
    INSERT INTO segmenter.profiles (customer_id, created_at, version, state)
    SELECT CAST(md5('bench ' || n) AS uuid), :at, 1,
           CAST(replace(:state, '00000000', lpad(CAST(n AS text), 8, '0')) AS jsonb)
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""
_KEYS: Final = """
    INSERT INTO segmenter.identifiers (kind, value, customer_id)
    SELECT kind, replace(value, '00000000', lpad(CAST(n AS text), 8, '0')),
           CAST(md5('bench ' || n) AS uuid)
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n,
         (VALUES ('email', 'client.00000000@example.com'), ('external_id', 'C-00000000'))
             AS k (kind, value)
"""


def people(number: int) -> tuple[Identifier, ...]:
    """Name the customer of this number, as ingest normalises her."""
    found = (
        identifiers.external_id(f"C-{number:08d}"),
        identifiers.AS_SAID.email(f"client.{number:08d}@example.com"),
    )
    return tuple(identifier for identifier in found if identifier)


async def seed(database: str, customers: int, at: datetime) -> None:
    """Write the base; `database` is the address of its owner."""
    state = dump(rebuild([fact_of(_answer(0, 0, at, None))]))
    engine = create_async_engine(database, poolclass=NullPool)
    try:
        for first in range(1, customers + 1, _STEP):
            span = {"first": first, "last": min(customers, first + _STEP - 1)}
            async with engine.begin() as connection:
                await connection.execute(text(_SEED), {**span, "at": at, "state": state})
                await connection.execute(text(_KEYS), span)
        async with engine.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await plain.execute(text("VACUUM ANALYZE segmenter.profiles, segmenter.identifiers"))
    finally:
        await engine.dispose()


async def fill(publisher: Publisher, customers: int, events: int, turn: int, at: datetime) -> None:
    """Put a backlog on the bus; each `turn` has answers of its own."""
    waiting: list[Message] = []
    for event in _events(customers, events, turn, at):
        route = identifiers.route(_KEY, event.data.identifiers)
        waiting.append(Message(FEEDBACK, route, encode(event)))
        if len(waiting) == _AT_ONCE:
            await publisher.publish(waiting)
            waiting = []
            await asyncio.sleep(0)
    await publisher.publish(waiting)


async def pour(publisher: Publisher, customers: int, per_s: float, turn: int, at: datetime) -> None:
    """Put answers on the bus evenly, one by one, until cancelled."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, event in enumerate(_events(customers, _NO_END, turn, at)):
        await asyncio.sleep(max(0.0, began + number / per_s - loop.time()))
        route = identifiers.route(_KEY, event.data.identifiers)
        await publisher.publish([Message(FEEDBACK, route, encode(event))])


class _Answered(Event):
    data: ResponseReceived


def _events(customers: int, events: int, turn: int, at: datetime) -> Iterator[_Answered]:
    chance = random.Random(turn)
    for number in range(events):
        comment = None
        if chance.random() < WITH_COMMENT:
            comment = " ".join(chance.choices(_WORDS, k=25))
        customer = chance.randint(1, customers)
        yield _answer(customer, turn * events + number, at, comment, chance.randint(0, 10))


def _answer(
    customer: int, number: int, at: datetime, comment: str | None, score: int = 8
) -> _Answered:
    answered_at = at + timedelta(milliseconds=number)
    data = ResponseReceived(
        source="shop",
        survey="relational",
        response_id=f"B-{number:010d}",
        answered_at=answered_at,
        answered_at_origin="platform",
        received_at=answered_at,
        complete=True,
        identifiers=people(customer),
        answers={"score": score, "language": "fr", **({"comment": comment} if comment else {})},
        attributes={"plan": "premium", "first_name": "Camille"},
    )
    return _Answered(UUID(int=number + 1), "shop", answered_at, data)
