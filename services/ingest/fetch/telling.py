"""What was fetched is told: published once, or put in quarantine, or not counted.

In: documents. Out: what became of each, once it is durable. The same document read again (by its
own message, together with others, by reconciling) is the same event, and is not published again
for as long as it is remembered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from services.ingest.fetch import fetched
from services.ingest.fetch.accounts import Accounts
from services.ingest.fetch.fetched import KEPT_TYPE, Document
from services.ingest.fetch.recipe import Recipe
from services.ingest.fetch.sight import Fate, FetchSight
from services.ingest.keep.bodies_table import Body
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.tombstones import Tombstones
from services.ingest.mapper.mapping import Mapping as CompiledMapping
from services.ingest.told import Ignored, Outcome, Thin, Told, Translated, Unmappable
from services.ingest.translate import happened, named
from shared import identifiers
from shared.errors import DependencyAway, RecordTooLarge
from shared.events.feedback import ResponseReceived
from shared.events.vocabulary import Identifier
from shared.http.problems import Problem

#: What one publication takes; a page of a platform may hold more.
_AT_ONCE: Final = 500
#: Documents mapped in one go: a few milliseconds.
_BREATH: Final = 20
_TOO_LARGE: Final = Unmappable("*", "too large for the bus once mapped")


class Telling:
    """Makes fetched documents durable. Every call raises `DependencyAway` if it cannot.

    `publish` puts events on the bus or into the spool, and raises the 503 problem otherwise;
    `whom` marks identifiers as an erasure names them; `keep` takes what was understood, to be
    mapped again some day. What is erased is neither told nor kept.
    """

    def __init__(
        self,
        *,
        publish: Callable[[Sequence[Told]], Awaitable[None]],
        quarantine: Quarantine,
        accounts: Accounts,
        tombstones: Tombstones,
        whom: Callable[[Sequence[Identifier]], tuple[str, ...]],
        keep: Callable[[Body], None],
        sight: FetchSight,
    ) -> None:
        self._publish = publish
        self._quarantine = quarantine
        self._accounts = accounts
        self._tombstones = tombstones
        self._whom = whom
        self._keep = keep
        self._sight = sight

    async def tell(
        self,
        recipe: Recipe,
        mapping: CompiledMapping,
        documents: Sequence[Document],
        now: datetime,
    ) -> list[Fate]:
        """Tell documents read at `now`; returns the fate of each."""
        fates: list[Fate] = []
        for start in range(0, len(documents), _AT_ONCE):
            some = documents[start : start + _AT_ONCE]
            fates += await self._tell(recipe, mapping, some, now)
        for fate in fates:
            self._sight.became(recipe.source, fate)
        self._tombstones.stopped("fetch", fates.count("erased"))
        return fates

    async def erased(self, source: str, thins: Sequence[Thin]) -> list[bool]:
        """Tell for which messages nothing may be fetched."""
        erased = await self._tombstones.erased_thins(source, thins)
        self._tombstones.stopped("fetch", erased.count(True))
        return erased

    async def give_up(
        self, recipe: Recipe, thin: Thin, path: str, rule: str, now: datetime
    ) -> None:
        """Put a response that cannot be fetched in quarantine, as what was asked for."""
        asked = fetched.asked_of(thin)
        response = identifiers.response(recipe.source, thin.survey, thin.response_id)
        await self._quarantine.put(
            source=recipe.source,
            body=fetched.kept(asked),
            secrets=recipe.secrets,
            content_type=KEPT_TYPE,
            received_at=now,
            path=path,
            rule=rule,
            mapping=recipe.version,
            people=self._whom([response, *fetched.named_by(recipe.mapping, asked)]),
            said_at=thin.occurred_at,
        )
        self._sight.became(recipe.source, "gave_up")

    async def _tell(
        self, recipe: Recipe, mapping: CompiledMapping, documents: Sequence[Document], now: datetime
    ) -> list[Fate]:
        outcomes: list[Outcome] = []
        for place, document in enumerate(documents):
            if place % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)  # requests are served by the same loop
            outcomes.append(fetched.outcome(mapping, document, now))
        told = [one.told for one in outcomes if isinstance(one, Translated)]
        known = await self._accounts.known([one.event.id for one in told]) if told else set()
        unknown = [one for one in told if one.event.id not in known]
        erased = await self._tombstones.erased(unknown)
        new = [one for one in unknown if one.event.id not in erased]
        refused = await self._made_durable(new)
        if new:
            await self._accounts.remember([one.event.id for one in new], now)
        fates: list[Fate] = []
        for document, found in zip(documents, outcomes, strict=True):
            outcome: Outcome = found
            if isinstance(found, Translated) and found.told.event.id in refused:
                outcome = _TOO_LARGE
            if isinstance(outcome, Unmappable):
                kept = await self._set_aside(recipe, mapping, document, outcome, now)
                fates.append("quarantined" if kept else "erased")
            elif isinstance(outcome, Ignored):
                fates.append("ignored")
            elif isinstance(outcome, Translated) and outcome.told.event.id in erased:
                fates.append("erased")
            else:
                assert isinstance(outcome, Translated)  # noqa: S101 - a fetched document is whole
                again = outcome.told.event.id in known
                if not again:
                    self._keep(self._body(recipe, document, outcome.told, now))
                fates.append("known" if again else "told")
        return fates

    def _body(self, recipe: Recipe, document: Document, told: Told, now: datetime) -> Body:
        data = told.event.data
        assert isinstance(data, ResponseReceived)  # noqa: S101 - as the recipe was compiled
        return Body(
            source=recipe.source,
            received_at=now,
            mapping=recipe.version,
            body=fetched.kept(document.asked, document.payload.body),
            content_type=KEPT_TYPE,
            survey=data.survey,
            response_id=data.response_id,
            event_ids=(told.event.id,),
            people=self._whom(told.identifiers),
            said_at=told.event.time,
            secrets=recipe.secrets,
        )

    async def _made_durable(self, told: Sequence[Told]) -> set[object]:
        """Publish; returns the ids of events that no record can hold."""
        if not told:
            return set()
        refused: set[object] = set()
        try:
            await self._publish(told)
        except RecordTooLarge:
            for one in told:
                try:
                    await self._publish([one])
                except RecordTooLarge:
                    refused.add(one.event.id)
                except Problem as problem:
                    raise DependencyAway("bus and spool") from problem
        except Problem as problem:
            raise DependencyAway("bus and spool") from problem
        return refused

    async def _set_aside(
        self,
        recipe: Recipe,
        mapping: CompiledMapping,
        document: Document,
        why: Unmappable,
        now: datetime,
    ) -> bool:
        """Tell whether it was kept."""
        row_id = await self._quarantine.put(
            source=recipe.source,
            body=fetched.kept(document.asked, document.payload.body),
            secrets=recipe.secrets,
            content_type=KEPT_TYPE,
            received_at=now,
            path=why.path,
            rule=why.rule,
            mapping=recipe.version,
            people=self._whom(named(mapping, document.payload)),
            said_at=happened(mapping, document.payload),
        )
        return row_id is not None
