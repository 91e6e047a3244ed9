"""One captured request on its way through a source, without a server: `nps source try`. Pure.

In: a source, the request, the time, a clock that counts seconds. Out: whether it is signed (and
why not), what each message in it becomes field by field, what nobody reads, and what it all costs.
Nothing is published, kept or fetched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, Final

import orjson

from services.ingest.decode.decoders import Decoder, Undecodable
from services.ingest.fetch.fetched import read_one
from services.ingest.fetch.recipe import Recipe, reads_of
from services.ingest.keep.redaction import redacted
from services.ingest.mapper.compiler import inheriting
from services.ingest.mapper.mapping import Kind, Mapping
from services.ingest.mapper.paths import Payload
from services.ingest.mapper.reads import Reads
from services.ingest.mapper.values import Unreadable
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourceEntry
from services.ingest.told import Ignored, Outcome, Thin, Translated
from services.ingest.translate import translate
from services.ingest.tryout import diagnosis
from services.ingest.tryout.trace import Clock, Field, traced, unread
from services.ingest.verify.settings import SignatureCheck, TokenCheck
from services.ingest.verify.verifier import compile_verifier
from shared.events import envelope

#: Repeats of each step, of which the median is told: the first pays for caches, some for others.
TIMES: Final = 25
#: A batch may hold 500; the first few show how it maps.
MAX_TRACED: Final = 5


_NOT_GIVEN: Final = "the file is a body alone: give its headers (-H, --header-file, --http, --url)"
#: Headers that say what a body is and nothing of who sent it.
_OF_THE_BODY: Final = frozenset({"content-type", "content-encoding"})


@dataclass(frozen=True, slots=True)
class Signature:
    """Whether somebody vouches: None where it could not be asked. `why` are sentences."""

    holds: bool | None
    scheme: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the request. `becomes` is the kind that fits (None: none, or ignored).

    `fields` and `unread` are of the first `MAX_TRACED` messages only.
    """

    becomes: str | None
    outcome: Outcome
    event: dict[str, Any] | None
    fields: tuple[Field, ...] = ()
    unread: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Costs:
    """What each step takes, in microseconds per request."""

    verify: float
    decode: float
    translate: float

    @property
    def total(self) -> float:
        """Sum of the steps."""
        return self.verify + self.decode + self.translate


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of one request; `undecodable` says why it was not read at all."""

    signature: Signature
    messages: tuple[Message, ...]
    costs: Costs
    undecodable: str = ""
    fetched: bool = False

    @property
    def answer(self) -> str:
        """Say what the server would answer."""
        if self.fetched:
            return "none: it is not sent to us but fetched"
        if self.signature.holds is False:
            return "401: nobody vouches for it, nothing is kept"
        if self.undecodable:
            return "400: not decodable"
        return "202" if self.signature.holds else "202, if it is signed"

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong: not refused, nothing for the quarantine."""
        taken = (Translated, Thin, Ignored)
        if self.undecodable or self.signature.holds is False:
            return False
        return all(isinstance(message.outcome, taken) for message in self.messages)


@dataclass(frozen=True, slots=True)
class Subject:
    """The source to try. `secrets` is None where a secret is not set here."""

    entry: SourceEntry
    mapping: Mapping
    decoder: Decoder
    secrets: tuple[str, ...] | None


def tried(
    subject: Subject, inbound: Inbound, now: datetime, *, clock: Clock, times: int = TIMES
) -> Trial:
    """Take one request through verify, decode and translate."""
    tree: object = None
    undecodable = ""
    payloads: Sequence[Payload] = ()
    try:
        tree = subject.decoder.read(inbound)
        payloads = subject.decoder.split(tree, inbound)
    except Undecodable as error:
        undecodable = str(error)

    def spend(work: Callable[[], object]) -> float:
        return _spent(work, clock, times)

    signature, verify = _signature(subject, inbound, now, _Read(tree, undecodable), spend)
    if undecodable:
        return Trial(signature, (), Costs(verify, 0.0, 0.0), undecodable)
    decode = _spent(
        lambda: subject.decoder.split(subject.decoder.read(inbound), inbound), clock, times
    )
    mapping = subject.mapping
    translating = spend(lambda: [translate(mapping, _fresh(one), now) for one in payloads])
    messages = tuple(
        _message(subject, payload, now, clock, times if place < MAX_TRACED else 0)
        for place, payload in enumerate(payloads)
    )
    return Trial(signature, messages, Costs(verify, decode, translating))


def tried_answer(
    subject: Subject,
    recipe: Recipe,
    body: bytes,
    now: datetime,
    *,
    clock: Clock,
    times: int = TIMES,
) -> Trial:
    """Read what the platform's API answered as `fetch` of the source says.

    The ids that a message would have asked for are not known here, and stand as `asked for`.
    """
    signature = Signature(None, "fetched from the platform's API")
    asked = {"survey": "asked for", "response_id": "asked for"}
    try:
        payload = read_one(recipe, body, asked).payload
    except Undecodable as error:
        return Trial(signature, (), Costs(0.0, 0.0, 0.0), str(error), fetched=True)
    written = inheriting(reads_of(recipe.settings), subject.entry)
    entry = subject.entry.model_copy(update={**dict(written), "kinds": ()})
    fetched = Subject(entry, recipe.mapping, subject.decoder, None)
    costs = Costs(
        0.0,
        _spent(lambda: read_one(recipe, body, asked), clock, times),
        _spent(lambda: translate(recipe.mapping, _fresh(payload), now), clock, times),
    )
    message = _message(fetched, payload, now, clock, times)
    return Trial(signature, (message,), costs, fetched=True)


def scheme_text(entry: SourceEntry) -> str:
    """Say in a few words how a source is told from a stranger."""
    check = entry.verify
    ips = " + addresses" if entry.allow_ips else ""
    if entry.unsigned or check is None:
        return f"unsigned{ips}"
    if check.kind == "token":
        place = check.header or check.query or check.field or "the address"
        return f"token in {place}{ips}"
    algorithm = check.algorithm if check.algorithm == "ed25519" else f"HMAC {check.algorithm}"
    return f"{algorithm} in {check.header or check.field}{ips}"


@dataclass(frozen=True, slots=True)
class _Read:
    """The decoded body, or why there is none."""

    tree: object
    undecodable: str


def _signature(
    subject: Subject,
    inbound: Inbound,
    now: datetime,
    read: _Read,
    spend: Callable[[Callable[[], object]], float],
) -> tuple[Signature, float]:
    entry, scheme = subject.entry, scheme_text(subject.entry)
    # The sender's address is known to a server only, unless the operator tells it.
    networks = entry.allow_ips if inbound.client else ()
    if entry.unsigned or entry.verify is None:
        verifier = compile_verifier(None, (), networks, unsigned=True)
    elif not _came_whole(entry.verify, inbound):
        return Signature(None, scheme, (_NOT_GIVEN,)), 0.0
    elif subject.secrets is None:
        return Signature(None, scheme, ("its secret is not set here",)), 0.0
    else:
        verifier = compile_verifier(entry.verify, subject.secrets, networks)
    tree = read.tree
    if verifier.reads_fields and read.undecodable:
        return Signature(False, scheme, (f"it is in the body, which is {read.undecodable}",)), 0.0
    spent = spend(lambda: verifier.vouch(inbound, tree, now))
    place = verifier.vouch(inbound, tree, now)
    if place is not None:
        told = ("by the older secret",) if place else ()
        if entry.allow_ips and not inbound.client:
            told = (*told, "the sender's address was not asked (--client)")
        return Signature(True, scheme, told), spent
    if _only_address_wrong(subject, inbound, tree, now):
        return Signature(False, scheme, ("its sender's address is not in allow_ips",)), spent
    assert entry.verify is not None  # noqa: S101 - else only an address can be refused
    assert subject.secrets is not None  # noqa: S101
    reasons = diagnosis.why(entry.verify, subject.secrets, inbound, tree, now)
    return Signature(False, scheme, reasons), spent


def _came_whole(check: SignatureCheck | TokenCheck, inbound: Inbound) -> bool:
    """Tell whether what proves the sender can be in what was captured."""
    if check.header is not None:
        return bool(set(inbound.headers.keys()) - _OF_THE_BODY)
    if isinstance(check, TokenCheck) and check.field is None:
        return bool(inbound.url)
    return True


def _only_address_wrong(subject: Subject, inbound: Inbound, tree: object, now: datetime) -> bool:
    """Tell whether only the sender's address is wrong."""
    if subject.entry.unsigned:
        return True
    check, secrets = subject.entry.verify, subject.secrets
    if check is None or secrets is None:
        return False
    return compile_verifier(check, secrets).vouch(inbound, tree, now) is not None


def _message(
    subject: Subject, payload: Payload, now: datetime, clock: Clock, times: int
) -> Message:
    mapping, entry = subject.mapping, subject.entry
    outcome = translate(mapping, _fresh(payload), now)
    event = None
    if isinstance(outcome, Translated):
        event = orjson.loads(envelope.encode(outcome.told.event))
    place = _fitting(mapping, payload)
    kind: Kind | None = None if place is None else mapping.kinds[place]
    becomes = None if kind is None else kind.becomes
    if not times:
        return Message(becomes, outcome, event)
    written: Reads = entry
    if place is not None and entry.kinds:
        written = inheriting(entry.kinds[place], entry)
    fields: tuple[Field, ...] = ()
    if kind is not None:
        fields = traced(
            written,
            kind,
            entry.shorthands,
            lambda: _fresh(payload),
            now,
            clock=clock,
            times=times,
        )
    secrets = [secret.encode() for secret in subject.secrets or ()]
    nobody = unread(mapping, kind, written, _fresh(payload), now)
    return Message(
        becomes,
        outcome,
        event,
        fields,
        tuple((path, _struck(value, secrets)) for path, value in nobody),
    )


def _struck(value: object, secrets: Sequence[bytes]) -> object:
    """Strike a token out of what stands in the body beside the fields."""
    text = orjson.dumps(value, default=str)
    struck = redacted(text, secrets)
    return value if struck == text else struck.decode("utf-8", "replace")


def _fitting(mapping: Mapping, payload: Payload) -> int | None:
    """Find the kind that `translate` takes; None where it ignores the message before."""
    fresh = _fresh(payload)
    try:
        if any(test.holds(fresh) for test, _ in mapping.ignore):
            return None
        fits = (
            place
            for place, kind in enumerate(mapping.kinds)
            if all(test.holds(fresh) for test in kind.when)
        )
        return next(fits, None)
    except Unreadable:
        return None


def _fresh(payload: Payload) -> Payload:
    """Take the same message without the indexes that reading it made."""
    return Payload(payload.body, payload.headers, payload.root, payload.query)


def _spent(work: Callable[[], object], clock: Clock, times: int) -> float:
    spent: list[float] = []
    for _ in range(max(1, times)):
        started = clock()
        work()
        spent.append(clock() - started)
    return median(spent) * 1e6
