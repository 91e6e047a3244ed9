"""What is allowed in a source and probably not meant: the warnings of `nps source check`. Pure.

In: a source's entry as written, and laid over its preset. Out: pairs of the key at fault and what
to do about it.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from services.ingest.mapper.compiler import ANSWERS, inheriting
from services.ingest.mapper.needs import Location
from services.ingest.mapper.reads import Condition, Reads
from services.ingest.mapper.values import word
from services.ingest.settings import SourceEntry

Warned = tuple[Location, str]

_ANYBODY = (
    "whoever knows the address may post: limit it by allow_ips, or take a secret in the address "
    "(verify: {kind: token, path: true})"
)
_TWO_SECRETS = (
    "two are active: take the older one away once nps_ingest_secret_used_total of it stands still"
)
_PARTIAL_IS_WHOLE = (
    "a partial answer counts as whole, and she is written to before she has ended: leave this out, "
    "the preset knows which message is the last"
)
_NEVER_WHOLE = (
    "not said: an answer counts as whole some minutes after its last message (policy.yaml, "
    "settle); write final, or the condition by which the last message is known"
)

_CANONICAL = ("score", *ANSWERS)


def warnings(written: SourceEntry, entry: SourceEntry, preset: SourceEntry | None) -> list[Warned]:
    """Look at one source: `entry` is `written` over `preset`."""
    found = [*_trust(entry), *_completeness(written, preset), *_taken(entry)]
    for at, reads in _ways(entry):
        found += [((*at, key), text) for key, text in _reading(entry, reads)]
    return found


def _ways(entry: SourceEntry) -> Iterator[tuple[Location, Reads]]:
    """List the ways in which messages become events of a customer's answer or data."""
    if not entry.kinds:
        yield (), entry
    for place, kind in enumerate(entry.kinds):
        if kind.becomes != "thin":
            yield ("kinds", place), inheriting(kind, entry)
    if entry.fetch is not None:
        yield ("fetch", "reads"), inheriting(entry.fetch.reads, entry)


def _trust(entry: SourceEntry) -> Iterator[Warned]:
    if entry.unsigned and not entry.allow_ips:
        yield ("unsigned",), _ANYBODY
    if len(entry.secrets) > 1:
        yield ("secrets",), _TWO_SECRETS
    fetch = entry.fetch
    if fetch is not None and fetch.allow_http:
        yield ("fetch", "allow_http"), "the platform's token travels unencrypted: use https"
    if fetch is not None and fetch.allow_private:
        yield ("fetch", "allow_private"), "addresses of your own network may be called"


def _completeness(written: SourceEntry, preset: SourceEntry | None) -> Iterator[Warned]:
    knows = preset is not None and isinstance(preset.complete, Condition)
    if knows and "complete" in written.model_fields_set and written.complete == "final":
        yield ("complete",), _PARTIAL_IS_WHOLE


def _taken(entry: SourceEntry) -> Iterator[Warned]:
    """Find words of a kind that go to another above it."""
    above: dict[tuple[tuple[str, ...], str | None], int] = {}
    for place, kind in enumerate(entry.kinds):
        if len(kind.when) != 1:
            continue
        (condition,) = kind.when
        words = [(condition.from_, word(one)) for one in condition.is_]
        for key in words:
            if key in above:
                text = f"{key[1]!r} never comes here: the kind at {above[key]} takes it"
                yield ("kinds", place, "when"), text
        above |= {key: place for key in words if key not in above}


def _reading(entry: SourceEntry, reads: Reads) -> Iterator[tuple[str, str]]:
    if reads.answered_at is None:
        yield "answered_at", "not said: the time of receipt is taken"
    if reads.becomes != "response":
        return
    if reads.answers.get("score") is None:
        yield "answers", "no score: answers are kept, and nobody gets a segment by them"
    for name in reads.answers:
        meant = get_close_matches(name, _CANONICAL, n=1, cutoff=0.8)
        if meant and name not in _CANONICAL:
            yield "answers", f"{name!r} is a question of its own: do you mean {meant[0]!r}?"
    if not any(reads.identifiers.values()):
        yield "identifiers", "none: an answer belongs to no customer, so nobody is written to"
    if not reads.consents:
        yield "consents", "none read: unknown is no for marketing, unless your CRM tells them"
    if reads.complete == "unknown" and entry.fetch is None:
        yield "complete", _NEVER_WHOLE
