"""The read API: one customer whole, and the search by an identifier (in the body only).

In: bearer tokens with the scope `read`. Out: `views`, or a problem document without personal data.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.showing import customer_view, found_view
from services.segmenter.api.views import CustomerView, FoundCustomer
from services.segmenter.decide.decide import Rulebook
from services.segmenter.store import reading
from shared.database import away_as_dependency
from shared.events.vocabulary import IdentifierKind
from shared.http.auth import Access
from shared.http.problems import Problem
from shared.http.routing import guarded
from shared.identifiers import Rules

_Text = Annotated[str, Field(min_length=1, max_length=512)]


class Search(BaseModel):
    """Whom to look for: one identifier or several; a customer matches by any of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    external_id: _Text | None = None
    email: _Text | None = None
    phone: _Text | None = None


class Found(BaseModel):
    """The customers found."""

    customers: tuple[FoundCustomer, ...]


def make_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    rules: Rules,
) -> APIRouter:
    """Build the routes below `/v1/customers`; `rules` normalise what is looked for."""
    router = guarded(access, "read", "customers", prefix="/v1/customers")

    @router.get("/{customer_id}", responses={404: {"description": "No customer has this id"}})
    async def customer(customer_id: UUID) -> CustomerView:
        """Show one customer: profile, answers, decisions with reasons, contacts, cases, next dates.

        An id that was merged into another answers with the survivor.
        """
        with away_as_dependency():
            async with engine.connect() as connection:
                row = await reading.customer(connection, customer_id)
        if row is None or not row.customer.profile.known:
            raise Problem(404, "unknown-customer", "no customer has this id")
        found = row.customer
        return customer_view(
            found.profile,
            rulebook,
            clock(),
            customer_id=found.customer_id,
            aliases=row.aliases,
            version=found.version,
            created_at=found.created_at,
            decisions=row.decisions,
            deliveries=row.deliveries,
        )

    @router.post("/search")
    async def search(wanted: Search) -> Found:
        """Find customers by an identifier."""
        keys = search_keys(wanted, rules)
        with away_as_dependency():
            async with engine.connect() as connection:
                customers = await reading.by_identifiers(connection, keys)
        return Found(
            customers=tuple(
                found_view(customer.customer_id, customer.profile, rulebook)
                for customer in customers
            )
        )

    return router


_KINDS: Final[tuple[IdentifierKind, ...]] = ("external_id", "email", "phone")


def search_keys(wanted: Search, rules: Rules) -> list[tuple[str, str]]:
    """Normalise what is looked for. Raises `Problem`."""
    keys: list[tuple[str, str]] = []
    for kind in _KINDS:
        value = getattr(wanted, kind)
        if value is None:
            continue
        # Also as it was written before the plus policy changed: what is kept keeps its key.
        spellings = () if "\x00" in value else rules.spellings(kind, value)
        if not spellings:
            raise Problem(422, "invalid-identifier", f"correct `{kind}`: it is no valid {kind}")
        keys += [(identifier.kind, identifier.value) for identifier in spellings]
    if not keys:
        raise Problem(422, "invalid-request", "give external_id, email or phone")
    return keys
