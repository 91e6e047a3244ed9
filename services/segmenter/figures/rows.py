"""The rows of `answers` that a batch changes: one per response, all its messages merged. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.segmenter.profile.state import BAND, Answer, Response
from services.segmenter.store.rows import Changes
from shared.events.feedback import Metric, ResponseReceived
from shared.events.vocabulary import Value

#: Her own words are read at the customer, not counted: they stay in the profile and the facts.
OWN_WORDS: Final = frozenset({"comment", "liked_least", "improve", "liked_most", "why"})
_UNCOUNTED: Final = OWN_WORDS | {BAND}
#: An answer that many can give is short; a longer one is a text of her own.
LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One row; `customer_id` is the owner of its newest message, before any alias."""

    source: str
    survey: str
    response_id: str
    customer_id: UUID
    metric: Metric
    score: int | None
    answered_at: datetime
    complete: bool
    history: bool
    said: Mapping[str, Value]

    @property
    def key(self) -> tuple[str, str, str]:
        """What the response is known by, for ever."""
        return self.source, self.survey, self.response_id


def changed_answers(changes: Changes) -> list[AnswerRow]:
    """List the responses that a batch changed as they are after it, in the order of their keys."""
    decided = {decision.event_id: decision.customer_id for decision in changes.decisions}
    kept = {gone: survivor for gone, survivor, _ in changes.aliases}
    found: dict[tuple[str, str, str], AnswerRow] = {}
    for owner, fact in changes.facts:
        customer_id = decided.get(fact.event_id)
        if customer_id is None or not isinstance(fact.data, ResponseReceived):
            continue  # an earlier copy of what was known, which changed nothing
        while customer_id in kept:  # merged away by a later event of the batch
            customer_id = kept[customer_id]
        customer = changes.customers.get(customer_id)
        response = customer.profile.responses.get(fact.identity) if customer else None
        if response is not None:  # none: erased later in the batch
            row = _row(response, owner)
            found[row.key] = row
    return [found[key] for key in sorted(found)]


def _row(response: Response, owner: UUID) -> AnswerRow:
    return AnswerRow(
        response.source,
        response.survey,
        response.response_id,
        owner,
        response.metric,
        response.score,
        response.answered_at,
        response.complete,
        response.history,
        dict(_countable(response.answers)),
    )


def _countable(answers: Mapping[str, Answer]) -> Iterator[tuple[str, Value]]:
    for name, answer in answers.items():
        value = answer.value
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if value is None or name in _UNCOUNTED or any(len(text) > LONGEST for text in texts):
            continue
        yield name, value
