"""One request of a source, from its bytes to what is durable: verify → decode → translate → keep.

In: the source, the request, the time. Out: `Receipt`, once everything it names is durable; or the
problems 401, 400, 429 and 503. What a sender repeats after a 503 makes the same events again.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.ingest.catalogue import Source
from services.ingest.decode.decoders import Undecodable
from services.ingest.decode.payload import Payload
from services.ingest.keep.bodies import Bodies
from services.ingest.keep.bodies_table import Body
from services.ingest.keep.intake import Intake
from services.ingest.keep.people import people
from services.ingest.keep.quarantine import Quarantine
from services.ingest.mapper.values import clean
from services.ingest.receive.inbound import Inbound
from services.ingest.sight import Sight
from services.ingest.told import Ignored, Outcome, Receipt, Thin, Told, Translated, Unmappable
from services.ingest.translate import happened, named, translate
from services.ingest.verify.verifier import NOBODY
from shared.errors import RecordTooLarge
from shared.events.feedback import ResponseReceived
from shared.http.problems import Problem

_TOO_LARGE = Unmappable("*", "too large for the bus once mapped")


class ToFetch(Protocol):
    """Where messages of ids only wait to be fetched."""

    async def put(self, source: str, thins: Sequence[Thin], now: datetime) -> None:
        """Return when they are durable; raises `DependencyAway`."""


class Receiver:
    """Takes authentic messages in. Every call either makes all of them durable, or raises."""

    def __init__(
        self,
        intake: Intake,
        quarantine: Quarantine,
        bodies: Bodies,
        to_fetch: ToFetch | None,
        sight: Sight,
        *,
        route_key: bytes,
    ) -> None:
        self._intake = intake
        self._quarantine = quarantine
        self._bodies = bodies
        self._to_fetch = to_fetch
        self._sight = sight
        self._route_key = route_key

    async def take(
        self, source: Source | None, inbound: Inbound, now: datetime, monotonic: float
    ) -> Receipt:
        """Take one request; `monotonic` (seconds) is the rate's clock."""
        tree = self._vouched(source, inbound, now)
        assert source is not None  # noqa: S101 - nobody vouches for an unknown source
        if wait := source.bucket.take(monotonic):
            raise _too_many(wait)
        try:
            if not source.verifier.reads_fields:
                tree = source.decoder.read(inbound)
            payloads = source.decoder.split(tree, inbound)
        except Undecodable as error:
            raise Problem(400, "undecodable", f"the body is {error}") from None
        if len(payloads) > 1:
            source.bucket.owe(len(payloads) - 1)
        outcomes = [translate(source.mapping, payload, now) for payload in payloads]
        return await self._apply(source, inbound, payloads, outcomes, now)

    def _vouched(self, source: Source | None, inbound: Inbound, now: datetime) -> object:
        """Return the tree where the verifier needed it; anything wrong is the same 401."""
        if source is None or (inbound.rest and not source.takes_path):
            NOBODY.vouch(inbound, None, now)
            raise _unauthorized()
        tree: object = None
        if source.verifier.reads_fields:
            try:
                tree = source.decoder.read(inbound)
            except Undecodable:
                raise _unauthorized() from None
        secret = source.verifier.vouch(inbound, tree, now)
        if secret is None:
            raise _unauthorized()
        self._sight.vouched(source.name, secret)
        return tree

    async def _apply(
        self,
        source: Source,
        inbound: Inbound,
        payloads: Sequence[Payload],
        outcomes: list[Outcome],
        now: datetime,
    ) -> Receipt:
        only = outcomes[0]
        started = time.monotonic()
        if len(outcomes) == 1 and isinstance(only, Translated):
            try:  # nearly every message: no lists, and the deadline is that of publishing
                await self._intake.publish([only.told])
            except RecordTooLarge:
                outcomes = [_TOO_LARGE]
            else:
                if self._bodies.on:
                    self._bodies.keep(self._body(source, inbound, (only.told,), now))
                return Receipt(event_ids=(only.told.event.id,), unread=only.unread)
        left_s = self._intake.request_deadline_s - (time.monotonic() - started)
        work = self._apply_each(source, inbound, payloads, outcomes, now)
        return await self._intake.in_time(work, left_s)

    async def _apply_each(
        self,
        source: Source,
        inbound: Inbound,
        payloads: Sequence[Payload],
        outcomes: list[Outcome],
        now: datetime,
    ) -> Receipt:
        """Do one thing after another; the deadline for all together is the caller's."""
        told = [one.told for one in outcomes if isinstance(one, Translated)]
        if told:
            await self._publish(told, outcomes)
        thins = [one for one in outcomes if isinstance(one, Thin)]
        if thins and self._to_fetch is not None:
            await self._to_fetch.put(source.name, thins, now)
        quarantine_id = await self._set_aside(source, inbound, payloads, outcomes, now)
        told = [one.told for one in outcomes if isinstance(one, Translated)]
        if told and self._bodies.on:
            self._bodies.keep(self._body(source, inbound, told, now))
        failed = [one for one in outcomes if isinstance(one, Unmappable)]
        ignored = [one for one in outcomes if isinstance(one, Ignored)]
        return Receipt(
            event_ids=tuple(one.event.id for one in told),
            fetching=len(thins),
            ignored=len(ignored),
            quarantined=len(failed),
            quarantine_id=quarantine_id,
            reasons=tuple(
                sorted({f"{one.path}: {one.rule}" for one in failed} | {i.reason for i in ignored})
            ),
            unread=tuple(
                sorted({w for one in outcomes if isinstance(one, Translated) for w in one.unread})
            ),
        )

    async def _publish(self, told: list[Told], outcomes: list[Outcome]) -> None:
        """Make the events durable; one that no record holds is set aside like an unmappable one."""
        try:
            await self._intake.publish(told)
        except RecordTooLarge:
            for place, one in enumerate(outcomes):
                if isinstance(one, Translated):
                    try:
                        await self._intake.publish([one.told])
                    except RecordTooLarge:
                        outcomes[place] = _TOO_LARGE

    async def _set_aside(
        self,
        source: Source,
        inbound: Inbound,
        payloads: Sequence[Payload],
        outcomes: Sequence[Outcome],
        now: datetime,
    ) -> UUID | None:
        failed = [(n, one) for n, one in enumerate(outcomes) if isinstance(one, Unmappable)]
        if not failed:
            return None
        headers, query = _needed(source, inbound)
        known = [i for payload in payloads for i in named(source.mapping, payload)]
        return await self._quarantine.put(
            source=source.name,
            body=inbound.body,
            secrets=source.secrets,
            content_type=_content_type(inbound),
            received_at=now,
            path=failed[0][1].path,
            rule=failed[0][1].rule,
            mapping=source.used.version,
            headers=headers,
            query=query,
            places=[place for place, _ in failed],
            people=sorted(set(people(self._route_key, known))),
            said_at=happened(source.mapping, payloads[0]) if len(payloads) == 1 else None,
        )

    def _body(self, source: Source, inbound: Inbound, told: Sequence[Told], now: datetime) -> Body:
        headers, query = _needed(source, inbound)
        only = told[0] if len(told) == 1 else None
        response: ResponseReceived | None = None
        if only is not None and isinstance(only.event.data, ResponseReceived):
            response = only.event.data
        marks = (
            people(self._route_key, only.identifiers)
            if only is not None
            else tuple({p for one in told for p in people(self._route_key, one.identifiers)})
        )
        return Body(
            source=source.name,
            received_at=now,
            mapping=source.used.version,
            body=inbound.body,
            content_type=_content_type(inbound),
            headers=headers,
            query=query,
            survey=response.survey if response else None,
            response_id=response.response_id if response else None,
            event_ids=tuple([one.event.id for one in told]),
            people=marks,
            said_at=min([one.event.time for one in told]),
            secrets=source.secrets,
        )


def _needed(source: Source, inbound: Inbound) -> tuple[dict[str, str], str]:
    """Take what beside the body decoder and mapping read: no more of a request is ever kept."""
    sent = inbound.headers
    headers = {
        name: value for name in source.headers_of(sent) if (value := sent.get(name)) is not None
    }
    return headers, inbound.query.decode("latin-1") if source.mapping.reads_query else ""


def _content_type(inbound: Inbound) -> str:
    return clean(inbound.headers.get("content-type") or "", 200)


def _unauthorized() -> Problem:
    return Problem(401, "unauthorized", "no source of this name accepts this message")


def _too_many(wait_s: float) -> Problem:
    return Problem(
        429,
        "too-many",
        "more than this source's rate allows; send it again after Retry-After",
        headers={"Retry-After": str(max(1, round(wait_s + 0.5)))},
    )
