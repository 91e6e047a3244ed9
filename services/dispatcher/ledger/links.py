"""Who is merged into whom, whatever was told first. Pure.

In: of each customer what was told last, a merge or its undoing. Out: the last survivor of each. Of
two tellings about one customer the later moment counts; so the same tellings in any order, and
twice, end the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Link:
    """Since `at`, `customer_id` is part of `into`; None: she is somebody of her own."""

    customer_id: UUID
    into: UUID | None
    at: datetime


def roots(customers: Iterable[UUID], links: Iterable[Link]) -> dict[UUID, UUID]:
    """Lead from each customer to the one who stands for her (herself, if merged into nobody).

    Between a merge and an undoing not heard of yet, links may form a ring: the oldest of it gives.
    """
    into: dict[UUID, UUID] = {}
    for link in sorted(links, key=lambda link: (link.at, link.customer_id), reverse=True):
        if link.into is not None and _root(link.into, into) != link.customer_id:
            into[link.customer_id] = link.into
    return {customer_id: _root(customer_id, into) for customer_id in customers}


def _root(customer_id: UUID, into: dict[UUID, UUID]) -> UUID:
    while customer_id in into:
        customer_id = into[customer_id]
    return customer_id
