"""A crowd whose answers come in pieces and out of order, and how each customer of it must end.

Each customer gives three answers, and each is told by two messages: the first, then one that adds
a comment and may correct the score. Her six messages come far apart, in an order that changes from
customer to customer. Two crowds of different names say the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.ingest.examples import Answer, SignedRequest, shop
from shared.events import envelope
from shared.events.decisions import CustomerDecided
from shared.events.vocabulary import Segment, Value

if TYPE_CHECKING:  # the load makes crowds, too, and would load all that a system needs
    from tests.builders.system import System

_ANSWERS: Final = 3
#: How many messages tell all of one customer; any further one repeats an earlier one.
MESSAGES: Final = 2 * _ANSWERS
_LAST_STATE: Final = """
    SELECT i.value, d.payload
    FROM segmenter.identifiers i
    LEFT JOIN segmenter.aliases a ON a.customer_id = i.customer_id
    CROSS JOIN LATERAL (
        SELECT payload FROM segmenter.decisions
        WHERE customer_id = coalesce(a.survivor_id, i.customer_id)
          AND version > 0 AND payload IS NOT NULL
        ORDER BY version DESC LIMIT 1
    ) AS d
    WHERE i.kind = 'external_id' AND starts_with(i.value, :prefix)
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a customer's profile says in the end."""

    segment: Segment | None
    score: int | None
    comment: str | None
    language: str | None
    attributes: Mapping[str, Value]
    responses: int
    answered_at: datetime | None


@dataclass(frozen=True)
class Crowd:
    """So many customers, who gave the last of their answers at `moment`."""

    name: str
    customers: int
    moment: datetime

    def email(self, customer: int) -> str:
        """Give one customer's address."""
        return f"{self.name}.{customer}@example.com"

    def message(self, number: int) -> Answer:
        """Make the message of this number."""
        customer, response, later = self.identity(number)
        answered_at = self._answered_at(response)
        return Answer(
            response_id=f"{self.name}-{customer}-{response}",
            score=_score(customer, response, later=later),
            comment=_comment(customer, response) if later else None,
            email=self.email(customer),
            external_id=f"{self.name}-{customer}",
            language="fr" if later else "en",
            answered_at=answered_at,
            updated_at=answered_at + timedelta(minutes=1) if later else answered_at,
            hidden={"plan": f"plan {response} {later}"},
        )

    def requests(self, numbers: Iterable[int], secret: str) -> list[SignedRequest]:
        """Sign the messages of these numbers."""
        return [shop(self.message(number), secret=secret) for number in numbers]

    def identity(self, number: int) -> tuple[int, int, bool]:
        """Tell which of all messages this is: customer, response, whether it is the second."""
        customer, turn = number % self.customers, number // self.customers
        later, response = divmod((turn + customer) % MESSAGES, _ANSWERS)
        return customer, response, bool(later)

    def endings(self, numbers: Iterable[int]) -> dict[int, Ending]:
        """Fold what these messages say; the order in which they came plays no part."""
        told: defaultdict[int, set[tuple[int, bool]]] = defaultdict(set)
        for number in numbers:
            customer, response, later = self.identity(number)
            told[customer].add((response, later))
        return {customer: self._ending(customer, said) for customer, said in told.items()}

    async def found(self, system: "System") -> dict[int, Ending]:
        """Read what the segmenter last decided about each customer of this crowd."""
        rows = await system.rows(_LAST_STATE, prefix=f"{self.name}-")
        return {int(row.value.rpartition("-")[2]): _read(row.payload) for row in rows}

    def _answered_at(self, response: int) -> datetime:
        return self.moment - timedelta(days=30 * (_ANSWERS - 1 - response))

    def _ending(self, customer: int, said: set[tuple[int, bool]]) -> Ending:
        scores: dict[int, int] = {}
        for response, later in sorted(said):
            score = _score(customer, response, later=later)
            if score is not None:
                scores[response] = score
        newest, last = max(said), max(scores, default=None)
        return Ending(
            segment=None if last is None else _segment(scores[last]),
            score=None if last is None else scores[last],
            comment=_comment(customer, last) if last is not None and (last, True) in said else None,
            language="fr" if newest[1] else "en",
            attributes={"plan": f"plan {newest[0]} {newest[1]}"},
            responses=len(scores),
            answered_at=None if last is None else self._answered_at(last),
        )


def _score(customer: int, response: int, *, later: bool) -> int | None:
    """Of every second answer the second message corrects the score; else it has none."""
    if later and (customer + response) % 2:
        return None
    return (customer + 4 * response + 5 * later) % 11


def _comment(customer: int, response: int) -> str:
    return f"said by {customer} for the {response}. time"


def _segment(score: int) -> Segment:
    return "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"


def _read(payload: str) -> Ending:
    decided = [envelope.decode(line.encode()).data for line in payload.splitlines()]
    (snapshot,) = [one.snapshot for one in decided if isinstance(one, CustomerDecided)]
    return Ending(
        segment=snapshot.segment,
        score=snapshot.score,
        comment=snapshot.comment,
        language=snapshot.language,
        attributes=snapshot.attributes,
        responses=snapshot.response_count,
        answered_at=snapshot.last_answered_at and snapshot.last_answered_at.astimezone(UTC),
    )
